//! What was moved from and to each account by IMAP in the last day, kept over runs: providers count it,
//! and lock an account that moved too much out for hours (`docs/design/throttling.md`).
//!
//! It is a cache: deleting it changes no result. A run without it learns from the server that it was
//! too much.

mod book;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mailferry_engine::fault::Side;
use mailferry_store::contract::{DayOctets, Meter};
use rusqlite::{Connection, params};

use self::book::{DayBook, HOUR_SECONDS};

/// How long another run may hold the file.
const BUSY_MAX: Duration = Duration::from_secs(2);
/// What is kept, in hours.
const HOURS_KEPT: i64 = 48;
/// A day is over for a run when so much of it is left, as a part of a thousand: what is in flight
/// is still finished.
const RESERVE_PER_MILLE: u64 = 10;

/// Seconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The accounts of a run and what they moved.
pub struct Ledger {
    file: Option<Mutex<Connection>>,
    clock: Clock,
    accounts: [Account; 2],
}

/// Which way octets went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the server.
    Download,
    /// To the server.
    Upload,
}

struct Account {
    name: String,
    meter: Arc<Meter>,
    /// What the meter showed when it was written down last.
    written: Mutex<(u64, u64)>,
    /// What earlier runs, others, and this one wrote down, by hours.
    books: Mutex<(DayBook, DayBook)>,
    /// What the meter shows when the day is over.
    marks: [AtomicU64; 2],
    permitted: Mutex<DayOctets>,
}

