//! Foreign octets without end: inputs made of seeds by mutation, for as long as a test has time.
//!
//! It is a fuzzer in the process of the test, so that it runs wherever the tests do, with the
//! toolchain that they have. What it lacks is the sight of the code's branches; in its place a target
//! says what it made of an input, and an input of which something new was made becomes a seed.
//!
//! `FUZZ_SECONDS` is the time for each target and begins anew each time; `FUZZ_SEED` repeats a hunt.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Time for each target where nobody says otherwise.
const SECONDS_USUAL: f64 = 1.5;
/// Inputs that are tried at least, however slow the machine is.
pub const INPUTS_MIN: u64 = 10;
/// One input that takes longer hangs.
const HANGS_AFTER: Duration = Duration::from_secs(20);
/// The longest input, in octets.
const OCTETS_MAX: usize = 16 << 10;
/// Seeds that are kept at most.
const SEEDS_MAX: usize = 4000;
/// Attempts to make a failing input shorter.
const CUTS_MAX: usize = 2000;

/// What mutations are made of, beside the seeds themselves.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// What the parser looks for.
    pub words: &'static [&'static [u8]],
}

/// Words that are bad for everybody.
const EVIL: &[&[u8]] = &[
    b"\0",
    b"\r\n",
    b"\n",
    b"\r",
    b"\"",
    b"\\",
    b"\x1b[2J",
    b"\x7f",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xae",
    b"\xc2\x9b",
    b"{0}",
    b"{5}\r\n",
    b"(",
    b")",
    b"0",
    b"-1",
    b"4294967295",
    b"4294967296",
    b"18446744073709551615",
    b"99999999999999999999",
    b"%",
    b"*",
    b"&",
    b"&-",
    b"../",
    b"~",
];

/// Makes inputs out of seeds. The same number makes the same inputs.
pub struct Mutations {
    seeds: Vec<Vec<u8>>,
    grammar: Grammar,
    state: u64,
}

impl Mutations {
    /// `seeds`: what a good input looks like.
    #[must_use]
    pub fn new(seeds: Vec<Vec<u8>>, grammar: Grammar, number: u64) -> Self {
        let seeds = if seeds.is_empty() { vec![Vec::new()] } else { seeds };
        Self { seeds, grammar, state: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// A number below `sides`, which is not 0 (xorshift64*).
    pub fn roll(&mut self, sides: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let roll = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(roll).unwrap_or(0) % sides.max(1)
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let at = self.roll(self.seeds.len());
        let mut input = self.seeds[at].clone();
        for _ in 0..1 + self.roll(6) {
            self.mutate(&mut input);
        }
        input.truncate(OCTETS_MAX);
        input
    }

    /// Changes something somewhere.
    pub fn mutate(&mut self, input: &mut Vec<u8>) {
        let begin = self.roll(input.len() + 1);
        let length_max = 1 << self.roll(8);
        let length = self.roll(length_max).min(input.len() - begin);
        let part = begin..begin + length;
        match self.roll(9) {
            0 => drop(input.drain(part)),
            1 if !input.is_empty() => {
                let at = begin.min(input.len() - 1);
                input[at] ^= 1 << self.roll(8);
            }
            2 => {
                let octet = u8::try_from(self.roll(256)).unwrap_or(0);
                input.splice(part, [octet]);
            }
            3 => {
                let again = input[part.clone()].to_vec();
                let times_max = 1 << self.roll(6);
                input.splice(part.end..part.end, again.repeat(1 + self.roll(times_max)));
            }
            4 | 5 => {
                let words = if self.roll(3) == 0 { EVIL } else { self.grammar.words };
                let word = words.get(self.roll(words.len())).copied().unwrap_or_default();
                let place = if self.roll(2) == 0 { begin..begin } else { part };
                input.splice(place, word.iter().copied());
            }
            6 => {
                let at = self.roll(self.seeds.len());
                let other = self.seeds[at].clone();
                let from = self.roll(other.len() + 1);
                input.truncate(begin);
                input.extend_from_slice(&other[from..]);
            }
            7 => input.truncate(begin),
            _ => self.change_a_number(input, begin),
        }
    }

    /// Counts, sizes and years are where limits are.
    fn change_a_number(&mut self, input: &mut Vec<u8>, from: usize) {
        const NUMBERS: [&[u8]; 8] = [
            b"0",
            b"1",
            b"00",
            b"4294967295",
            b"4294967296",
            b"9223372036854775808",
            b"18446744073709551616",
            b"2147483648",
        ];
        let Some(begin) = input[from..].iter().position(u8::is_ascii_digit).map(|at| from + at)
        else {
            return;
        };
        let length = input[begin..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        let number = NUMBERS[self.roll(NUMBERS.len())];
        input.splice(begin..begin + length, number.iter().copied());
    }

    fn keep(&mut self, input: Vec<u8>) {
        if self.seeds.len() < SEEDS_MAX {
            self.seeds.push(input);
        }
    }
}

/// How long each target is tried.
#[must_use]
pub fn time_for_each() -> Duration {
    let asked = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse::<f64>().ok());
    Duration::from_secs_f64(asked.unwrap_or(SECONDS_USUAL).clamp(0.1, 1e6))
}

/// The number that a hunt begins with: `FUZZ_SEED`; the day's time where `FUZZ_SECONDS` asks for a
/// hunt, so that each finds something else; else always the same, so that a test of a change fails
/// for what the change did.
#[must_use]
pub fn first_number() -> u64 {
    let asked = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    let hunting = std::env::var_os("FUZZ_SECONDS").is_some();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok();
    let new = || now().filter(|_| hunting).map_or(1, |since| since.subsec_nanos().into());
    asked.unwrap_or_else(new)
}

/// The shape of what was made of an input: its letters, without what the input chose freely.
#[must_use]
pub fn shape(made: &impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    let text = format!("{made:?}");
    let letters = text.bytes().filter(|octet| octet.is_ascii_uppercase() || b"[{(".contains(octet));
    letters.take(300).for_each(|octet| octet.hash(&mut hasher));
    hasher.finish()
}

/// Tries a target until the time is over. How many inputs there were.
///
/// # Panics
/// The target panics, or takes too long: with the input, as short as it could be made.
pub fn hunt<T>(name: &str, seeds: Vec<Vec<u8>>, grammar: Grammar, target: T) -> u64
where
    T: Fn(&[u8]) -> u64 + Send + 'static,
{
    hunt_with_patience(HANGS_AFTER, name, (seeds, grammar), target)
}

fn hunt_with_patience<T>(
    patience: Duration,
    name: &str,
    (seeds, grammar): (Vec<Vec<u8>>, Grammar),
    target: T,
) -> u64
where
    T: Fn(&[u8]) -> u64 + Send + 'static,
{
    let number = first_number();
    let (tell, told) = channel();
    let mutations = Mutations::new(seeds, grammar, number);
    std::thread::spawn(move || try_all(mutations, &target, &tell));
    watch(patience, (name, number), &told)
}

enum News {
    Trying(Vec<u8>),
    Failed(Vec<u8>),
    Ended { inputs: u64, seeds: usize },
}

fn watch(patience: Duration, (name, number): (&str, u64), told: &Receiver<News>) -> u64 {
    let mut trying = Vec::new();
    loop {
        match told.recv_timeout(patience) {
            Ok(News::Trying(input)) => trying = input,
            Ok(News::Failed(input)) => {
                panic!("{name} fails (FUZZ_SEED={number}) on b\"{}\"", input.escape_ascii())
            }
            Ok(News::Ended { inputs, seeds }) => {
                #[expect(clippy::print_stderr, reason = "how much was tried is to be seen")]
                {
                    eprintln!("{name}: {inputs} inputs, {seeds} of them became seeds");
                }
                return inputs;
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!("{name} hangs (FUZZ_SEED={number}) on b\"{}\"", trying.escape_ascii())
            }
            Err(RecvTimeoutError::Disconnected) => panic!("{name}: the hunt itself failed"),
        }
    }
}

fn try_all(mut mutations: Mutations, target: &impl Fn(&[u8]) -> u64, tell: &Sender<News>) {
    let end = Instant::now() + time_for_each();
    let attempt = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| target(input)));
    let mut seen: HashSet<u64> = HashSet::new();
    let (mut inputs, mut kept) = (0, 0);
    let seeds = mutations.seeds.clone().into_iter();
    let mut given: Vec<Vec<u8>> = seeds.rev().collect();
    while !given.is_empty() || inputs < INPUTS_MIN || Instant::now() < end {
        let input = given.pop().unwrap_or_else(|| mutations.next_input());
        inputs += 1;
        if tell.send(News::Trying(input.clone())).is_err() {
            return;
        }
        match attempt(&input) {
            Err(_) => {
                let short = shortened(input, |input| attempt(input).is_err());
                let _ = tell.send(News::Failed(short));
                return;
            }
            Ok(made) if seen.insert(made) => {
                kept += 1;
                mutations.keep(input);
            }
            Ok(_) => {}
        }
    }
    let _ = tell.send(News::Ended { inputs, seeds: kept });
}

