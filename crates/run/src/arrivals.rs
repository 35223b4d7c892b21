//! Choosing messages by when they arrived, to the second: SEARCH knows whole days only
//! (RFC 9051 §6.4.4).

use mailferry_engine::listing::MessageListing;

/// When messages that take part arrived, by their INTERNALDATE, in seconds since 1970. Where the
/// second limit lies before the first one, what is outside of both takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Not before.
    pub since: Option<i64>,
    /// Not after.
    pub until: Option<i64>,
}

impl Arrivals {
    fn hold(self, instant: i64) -> bool {
        let since = self.since.map(|since| instant >= since);
        let until = self.until.map(|until| instant <= until);
        match (self.since, self.until) {
            (Some(first), Some(last)) if last < first => since == Some(true) || until == Some(true),
            _ => since.unwrap_or(true) && until.unwrap_or(true),
        }
    }

    /// Leaves only those selected that arrived then; one without a date stays as it is.
    pub(crate) fn narrow(self, listing: &mut MessageListing) {
        if self == Self::default() {
            return;
        }
        for (selected, date) in listing.selected.iter_mut().zip(&listing.date) {
            *selected &= date.instant().is_none_or(|instant| self.hold(instant));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_limits_leave_what_is_between_or_outside_of_them() {
        let held = |since: Option<i64>, until: Option<i64>| -> Vec<i64> {
            let arrivals = Arrivals { since, until };
            (1..=6).filter(|&instant| arrivals.hold(instant)).collect()
        };
        assert_eq!(held(None, None), [1, 2, 3, 4, 5, 6]);
        assert_eq!(held(Some(4), None), [4, 5, 6]);
        assert_eq!(held(None, Some(2)), [1, 2]);
        assert_eq!(held(Some(2), Some(5)), [2, 3, 4, 5]);
        assert_eq!(held(Some(5), Some(2)), [1, 2, 5, 6]);
    }
}
