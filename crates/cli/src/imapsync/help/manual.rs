//! The manual page, in the macros of man(7).

use super::{is_told, usage};
use crate::imapsync::exit_status::ExitStatus;
use crate::imapsync::options::{Declaration, GROUPS, Support};

/// The page `imapsync.1`; a test holds the file against it.
#[must_use]
pub fn manual() -> String {
    let mut page = String::from(HEAD);
    for group in GROUPS {
        page.push_str(&format!(".SS {}\n", text(group.title)));
        for option in group.options.iter().filter(|option| is_told(option)) {
            page.push_str(&entry(option));
        }
    }
    page.push_str(".SH EXIT STATUS\n");
    for status in ExitStatus::EVERY {
        page.push_str(&format!(".TP\n.B {}\n{}\n", status.number(), text(status.name())));
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = r#".\" Generated from the declarations in crates/cli/src/imapsync/options.
.TH IMAPSYNC 1 "" "mailferry" "User Commands"
.SH NAME
imapsync \- copy mail from one IMAP account to another, by the command lines of imapsync 2.229
.SH SYNOPSIS
.B imapsync
.BI \-\-host1 " HOST" " \-\-user1 " USER
.BI \-\-host2 " HOST" " \-\-user2 " USER
.RI [ option " ...]"
.SH DESCRIPTION
Copies what host2 does not have from host1, folder by folder, with flags and dates. Names of options
may be written in any case, with one dash or two, and cut short as long as one remains; those shown
with
.B [no]
are denied by
.B \-\-noX
or
.BR \-\-no\-X .
Options that have no effect are marked so.
.SH OPTIONS
"#;

const TAIL: &str = r#".SH ENVIRONMENT
.TP
.BR IMAPSYNC_PASSWORD1 ", " IMAPSYNC_PASSWORD2
Passwords; a file wins over them, and they over the options.
.TP
.B MAILFERRY_STATE_DIR
Where local state is kept;
.B MAILFERRY_NOSTATE=1
does without.
.TP
.B MAILFERRY_MAX_DELETE
The most that a run may delete: a number of messages, or a share such as 10%.
.SH SEE ALSO
.BR mailferry (1)
"#;

fn entry(option: &Declaration) -> String {
    let names = option.aliases.iter().map(|alias| format!(", \\-\\-{}", text(alias)));
    let names: String = std::iter::once(text(&usage(option))).chain(names).collect();
    let support = match option.support {
        Support::Works | Support::WebFormOnly => String::new(),
        Support::AcceptedWithNotice(reason) => format!("\nHas no effect: {}.", text(reason)),
    };
    format!(".TP\n.B {names}\n{}.{support}\n", text(option.help))
}

/// Escaped for roff: a backslash, and a hyphen that is to be one.
fn text(words: &str) -> String {
    words.replace('\\', "\\e").replace('-', "\\-").replace('`', "")
}
