//! Help text and documentation, drawn from the declarations.

mod completions;
mod manual;
mod reference;

use super::options::{Declaration, GROUPS, Kind, Support};

pub use completions::{Shell, completions};
pub use manual::manual;
pub use reference::reference;

/// The help fits a terminal of that many columns.
pub const COLUMNS: usize = 80;

/// The column at which explanations begin.
const INDENT: usize = 30;

/// The version number alone, as `--version` prints it.
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The text of `--help`.
#[must_use]
pub fn help() -> String {
    let mut text = String::from(INTRODUCTION);
    for group in GROUPS {
        text.push_str(&format!("\n{}:\n", group.title));
        for option in group.options.iter().filter(|option| is_told(option)) {
            put_option(&mut text, option);
        }
    }
    text.push_str(CONCLUSION);
    text
}

const INTRODUCTION: &str = "\
Copies mailboxes from one IMAP server to another: folders, messages, flags and
dates. Run it again at any time; what is there already is not copied again.

  imapsync --host1 HOST --user1 USER --passfile1 FILE \\
           --host2 HOST --user2 USER --passfile2 FILE [OPTION]...

Show first what would be done:   add --dry
Exact backup:                    add --delete2 --delete2folders
Catch up before a move:          add --delete2
Bring over what came late:       add --delete1 --maxage 1
";

const CONCLUSION: &str = "
Options may be cut short, start with -, -- or +, in any case; [no] can be put
before a name to deny it. (-) marks options that are read but have no effect
in this version. Where an option is on by itself, the mark is about denying it.
";

/// The web form's own options are of no use on a command line.
fn is_told(option: &Declaration) -> bool {
    option.support != Support::WebFormOnly
}

fn put_option(text: &mut String, option: &Declaration) {
    let name = format!("  {}", usage(option));
    text.push_str(&name);
    let mark = match option.support {
        Support::AcceptedWithNotice(_) => "(-) ",
        Support::Works | Support::WebFormOnly => "",
    };
    let mut column = name.chars().count();
    if column + 2 > INDENT {
        text.push('\n');
        column = 0;
    }
    for line in wrapped(&format!("{mark}{}", option.help), COLUMNS - INDENT) {
        text.push_str(&" ".repeat(INDENT.saturating_sub(column)));
        text.push_str(&line);
        text.push('\n');
        column = 0;
    }
}

/// The option as it is typed: `--[no]name`, `--name VALUE`.
pub(super) fn usage(option: &Declaration) -> String {
    let no = if matches!(option.kind, Kind::Switch(_)) { "[no]" } else { "" };
    let value = option.kind.placeholder().map(|name| format!(" {name}")).unwrap_or_default();
    format!("--{no}{}{value}", option.name)
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let fits = lines.last().is_none_or(|line| line.len() + 1 + word.len() <= width);
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if fits => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imapsync::options;

    #[test]
    fn help_fits_eighty_columns() {
        for line in help().lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
            assert_eq!(line.trim_end(), line, "no trailing blank");
        }
    }

    #[test]
    fn help_tells_every_option_of_the_command_line_once() {
        let help = help();
        for option in options::every() {
            let told = help
                .lines()
                .filter(|line| line.starts_with("  --"))
                .filter(|line| {
                    let first = line.trim_start().split(' ').next().unwrap_or_default();
                    first == usage(option).split(' ').next().unwrap_or_default()
                })
                .count();
            assert_eq!(told, usize::from(is_told(option)), "{}", option.name);
        }
    }

    #[test]
    fn version_is_a_bare_number() {
        assert!(version().chars().all(|c| c.is_ascii_digit() || c == '.'), "{}", version());
    }
}
