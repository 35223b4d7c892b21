//! The user's expressions as those below take them: over names, flags and messages.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use mailferry_engine::mapping::NameRewrite;
use mailferry_engine::message::{Flag, FlagSet};
use mailferry_engine::name::{MailboxName, RuleFailed};
use mailferry_engine::policy::FlagRewrite;
use mailferry_engine::select::NamePattern;
use mailferry_expression::{Exceeded, Match, Rewrite, Variables};
use mailferry_imap::mutf7;
use mailferry_run::transform::{MessageRewrite, MessageTest, NoResult};

use crate::imapsync::settings::Typed;
use crate::servers::Tell;

/// A pattern over mailbox names. It sees what imapsync's would see, the name on the wire; one
/// that is not ASCII could match none of these, so it sees the decoded name.
pub(super) struct NameTest(pub(super) Typed<Match>);

impl NamePattern for NameTest {
    fn matches(&self, name: &[u8]) -> Result<bool, RuleFailed> {
        let Self(Typed { text, rule, .. }) = self;
        let found = match mutf7::decode(name).filter(|_| !text.is_ascii()) {
            Some(decoded) => rule.is_match(decoded.as_bytes()),
            None => rule.is_match(name),
        };
        found.map_err(|exceeded| failed(&self.0, name, exceeded))
    }
}

/// The expressions of `--regextrans2`, one after the other. What comes out is made a valid name,
/// since `\U` and the like break those that are not ASCII.
pub(super) struct Renaming(pub(super) Vec<Typed<Rewrite>>);

impl NameRewrite for Renaming {
    fn rewrite(&self, name: &[u8]) -> Result<Vec<u8>, RuleFailed> {
        let mut renamed = name.to_vec();
        for typed in &self.0 {
            let next = typed.rule.apply(&renamed);
            renamed = next.map_err(|exceeded| failed(typed, name, exceeded))?.into_owned();
        }
        Ok(mutf7::canonical(&renamed).into_owned())
    }
}

fn failed<T>(typed: &Typed<T>, name: &[u8], exceeded: Exceeded) -> RuleFailed {
    RuleFailed {
        mailbox: MailboxName::new(name),
        rule: typed.asked.clone(),
        words: exceeded.to_string(),
    }
}

/// The expressions of `--regexflag` over the flags in a row: the system's first, then keywords,
/// each in the order of the alphabet, one blank between two.
pub(super) struct Reflagging {
    rules: Vec<Typed<Rewrite>>,
    tell: Tell,
    told: Mutex<BTreeSet<String>>,
    is_traced: bool,
}

impl Reflagging {
    pub(super) fn new(rules: Vec<Typed<Rewrite>>, tell: Tell) -> Self {
        Self { rules, tell, told: Mutex::default(), is_traced: false }
    }

    /// The same, telling what becomes of each set of flags.
    pub(super) fn traced(self) -> Self {
        Self { is_traced: true, ..self }
    }

    fn tell_once(&self, words: String) {
        if self.told.lock().is_ok_and(|mut told| told.insert(words.clone())) {
            (self.tell)(&words);
        }
    }

    /// The flags that stand in a text. What no server could take is left out.
    fn flags_in(&self, text: &[u8]) -> FlagSet {
        let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (flags, others): (Vec<&[u8]>, Vec<&[u8]>) = words.partition(|word| is_flag(word));
        for other in others {
            let shown = mailferry_imap::session::printable(other);
            self.tell_once(format!(
                "Notice: --regexflag made [{shown}], which is no flag and is left out"
            ));
        }
        flags.into_iter().map(Flag::new).collect()
    }
}

