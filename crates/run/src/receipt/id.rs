//! The name of a run: when it began, and for whom.

use std::fmt;

use jiff::Timestamp;

/// Digits of the part that stands for the two accounts.
const PAIR_DIGITS: usize = 6;

/// The name of a run: `20261126-185700-1f3a9c` is one that began at 18:57:00 UTC; its last part is
/// the same for all runs between the same two accounts. Names in order are runs in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The name of a run that began at `began`, in seconds since 1970-01-01T00:00:00Z, between the
    /// accounts behind `pair`; `attempt` tells apart runs that began in the same second.
    pub(super) fn new(began: i64, pair: &Pair, attempt: u32) -> Self {
        let moment = Timestamp::from_second(began).unwrap_or(Timestamp::UNIX_EPOCH);
        let stamp = moment.strftime("%Y%m%d-%H%M%S");
        let again = if attempt == 0 { String::new() } else { format!("-{}", attempt + 1) };
        Self(format!("{stamp}-{}{again}", pair.0))
    }

    /// Reads a name; `None` for what cannot be one, such as a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let digits = |part: Option<&str>, count: usize, radix: u32| {
            let part = part.filter(|part| part.len() == count)?;
            part.chars().all(|digit| digit.is_digit(radix) && !digit.is_uppercase()).then_some(())
        };
        digits(parts.next(), 8, 10)?;
        digits(parts.next(), 6, 10)?;
        digits(parts.next(), PAIR_DIGITS, 16)?;
        if let Some(again) = parts.next() {
            digits(Some(again), again.len().clamp(1, 4), 10)?;
        }
        parts.next().is_none().then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a run between these two accounts, as far as names tell.
    pub(super) fn is_of(&self, pair: &Pair) -> bool {
        self.0.split('-').nth(2) == Some(&pair.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two accounts, in digits that tell neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair(String);

impl Pair {
    pub(super) fn new(source: &str, target: &str) -> Self {
        let mut digits = crate::state::State::pair_name(source, target);
        digits.truncate(PAIR_DIGITS);
        Self(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_runs_and_come_back() {
        let pair = Pair::new("ann@a:993", "ann@b:993");
        let first = RunId::new(1_795_719_420, &pair, 0);
        assert!(first.as_str().starts_with("20261126-185700-"), "{first}");
        let again = RunId::new(1_795_719_420, &pair, 1);
        let later = RunId::new(1_795_719_421, &pair, 0);
        assert!(first < again && again < later);
        for id in [first, again, later] {
            assert_eq!(RunId::parse(id.as_str()).as_ref(), Some(&id));
            assert!(id.is_of(&pair) && !id.is_of(&Pair::new("ann@a:993", "bob@b:993")));
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        for text in [
            "",
            "last",
            "../../etc/passwd",
            "20261126-185700",
            "20261126-185700-1F3A9C",
            "20261126-185700-1f3a9",
            "20261126-185700-1f3a9c-",
            "20261126-185700-1f3a9c-2-3",
            "20261126-185700-1f3a9c/x",
            "2026112６-185700-1f3a9c",
        ] {
            assert_eq!(RunId::parse(text), None, "{text}");
        }
    }
}
