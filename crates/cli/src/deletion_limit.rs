//! How much a run may remove, as people say it: `500` or `10%`.

use mailferry_engine::guard::{GuardLimits, MaxDelete, NearlyAll, SameAccountRule};

/// The variable that sets the limit for both fronts, for panels that cannot change a command
/// line.
pub const VARIABLE: &str = "MAILFERRY_MAX_DELETE";

/// Reads a limit.
#[must_use]
pub fn parse(text: &str) -> Option<MaxDelete> {
    match text.trim().strip_suffix('%') {
        Some(percent) => {
            let percent = percent.trim().parse().ok().filter(|&percent: &u8| percent <= 100);
            percent.map(MaxDelete::Percent)
        }
        None => text.trim().parse().ok().map(MaxDelete::Messages),
    }
}

/// Puts a limit that somebody chose in the place of the usual ones.
pub fn apply(guard: &mut GuardLimits, limit: MaxDelete) {
    guard.max_delete = Some(limit);
    guard.mailbox = None;
    guard.nearly_all = NearlyAll::Allow;
    if guard.same_account == SameAccountRule::RefuseRemovals {
        guard.same_account = SameAccountRule::Allow;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_share() {
        assert_eq!(parse("500"), Some(MaxDelete::Messages(500)));
        assert_eq!(parse(" 10 %"), Some(MaxDelete::Percent(10)));
        assert_eq!((parse("101%"), parse("many"), parse("")), (None, None, None));
    }
}
