//! `subscriptions`: a name a line, or, from Dovecot 2.3 on, `V<TAB>2`, an empty line, and names whose
//! levels are separated by a TAB.

use std::collections::BTreeSet;

use mailferry_engine::name::MailboxName;

const HEAD: &str = "V\t2\n\n";

pub(super) fn read(text: &str, delimiter: u8) -> BTreeSet<MailboxName> {
    let delimiter = char::from(delimiter).to_string();
    let lines = text.strip_prefix("V\t2\n").unwrap_or(text).lines();
    let names = lines.filter(|line| !line.is_empty()).map(|line| line.replace('\t', &delimiter));
    names.map(|name| MailboxName::from(&*name)).collect()
}

pub(super) fn write(names: &BTreeSet<MailboxName>, delimiter: u8) -> String {
    let mut text = HEAD.to_owned();
    for name in names {
        text += &String::from_utf8_lossy(name.as_bytes()).replace(char::from(delimiter), "\t");
        text.push('\n');
    }
    text
}
