//! Two Dovecots for measuring by hand: a source full of mail and an empty target.
//!
//! `pair [MESSAGES [SEED [MEDIAN_OCTETS [ONE_WAY_MILLISECONDS [KILOBYTES_PER_SECOND]]]]]`, by
//! default 5000 messages, seed 1, 8192 octets, no latency, as fast as it goes. Both offer
//! COMPRESS. Prints what to connect to and runs until its input ends.
#![allow(clippy::print_stdout)]

use mailferry_testkit::corpus::{Corpus, Large, Recipe};
use mailferry_testkit::dovecot::{Compression, Dovecot, Durability, Layout, Setup};
use mailferry_testkit::probe::Keep;
use mailferry_testkit::proxy::{Proxy, Weather};
use std::error::Error;
use std::io::Read as _;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let number = |position: usize, default: u32| match std::env::args().nth(position) {
        Some(word) => word.parse::<u32>(),
        None => Ok(default),
    };
    let recipe = Recipe {
        messages: number(1, 5000)?,
        seed: u64::from(number(2, 1)?),
        median_octets: number(3, 8192)?,
        large: Large::Some,
    };
    let latency = Duration::from_millis(u64::from(number(4, 0)?));
    let rate = Some(u64::from(number(5, 0)?) * 1000).filter(|rate| *rate > 0);
    let setup = |layout| Setup {
        durability: Durability::Usual,
        compression: Compression::Offered,
        ..Setup::new(layout)
    };
    let source = Dovecot::start(&setup(Layout::SlashMaildir))?;
    let target = Dovecot::start(&setup(Layout::DotInbox))?;
    let user = source.fresh_user("source");
    let before = Instant::now();
    source.fill(&user, &Corpus::new(recipe))?;
    // Reading it once makes the server build its indexes: the first run then measures copying.
    let account = source.probe(&user)?.account(Keep::Digests)?;
    let octets: u64 = account.mailboxes.values().flatten().map(|message| message.size).sum();
    println!(
        "{} messages, {:.1} MB, {} mailboxes in {:.1} s",
        account.message_count(),
        octets as f64 / 1e6,
        account.mailboxes.len(),
        before.elapsed().as_secs_f64()
    );
    let weather = Weather { latency, octets_per_second: rate, ..Weather::default() };
    let mut proxies = Vec::new();
    for (side, server, user) in [("source", &source, user.as_str()), ("target", &target, "target")]
    {
        let mut ports = vec![("imap", server.imap())];
        ports.extend(server.imaps().map(|address| ("imaps", address)));
        for (scheme, mut address) in ports {
            if weather != Weather::default() {
                let proxy = Proxy::start(address, weather)?;
                address = proxy.address();
                proxies.push(proxy);
            }
            println!("{side} {scheme}://{user}@{address} password {}", server.password(user));
        }
    }
    println!("further targets: any user name NAME, password pass-NAME; end with Enter");
    let _ = std::io::stdin().read(&mut [0])?;
    Ok(())
}