/// The same failure with less.
fn shortened(mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut tried = 0;
    let mut length = input.len() / 2;
    while length > 0 && tried < CUTS_MAX {
        let mut begin = 0;
        while begin < input.len() && tried < CUTS_MAX {
            let mut less = input.clone();
            less.drain(begin..(begin + length).min(input.len()));
            tried += 1;
            if fails(&less) {
                input = less;
            } else {
                begin += length;
            }
        }
        length /= 2;
    }
    input
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GRAMMAR: Grammar = Grammar { words: &[b"needle", b"hay"] };

    #[test]
    fn the_same_number_makes_the_same_inputs() {
        let inputs = |number| {
            let mut mutations = Mutations::new(vec![b"hay 12 hay".to_vec()], GRAMMAR, number);
            (0..200).map(|_| mutations.next_input()).collect::<Vec<_>>()
        };
        assert!(inputs(7) == inputs(7));
        assert!(inputs(7) != inputs(8));
    }

    #[test]
    fn a_failing_input_is_found_and_made_short() {
        let target = |input: &[u8]| {
            assert!(memchr::memmem::find(input, b"needle").is_none_or(|at| at <= 3));
            0
        };
        let found = catch_unwind(AssertUnwindSafe(|| {
            hunt("a needle", vec![b"hay hay hay".to_vec()], GRAMMAR, target)
        }));
        let words = found.unwrap_err();
        let words = words.downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        assert!(words.contains("needle") && words.len() < 90, "{words}");
    }

    #[test]
    fn a_hanging_input_is_told() {
        let target = |input: &[u8]| {
            while memchr::memmem::find(input, b"needle").is_some() {
                std::thread::sleep(Duration::from_secs(1));
            }
            0
        };
        let seeds = (vec![b"hay hay hay".to_vec()], GRAMMAR);
        let patience = Duration::from_secs(1);
        let found = catch_unwind(AssertUnwindSafe(|| {
            hunt_with_patience(patience, "a needle", seeds, target)
        }));
        let words = found.unwrap_err();
        let words = words.downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        assert!(words.contains("hangs") && words.contains("needle"), "{words}");
    }
}
