//! The lines of imapsync's report that other programs read.
//!
//! Wrappers match these lines by regular expression, so labels, widths and blanks (trailing
//! ones too) are facts, not taste. Everything here is a pure function from values to text.

mod ending;
mod sizes;
mod statistics;

use std::fmt::Write as _;

use jiff::Zoned;

pub use ending::{Verdict, errors_detected, errors_listed, exiting, most_frequent_error};
pub use sizes::{FolderSize, Sizes, difference_line, folder_size_line, totals};
pub use statistics::{Cpu, Difference, Memory, Statistics};

/// A folder's name as it is shown: raw, and readable where that is another text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownName<'a> {
    /// The name on the wire.
    pub raw: &'a str,
    /// The name decoded from modified UTF-7, if it differs.
    pub decoded: Option<&'a str>,
}

impl ShownName<'_> {
    /// `[raw]` or `[raw] = [decoded]`.
    #[must_use]
    pub fn bracketed(self) -> String {
        match self.decoded {
            Some(decoded) if decoded != self.raw => format!("[{}] = [{decoded}]", self.raw),
            _ => format!("[{}]", self.raw),
        }
    }
}

/// Which of how many, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// This one.
    pub this: usize,
    /// Of so many.
    pub of: usize,
}

impl Place {
    fn shown(self) -> String {
        format!("{}/{}", self.this, self.of)
    }
}

/// A date as imapsync prints it, the names of days and months in English.
#[must_use]
pub fn date(time: &Zoned) -> String {
    time.strftime("%A %d %B %Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// Octets for human eyes: below 1000 KiB in KiB, below 1000 MiB in MiB and so on to PiB.
#[must_use]
pub fn human_size(octets: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    #[allow(clippy::cast_precision_loss, reason = "three decimals are shown")]
    let mut amount = octets as f64 / 1024.0;
    let mut unit = 0;
    while amount.abs() >= 1000.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.3} {}", UNITS.get(unit).copied().unwrap_or_default())
}

/// The first line of the loop over `count` folders.
#[must_use]
pub fn loop_start(count: usize) -> String {
    format!("++++ Looping on each one of {count} folders to sync")
}

/// The last line of that loop.
pub const LOOP_END: &str = "++++ End looping on each folder";

/// The line before a folder is taken up.
#[must_use]
pub fn folder_line(place: Place, name1: ShownName<'_>, name2: ShownName<'_>) -> String {
    format!("Folder {:>7} {:<35} -> {:<35}", place.shown(), name1.bracketed(), name2.bracketed())
}

/// When the run will be over, as far as one can tell.
#[derive(Clone, Debug)]
pub struct Eta {
    /// The expected end.
    pub end: Zoned,
    /// Seconds until then.
    pub seconds: f64,
    /// Messages not yet looked at.
    pub left: u64,
    /// Messages in all.
    pub total: u64,
}

impl Eta {
    /// `ETA: DATE  SECONDS s  LEFT/TOTAL msgs left`
    #[must_use]
    pub fn line(&self) -> String {
        let seconds = self.seconds.max(0.0);
        format!("ETA: {}  {seconds:.0} s  {}/{} msgs left", date(&self.end), self.left, self.total)
    }
}

/// A message that was copied.
#[derive(Clone, Debug)]
pub struct Copied<'a> {
    /// Its folder on host1, raw.
    pub folder1: &'a str,
    /// Its UID on host1.
    pub uid1: u32,
    /// Its length as sent.
    pub octets: u64,
    /// Its folder on host2, raw.
    pub folder2: &'a str,
    /// Its UID on host2, if host2 told it.
    pub uid2: Option<u32>,
    /// Messages per second so far.
    pub message_rate: f64,
    /// Octets per second so far.
    pub octet_rate: f64,
    /// Octets copied so far.
    pub octets_so_far: u64,
    /// Nothing without `--foldersizes`.
    pub eta: Option<Eta>,
}

