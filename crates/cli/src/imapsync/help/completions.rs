//! What shells offer behind `imapsync --`.

use super::is_told;
use crate::imapsync::options::{self, Declaration, Kind};

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

impl Shell {
    /// Each, and the file that it looks for.
    pub const EVERY: [(Self, &'static str); 3] =
        [(Self::Bash, "imapsync.bash"), (Self::Zsh, "_imapsync"), (Self::Fish, "imapsync.fish")];
}

/// The file that one shell reads.
#[must_use]
pub fn completions(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

/// Each name that can be typed, with its option.
fn names() -> Vec<(String, &'static Declaration)> {
    let mut names = Vec::new();
    for option in options::every().filter(|option| is_told(option)) {
        for name in std::iter::once(&option.name).chain(option.aliases) {
            names.push(((*name).to_owned(), option));
            if matches!(option.kind, Kind::Switch(_)) {
                names.push((format!("no{name}"), option));
            }
        }
    }
    names
}

fn takes_file(option: &Declaration) -> bool {
    matches!(option.kind.placeholder(), Some("FILE" | "DIRECTORY"))
}

fn bash() -> String {
    let all: Vec<String> = names().iter().map(|(name, _)| format!("--{name}")).collect();
    let with = |holds: fn(&Declaration) -> bool| {
        let names = names().into_iter().filter(|(_, option)| holds(option));
        names.map(|(name, _)| format!("--{name}")).collect::<Vec<_>>().join("|")
    };
    let files = with(takes_file);
    let words = with(|option| option.kind.placeholder().is_some() && !takes_file(option));
    format!(
        "# Generated from the declarations in crates/cli/src/imapsync/options.\n\
         _imapsync() {{\n    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n    \
         case $before in\n    {files})\n        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n        \
         return ;;\n    {words})\n        COMPREPLY=()\n        return ;;\n    esac\n    \
         mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$current\")\n}}\ncomplete -F _imapsync imapsync\n",
        all.join(" ")
    )
}

fn zsh() -> String {
    let mut text = String::from(
        "#compdef imapsync\n# Generated from the declarations in crates/cli/src/imapsync/options.\n\
         _arguments -s \\\n",
    );
    for (name, option) in names() {
        let repeat = if matches!(option.kind, Kind::List(_) | Kind::Pairs(_)) { "*" } else { "" };
        let help =
            option.help.replace('\'', "’").replace('[', "(").replace(']', ")").replace(':', "\\:");
        let value = match option.kind.placeholder() {
            Some(name) if takes_file(option) => format!(":{name}:_files"),
            Some(name) => format!(":{name}: "),
            None => String::new(),
        };
        text.push_str(&format!("  '{repeat}--{name}[{help}]{value}' \\\n"));
    }
    text.truncate(text.len() - " \\\n".len());
    text.push('\n');
    text
}

fn fish() -> String {
    let mut text =
        String::from("# Generated from the declarations in crates/cli/src/imapsync/options.\n");
    for (name, option) in names() {
        let value = match option.kind.placeholder() {
            Some(_) if takes_file(option) => " -r -F",
            Some(_) => " -x",
            None => " -f",
        };
        let help = option.help.replace('\\', "\\\\").replace('\'', "\\'");
        text.push_str(&format!("complete -c imapsync -l {name}{value} -d '{help}'\n"));
    }
    text
}