/// The day of an account is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Which account.
    pub side: Side,
    /// Which way.
    pub way: Way,
    /// What it moved in the last day, in octets.
    pub octets: u64,
    /// What it may.
    pub permitted: u64,
    /// When it may go on.
    pub wait: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// The ledger of two accounts, by their names and meters, in `folder`.
    ///
    /// # Errors
    /// The file cannot be used; the words say why.
    pub fn open(
        folder: &Path,
        accounts: [(String, Arc<Meter>); 2],
        clock: Clock,
    ) -> Result<Self, String> {
        let file = Some(Mutex::new(open_file(folder, clock())?));
        let mut ledger = Self::of_this_run(accounts, clock);
        ledger.file = file;
        ledger.read();
        Ok(ledger)
    }

    /// One that counts this run alone.
    #[must_use]
    pub fn of_this_run(accounts: [(String, Arc<Meter>); 2], clock: Clock) -> Self {
        let accounts = accounts.map(|(name, meter)| Account::new(name, meter));
        Self { file: None, clock, accounts }
    }

    /// From now on an account may move so much a day.
    pub fn permit(&self, side: Side, octets: DayOctets) {
        let account = self.account(side);
        *lock(&account.permitted) = octets;
        account.set_marks((self.clock)());
    }

    /// Whether the day of an account is over.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.accounts.iter().any(Account::is_spent)
    }

    /// What is over, and until when.
    #[must_use]
    pub fn spent(&self) -> Option<Spent> {
        let now = (self.clock)();
        let sides = [(Side::Source, &self.accounts[0]), (Side::Target, &self.accounts[1])];
        sides.into_iter().find_map(|(side, account)| {
            let (way, octets, permitted, wait) = account.spent(now)?;
            Some(Spent { side, way, octets, permitted, wait })
        })
    }

    /// Writes down what was moved since, and reads what others wrote.
    pub fn flush(&self) {
        let hour = (self.clock)().div_euclid(HOUR_SECONDS);
        for account in &self.accounts {
            let (download, upload) = account.take_unwritten();
            if download == 0 && upload == 0 {
                continue;
            }
            let mut books = lock(&account.books);
            books.0.add(hour, download);
            books.1.add(hour, upload);
            drop(books);
            if let Some(file) = &self.file {
                // A cache: what cannot be written is not known to the next run.
                let _ = lock(file).execute(
                    "INSERT INTO octets (account, hour, download, upload) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (account, hour) DO UPDATE SET \
                     download = download + excluded.download, upload = upload + excluded.upload",
                    params![account.name, hour, signed(download), signed(upload)],
                );
            }
        }
        self.read();
    }

    fn read(&self) {
        if let Some(file) = &self.file {
            let file = lock(file);
            for account in &self.accounts {
                if let Ok(books) = read_books(&file, &account.name) {
                    *lock(&account.books) = books;
                }
            }
        }
        let now = (self.clock)();
        self.accounts.iter().for_each(|account| account.set_marks(now));
    }

    fn account(&self, side: Side) -> &Account {
        &self.accounts[usize::from(side == Side::Target)]
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Account {
    fn new(name: String, meter: Arc<Meter>) -> Self {
        Self {
            name,
            meter,
            written: Mutex::default(),
            books: Mutex::default(),
            marks: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
            permitted: Mutex::default(),
        }
    }

    fn shown(&self) -> (u64, u64) {
        (self.meter.received(), self.meter.sent())
    }

    fn take_unwritten(&self) -> (u64, u64) {
        let shown = self.shown();
        let mut written = lock(&self.written);
        let new = (shown.0 - written.0, shown.1 - written.1);
        *written = shown;
        new
    }

    fn set_marks(&self, now: i64) {
        let permitted = *lock(&self.permitted);
        let written = *lock(&self.written);
        let books = lock(&self.books);
        for (mark, permitted, book, written) in [
            (&self.marks[0], permitted.download, &books.0, written.0),
            (&self.marks[1], permitted.upload, &books.1, written.1),
        ] {
            let left = permitted.map(|most| usable(most).saturating_sub(book.last_day(now)));
            mark.store(
                left.map_or(u64::MAX, |left| written.saturating_add(left)),
                Ordering::Relaxed,
            );
        }
    }

    fn is_spent(&self) -> bool {
        let (received, sent) = self.shown();
        received >= self.marks[0].load(Ordering::Relaxed)
            || sent >= self.marks[1].load(Ordering::Relaxed)
    }

    fn spent(&self, now: i64) -> Option<(Way, u64, u64, Duration)> {
        let (received, sent) = self.shown();
        let permitted = *lock(&self.permitted);
        let written = *lock(&self.written);
        let books = lock(&self.books);
        let ways = [
            (Way::Download, received, written.0, permitted.download, &books.0, 0),
            (Way::Upload, sent, written.1, permitted.upload, &books.1, 1),
        ];
        ways.into_iter().find_map(|(way, shown, written, permitted, book, at)| {
            let permitted = permitted?;
            if shown < self.marks[at].load(Ordering::Relaxed) {
                return None;
            }
            let mut book = book.clone();
            book.add(now.div_euclid(HOUR_SECONDS), shown - written);
            let wait = book.wait_until_below(usable(permitted), now);
            Some((way, book.last_day(now), permitted, wait))
        })
    }
}

/// What a run uses of it.
fn usable(permitted: u64) -> u64 {
    permitted - permitted / 1000 * RESERVE_PER_MILLE
}

fn signed(octets: u64) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

fn open_file(folder: &Path, now: i64) -> Result<Connection, String> {
    let path: PathBuf = folder.join("octets.sqlite");
    let words = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    std::fs::create_dir_all(folder).map_err(|error| words(&error))?;
    crate::state::private_file(&path).map_err(|error| words(&error))?;
    let open = || -> rusqlite::Result<Connection> {
        let file = Connection::open(&path)?;
        file.busy_timeout(BUSY_MAX)?;
        file.pragma_update(None, "journal_mode", "WAL")?;
        file.pragma_update(None, "synchronous", "NORMAL")?;
        file.execute_batch(
            "CREATE TABLE IF NOT EXISTS octets (account TEXT NOT NULL, hour INTEGER NOT NULL, \
             download INTEGER NOT NULL, upload INTEGER NOT NULL, PRIMARY KEY (account, hour)) \
             WITHOUT ROWID;",
        )?;
        let oldest = now.div_euclid(HOUR_SECONDS) - HOURS_KEPT;
        file.execute("DELETE FROM octets WHERE hour < ?1", [oldest])?;
        Ok(file)
    };
    open().map_err(|error| words(&error))
}

fn read_books(file: &Connection, account: &str) -> rusqlite::Result<(DayBook, DayBook)> {
    let mut select =
        file.prepare_cached("SELECT hour, download, upload FROM octets WHERE account = ?1")?;
    let rows = select.query_map([account], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut books = (DayBook::default(), DayBook::default());
    for row in rows {
        let (hour, download, upload) = row?;
        books.0.add(hour, download.unsigned_abs());
        books.1.add(hour, upload.unsigned_abs());
    }
    Ok(books)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::AtomicI64;

    use super::*;

    /// A clock that a test sets.
    fn clock() -> (Arc<AtomicI64>, Clock) {
        let time = Arc::new(AtomicI64::new(1_800_000_000));
        let shown = time.clone();
        (time, Arc::new(move || shown.load(Ordering::Relaxed)))
    }

    fn account(name: &str) -> (String, Arc<Meter>) {
        (name.to_owned(), Arc::new(Meter::default()))
    }

    fn ledger(folder: &Path, clock: &Clock) -> (Ledger, [Arc<Meter>; 2]) {
        let accounts = [account("a@x:993"), account("b@y:993")];
        let meters = [accounts[0].1.clone(), accounts[1].1.clone()];
        let ledger = Ledger::open(folder, accounts, clock.clone()).unwrap();
        let octets = DayOctets { download: Some(100_000), upload: None };
        ledger.permit(Side::Source, octets);
        (ledger, meters)
    }

    #[test]
    fn what_one_run_moved_the_next_one_knows_and_a_day_later_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (time, clock) = clock();
        let (first, [meter, _]) = ledger(folder.path(), &clock);
        meter.count(60_000, 5_000);
        assert!(!first.is_spent());
        drop(first);
        let (second, [meter, _]) = ledger(folder.path(), &clock);
        meter.count(38_000, 0);
        assert!(!second.is_spent());
        meter.count(2_000, 0);
        let spent = second.spent().unwrap();
        assert_eq!((spent.side, spent.way), (Side::Source, Way::Download));
        assert_eq!((spent.octets, spent.permitted), (100_000, 100_000));
        assert!(spent.wait > Duration::from_secs(23 * 3600), "{spent:?}");
        assert!(spent.wait <= Duration::from_secs(25 * 3600), "{spent:?}");
        drop(second);
        time.fetch_add(i64::try_from(spent.wait.as_secs()).unwrap(), Ordering::Relaxed);
        let (third, _) = ledger(folder.path(), &clock);
        assert!(!third.is_spent());
    }

    #[test]
    fn two_runs_at_the_same_time_count_together() {
        let folder = tempfile::tempdir().unwrap();
        let (_, clock) = clock();
        let (one, [meter, _]) = ledger(folder.path(), &clock);
        let (other, [other_meter, _]) = ledger(folder.path(), &clock);
        meter.count(50_000, 0);
        other_meter.count(50_000, 0);
        assert!(!one.is_spent() && !other.is_spent());
        one.flush();
        other.flush();
        one.flush();
        assert!(one.is_spent() && other.is_spent());
    }

    #[test]
    fn what_was_lost_is_counted_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (_, clock) = clock();
        let (first, [meter, _]) = ledger(folder.path(), &clock);
        meter.count(100_000, 0);
        drop(first);
        std::fs::remove_file(folder.path().join("octets.sqlite")).unwrap();
        let (second, _) = ledger(folder.path(), &clock);
        assert!(!second.is_spent());
    }
}