impl FlagRewrite for Reflagging {
    fn rewrite(&self, flags: &FlagSet) -> FlagSet {
        let (keywords, system): (Vec<&Flag>, Vec<&Flag>) =
            flags.iter().partition(|flag| flag.is_keyword());
        let octets: Vec<&[u8]> = system.into_iter().chain(keywords).map(Flag::as_bytes).collect();
        let mut text = octets.join(&b' ');
        let before = self.is_traced.then(|| mailferry_imap::session::printable(&text));
        for typed in &self.rules {
            text = match typed.rule.apply(&text) {
                Ok(next) => next.into_owned(),
                // As in imapsync, the flags then stay as they were.
                Err(exceeded) => {
                    self.tell_once(format!("Notice: {}: {exceeded}", typed.asked));
                    return flags.clone();
                }
            };
        }
        if let Some(before) = before {
            let after = mailferry_imap::session::printable(&text);
            self.tell_once(format!("Host1: flags ( {before} ) become flags ( {after} )"));
        }
        self.flags_in(&text)
    }
}

/// An expression of `--skipmess`.
pub(super) struct Skipping(pub(super) Typed<Match>);

impl MessageTest for Skipping {
    fn rule(&self) -> &str {
        &self.0.asked
    }

    fn matches(&self, message: &[u8]) -> Result<bool, NoResult> {
        self.0.rule.is_match(message).map_err(|exceeded| NoResult(exceeded.to_string()))
    }
}

/// The variable that holds the name of the folder a message is in, on the wire.
const FOLDER: &str = "h1_current_folder";

/// An expression of `--regexmess`.
pub(super) struct Rewriting {
    typed: Typed<Rewrite>,
    variables: Variables,
    /// The expression for each folder, where it names the folder.
    by_folder: Option<Mutex<HashMap<MailboxName, Arc<Rewrite>>>>,
}

impl Rewriting {
    pub(super) fn new(typed: Typed<Rewrite>, variables: Variables) -> Self {
        let names_folder = typed.text.windows(FOLDER.len()).any(|it| it == FOLDER.as_bytes());
        Self { typed, variables, by_folder: names_folder.then(Mutex::default) }
    }

    fn rule_for(&self, mailbox: &MailboxName) -> Result<Arc<Rewrite>, NoResult> {
        let Some(by_folder) = &self.by_folder else { return Ok(Arc::clone(&self.typed.rule)) };
        let mut rules = by_folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rule) = rules.get(mailbox) {
            return Ok(Arc::clone(rule));
        }
        let variables = self.variables.clone().with(FOLDER, mailbox.as_bytes());
        let rule = Rewrite::parse(&self.typed.text, &variables);
        let rule = Arc::new(rule.map_err(|unusable| NoResult(unusable.to_string()))?);
        rules.insert(mailbox.clone(), Arc::clone(&rule));
        Ok(rule)
    }
}

impl MessageRewrite for Rewriting {
    fn rule(&self) -> &str {
        &self.typed.asked
    }

    fn rewrite(&self, message: Vec<u8>, mailbox: &MailboxName) -> Result<Vec<u8>, NoResult> {
        let rule = self.rule_for(mailbox)?;
        match rule.apply(&message) {
            Ok(Cow::Owned(changed)) => Ok(changed),
            Ok(Cow::Borrowed(_)) => Ok(message),
            Err(exceeded) => Err(NoResult(exceeded.to_string())),
        }
    }
}