impl Copied<'_> {
    /// `msg F/U {N} copied to F/U …`; it ends with a blank where there is no ETA.
    #[must_use]
    pub fn line(&self) -> String {
        let uid2 = self.uid2.map(|uid| uid.to_string()).unwrap_or_default();
        let from = format!("{} {{{}}}", self.uid1, self.octets);
        #[allow(clippy::cast_possible_truncation, reason = "a rate, shown with three decimals")]
        let rate = human_size(self.octet_rate.round() as i64);
        let mut line = format!(
            "msg {}/{from:<19} copied to {}/{uid2:<10} {:.2} msgs/s  {rate}/s {} copied ",
            self.folder1,
            self.folder2,
            self.message_rate,
            human_size(signed(self.octets_so_far)),
        );
        if let Some(eta) = &self.eta {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", eta.line());
        }
        line
    }
}

fn signed(octets: u64) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(super) fn half_past_two() -> Zoned {
        "2026-11-23T02:38:58+00:00[UTC]".parse().unwrap()
    }

    /// U72 of the unit catalogue; a size that is no number cannot be.
    #[test]
    fn sizes_switch_unit_at_a_thousand() {
        for (octets, shown) in [
            (0, "0.000 KiB"),
            (10_728, "10.477 KiB"),
            (-10_728, "-10.477 KiB"),
            (1_023_999, "999.999 KiB"),
            (1_024_000, "0.977 MiB"),
            (1_048_576, "1.000 MiB"),
            (1_000 * 1_048_576, "0.977 GiB"),
            (i64::MAX, "8192.000 PiB"),
        ] {
            assert_eq!(human_size(octets), shown);
        }
    }

    #[test]
    fn dates_have_day_month_and_zone_in_words_and_digits() {
        assert_eq!(date(&half_past_two()), "Monday 23 November 2026-11-23 02:38:58 +0000 UTC");
    }

    #[test]
    fn a_folder_line_pads_both_names_to_35_characters() {
        let name1 = ShownName { raw: "Caf&AOk-", decoded: Some("Café") };
        let name2 = ShownName { raw: "INBOX.Caf&AOk-", decoded: Some("INBOX.Café") };
        assert_eq!(
            folder_line(Place { this: 1, of: 9 }, name1, name2),
            format!(
                "Folder     1/9 [Caf&AOk-] = [Café]{}-> [INBOX.Caf&AOk-] = [INBOX.Café]    ",
                " ".repeat(17)
            )
        );
        let plain = ShownName { raw: "Work", decoded: Some("Work") };
        assert_eq!(plain.bracketed(), "[Work]");
    }

    fn copied(eta: Option<Eta>) -> Copied<'static> {
        Copied {
            folder1: "Caf&AOk-",
            uid1: 1,
            octets: 242,
            folder2: "INBOX.Caf&AOk-",
            uid2: Some(1),
            message_rate: 22.012,
            octet_rate: 5326.9,
            octets_so_far: 242,
            eta,
        }
    }

    #[test]
    fn a_copied_message_has_its_places_and_an_eta() {
        let eta = Eta { end: half_past_two(), seconds: 0.6, left: 14, total: 15 };
        assert_eq!(
            copied(Some(eta)).line(),
            "msg Caf&AOk-/1 {242}             copied to INBOX.Caf&AOk-/1          22.01 msgs/s  \
             5.202 KiB/s 0.236 KiB copied ETA: Monday 23 November 2026-11-23 02:38:58 +0000 UTC  \
             1 s  14/15 msgs left"
        );
    }

    /// U74 of the unit catalogue.
    #[test]
    fn an_eta_has_two_blanks_around_its_seconds() {
        let eta = Eta { end: half_past_two(), seconds: 0.0, left: 1, total: 2 };
        let date = "Monday 23 November 2026-11-23 02:38:58 +0000 UTC";
        assert_eq!(eta.line(), format!("ETA: {date}  0 s  1/2 msgs left"));
    }

    #[test]
    fn without_eta_the_line_of_a_copy_ends_with_a_blank() {
        assert!(copied(None).line().ends_with(" 0.236 KiB copied "));
    }
}
