//! The command line as it is shown again, without its secrets.

use super::getopt::{Parsed, Spoken, shown};
use super::options::SHOWPASSWORDS;

/// What stands in place of a secret.
pub const MASKED: &str = "MASKED";

/// The words of the command line, separated by blanks. Passwords and tokens are masked in both
/// their forms, `--password1 secret` and `--password1=secret`, unless `--showpasswords` was
/// given. (imapsync masks the first form only, and never a token.)
#[must_use]
pub fn command_line(parsed: &Parsed) -> String {
    let open = parsed.switch(&SHOWPASSWORDS).unwrap_or(false);
    let words = parsed.spoken().iter().map(|word| match word {
        Spoken::Plain(word) => shown(word),
        Spoken::Secret(value) if open => shown(value),
        Spoken::Secret(_) => MASKED.to_owned(),
        Spoken::NameAndSecret(name, value) if open => format!("{name}{}", shown(value)),
        Spoken::NameAndSecret(name, _) => format!("{name}{MASKED}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::command_line;
    use crate::imapsync::parse;

    fn echo(words: &[&str]) -> String {
        let parsed = parse(words.iter().map(|word| (*word).into())).unwrap_or_else(|_| panic!());
        command_line(&parsed)
    }

    #[test]
    fn passwords_and_tokens_are_masked_in_both_forms() {
        let words = [
            "--host1",
            "h",
            "--password1",
            "s3cret",
            "-PASSWORD2=s3=cret",
            "--oauthaccesstoken1",
            "s3cret",
            "--oauthdirect2=s3cret",
            "--user1",
            "u",
        ];
        assert_eq!(
            echo(&words),
            "--host1 h --password1 MASKED -PASSWORD2=MASKED --oauthaccesstoken1 MASKED \
             --oauthdirect2=MASKED --user1 u"
        );
    }

    #[test]
    fn a_word_that_only_looks_like_a_password_option_hides_nothing() {
        assert_eq!(
            echo(&["--folder", "--password1", "--user1", "u"]),
            "--folder --password1 --user1 u"
        );
    }

    #[test]
    fn showpasswords_shows_them_wherever_it_stands() {
        assert_eq!(
            echo(&["--password1", "a b", "--password2=c", "--showpasswords"]),
            "--password1 a b --password2=c --showpasswords"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(echo(&["--folder", "a\u{1b}[2Jb"]), "--folder a\\u{1b}[2Jb");
    }
}