/// `flag` and `flag-keyword` of RFC 9051 §9: an atom, with a backslash before it or not.
fn is_flag(word: &[u8]) -> bool {
    let atom = word.strip_prefix(b"\\").unwrap_or(word);
    !atom.is_empty()
        && atom.iter().all(|octet| octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(octet))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mailferry_expression::PatternFlags;

    use super::*;

    fn rewrite(text: &str) -> Typed<Rewrite> {
        let rule = Rewrite::parse(text.as_bytes(), &Variables::default()).unwrap();
        Typed { asked: text.to_owned(), text: text.into(), rule: Arc::new(rule) }
    }

    fn pattern(text: &str) -> NameTest {
        let rule = Match::pattern(text.as_bytes(), PatternFlags::Plain).unwrap();
        NameTest(Typed { asked: text.to_owned(), text: text.into(), rule: Arc::new(rule) })
    }

    fn set(text: &str) -> FlagSet {
        text.split_whitespace().map(|flag| Flag::new(flag.as_bytes())).collect()
    }

    #[test]
    fn names_are_rewritten_one_expression_after_the_other() {
        let rules = Renaming(vec![rewrite("s/^INBOX$/Eingang/"), rewrite(r"s,^(.),\l$1,")]);
        assert_eq!(rules.rewrite(b"INBOX").unwrap(), b"eingang");
        assert_eq!(rules.rewrite(b"Sent").unwrap(), b"sent");
    }

    #[test]
    fn a_rewritten_name_is_a_valid_one() {
        let rules = Renaming(vec![rewrite("s/&AOQ-/\\xc3\\xa4&/")]);
        let renamed = rules.rewrite(b"M&AOQ-rz").unwrap();
        assert_eq!(mutf7::decode(&renamed).unwrap(), "Mä&rz");
    }

    #[test]
    fn patterns_see_the_name_on_the_wire_unless_they_are_not_ascii() {
        assert!(pattern("&AOQ-").matches(b"M&AOQ-rz").unwrap());
        assert!(!pattern("^M.rz$").matches(b"M&AOQ-rz").unwrap());
        assert!(pattern("Mä").matches(b"M&AOQ-rz").unwrap());
        assert!(pattern("^(?!INBOX)").matches(b"Sent").unwrap());
    }

    #[test]
    fn a_pattern_without_an_end_is_told_with_its_option() {
        let name = "a".repeat(40) + "b";
        let failed = pattern("^(a|a?)+$").matches(name.as_bytes()).unwrap_err();
        assert_eq!((failed.rule.as_str(), failed.mailbox), ("^(a|a?)+$", name.as_str().into()));
    }

    #[test]
    fn flags_are_rewritten_in_a_row_and_what_is_none_is_told_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let tell: Tell = Arc::new(move |words: &str| heard.lock().unwrap().push(words.to_owned()));
        let rules = Reflagging::new(
            vec![rewrite(r"s/\\Flagged//gi"), rewrite(r"s/(.*)/$1 (x) new/")],
            tell,
        );
        for _ in 0..2 {
            assert_eq!(rules.rewrite(&set("$a \\Flagged \\Seen")), set("$a \\Seen new"));
        }
        assert_eq!(
            *told.lock().unwrap(),
            ["Notice: --regexflag made [(x)], which is no flag and is left out"]
        );
        assert_eq!(rules.rewrite(&set("")), set("new"));
    }

    #[test]
    fn where_an_expression_fails_the_flags_stay() {
        let rules =
            Reflagging::new(vec![rewrite("s/^(a|a?)+$/x/"), rewrite("s/$/ y/")], Arc::new(|_| ()));
        let flags = set(&("a".repeat(40) + "b"));
        assert_eq!(rules.rewrite(&flags), flags);
    }

    /// The octets between two blanks may be any.
    #[test]
    fn messages_are_rewritten_with_the_name_of_their_folder() {
        let text = "s/\\A/X-Path-$sync->{user1}: $sync->{ h1_current_folder }\n/";
        let variables = Variables::default().with("user1", b"bob").with(FOLDER, b"");
        let rule = Arc::new(Rewrite::parse(text.as_bytes(), &variables).unwrap());
        let typed = Typed { asked: text.to_owned(), text: text.into(), rule };
        let rewriting = Rewriting::new(typed, variables);
        for folder in ["Work", "a.b$", "Work"] {
            let made = rewriting.rewrite(b"\xff\0".to_vec(), &folder.into()).unwrap();
            assert_eq!(made, [format!("X-Path-bob: {folder}\n").as_bytes(), b"\xff\0"].concat());
        }
    }

    #[test]
    fn an_expression_over_a_message_that_comes_to_no_result_says_so() {
        let endless = "a".repeat(40) + "b";
        let skip = Typed {
            asked: "x".to_owned(),
            text: Vec::new(),
            rule: Arc::new(Match::parse(b"/^(a|a?)+$/", &Variables::default()).unwrap()),
        };
        assert!(Skipping(skip).matches(endless.as_bytes()).is_err());
        let rewriting = Rewriting::new(rewrite("s/^(a|a?)+$/x/"), Variables::default());
        assert!(rewriting.rewrite(endless.into_bytes(), &"INBOX".into()).is_err());
    }
}
