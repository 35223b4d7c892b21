//! `mailferry.account`: what an account keeps beside its mailboxes. A line each:
//!
//! ```text
//! subscribed INBOX
//! special-use \Sent Sent
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use mailferry_engine::name::{MailboxName, SpecialUse};

use super::ACCOUNT;
use super::names::{escape, unescape};
use crate::files::disk::{read_or_empty, replace};

/// The contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) subscribed: BTreeSet<MailboxName>,
    pub(super) special_uses: BTreeMap<MailboxName, SpecialUse>,
}

impl Account {
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        // A file that is an account has none beside it.
        Ok(if root.is_file() {
            Self::default()
        } else {
            Self::parse(&read_or_empty(&root.join(ACCOUNT))?)
        })
    }

    fn parse(text: &str) -> Self {
        let mut account = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("subscribed", name)) => {
                    account.subscribed.insert(MailboxName::new(unescape(name)));
                }
                Some(("special-use", rest)) => {
                    let Some((attribute, name)) = rest.split_once(' ') else { continue };
                    let known = SpecialUse::from_attribute(attribute.as_bytes());
                    let name = MailboxName::new(unescape(name));
                    account.special_uses.extend(known.map(|known| (name, known)));
                }
                _ => {}
            }
        }
        account
    }

    fn text(&self) -> String {
        let written = |name: &MailboxName| {
            escape(name.as_bytes(), |octet| octet == b' ' || octet.is_ascii_graphic())
        };
        let mut text = String::new();
        for name in &self.subscribed {
            text += &format!("subscribed {}\n", written(name));
        }
        for (name, special_use) in &self.special_uses {
            text += &format!("special-use {} {}\n", special_use.attribute(), written(name));
        }
        text
    }

    pub(super) fn write(&self, root: &Path) -> io::Result<()> {
        replace(&root.join(ACCOUNT), &self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_form_is_read_and_written() {
        let text = "subscribed Caf&AOk-/a b\nsubscribed x%0Ay\nspecial-use \\Sent Sent Mail\n";
        let account = Account::parse(text);
        assert!(account.subscribed.contains(&"x\ny".into()));
        assert_eq!(account.special_uses.get(&"Sent Mail".into()), Some(&SpecialUse::Sent));
        assert_eq!(account.text(), text);
        assert_eq!(Account::parse("nonsense\nspecial-use x\n\n"), Account::default());
    }
}
