//! What the longest line of a message decides.

use super::pipe::Pipe;

/// Rules about the longest line of a message, its line end counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineRule {
    /// A message with a longer one is left out, or goes through `command`.
    pub longest_max: Option<LineLength>,
    /// A message whose longest one is that or shorter is left out.
    pub longest_above: Option<LineLength>,
    /// What a message with a longer line than `longest_max` goes through instead.
    pub command: Option<Pipe>,
}

/// A length that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineLength {
    /// In octets.
    pub octets: u64,
    /// What the user wrote, by which reports name it.
    pub rule: String,
}

/// What the rules say of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    Fits,
    /// It goes through this command.
    Through(&'a Pipe),
    /// The rule that leaves it out.
    LeftOut(&'a str),
}

impl LineRule {
    pub(super) fn verdict(&self, message: &[u8]) -> Verdict<'_> {
        if self.longest_max.is_none() && self.longest_above.is_none() {
            return Verdict::Fits;
        }
        let longest = longest(message);
        if let Some(limit) = self.longest_max.as_ref().filter(|limit| longest > limit.octets) {
            return match &self.command {
                Some(command) => Verdict::Through(command),
                None => Verdict::LeftOut(&limit.rule),
            };
        }
        match &self.longest_above {
            Some(limit) if longest <= limit.octets => Verdict::LeftOut(&limit.rule),
            _ => Verdict::Fits,
        }
    }
}

/// Octets of the longest line, its LF and a CR before it counted.
fn longest(message: &[u8]) -> u64 {
    let lines = message.split_inclusive(|&octet| octet == b'\n');
    lines.map(|line| line.len() as u64).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_counted_with_its_end() {
        assert_eq!(longest(b""), 0);
        assert_eq!(longest(b"12345\r\n"), 7);
        assert_eq!(longest(b"1\n123"), 3);
    }

    #[test]
    fn only_longer_lines_are_too_long_and_the_command_is_for_these() {
        let seven = || Some(LineLength { octets: 7, rule: "seven".to_owned() });
        let rule = LineRule { longest_max: seven(), ..LineRule::default() };
        assert_eq!(rule.verdict(b"12345\r\n"), Verdict::Fits);
        assert_eq!(rule.verdict(b"123456\r\n"), Verdict::LeftOut("seven"));
        let cat = Pipe::new("cat", "cat");
        let mended = LineRule { command: Some(cat.clone()), ..rule };
        assert_eq!(mended.verdict(b"123456\r\n"), Verdict::Through(&cat));
        assert_eq!(mended.verdict(b"1\r\n"), Verdict::Fits);
        let rule = LineRule { longest_above: seven(), ..LineRule::default() };
        assert_eq!(rule.verdict(b"12345\r\n"), Verdict::LeftOut("seven"));
        assert_eq!(rule.verdict(b"123456\r\n"), Verdict::Fits);
        assert_eq!(LineRule::default().verdict(b""), Verdict::Fits);
    }
}
