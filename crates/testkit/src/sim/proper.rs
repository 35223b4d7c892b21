//! Whether what clients sent is what a program sends that copies mail and removes none.

use super::server::State;

const COPYING: [&str; 21] = [
    "APPEND",
    "AUTHENTICATE",
    "CAPABILITY",
    "CLOSE",
    "CREATE",
    "ENABLE",
    "EXAMINE",
    "ID",
    "LIST",
    "LOGIN",
    "LOGOUT",
    "LSUB",
    "NAMESPACE",
    "NOOP",
    "SELECT",
    "STATUS",
    "SUBSCRIBE",
    "UID FETCH",
    "UID SEARCH",
    "UID STORE",
    "UNSELECT",
];

impl State {
    /// The commands that no copying explains, or that hold control characters, and the answers to
    /// those that are no commands at all. Nothing, where nobody put words into a client's mouth.
    #[must_use]
    pub fn improper(&self) -> Vec<String> {
        let is_copying = |line: &str| {
            let rests = COPYING.iter().filter_map(|command| line.strip_prefix(command));
            rests.into_iter().any(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let mut improper = self.commands();
        improper.retain(|line| {
            !is_copying(line) || line.contains(char::is_control) || line.contains("\\Deleted")
        });
        let mut bad = self.bad_answers();
        // `\Sean` is a flag for the grammar (RFC 9051 §9: flag-extension), and for no server.
        bad.retain(|words| !words.starts_with("Invalid system flag"));
        improper.extend(bad.into_iter().map(|words| format!("BAD {words}")));
        improper
    }
}
