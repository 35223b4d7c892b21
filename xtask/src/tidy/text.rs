//! How a file is laid out, and what must not stand in it.

use super::mask::{is_word, line_of};
use super::{File, Finding};

/// Lines of one Rust file.
const LINES_MAX: usize = 600;

/// Directories of one machine. Written in two halves, so that this file does not name them.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Hosts of package registries: the tools know theirs, a repository that names one ties
/// everybody to it.
const REGISTRY_HOSTS: [&str; 5] = [
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("deb.debi", "an.org"),
    concat!("py", "pi.org"),
    concat!("registry.npm", "js.org"),
];

const UNFINISHED: &str = concat!("FIX", "ME");

/// Macros that have no business in a commit.
const UNFINISHED_MACROS: [&str; 3] = ["dbg", "todo", "unimplemented"];

/// Rules on any text.
pub(super) fn inspect(file: &File<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.split('\n').enumerate() {
        let mut say = |what: &str| findings.push(file.finding(index + 1, what));
        for path in MACHINE_PATHS {
            if names_machine_path(line, path) {
                say(&format!("a path of one machine: {path}"));
            }
        }
        for host in REGISTRY_HOSTS {
            if line.contains(host) {
                say(&format!("the host of a package registry: {host}"));
            }
        }
        if file.is_data() {
            continue;
        }
        if line.contains(UNFINISHED) {
            say(&format!("{UNFINISHED}: mend it, or open an issue"));
        }
        if line.ends_with([' ', '\t', '\r']) {
            say("blanks at the end of the line");
        }
        if file.is_rust() && line.contains('\t') {
            say("a tab");
        }
    }
    if !file.is_data() {
        findings.extend(inspect_end(file));
    }
    findings
}

/// Rules on masked Rust source.
pub(super) fn inspect_code(file: &File<'_>, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = code.lines().count();
    if count > LINES_MAX {
        findings.push(file.finding(LINES_MAX + 1, format!("{count} lines, {LINES_MAX} at most")));
    }
    for name in UNFINISHED_MACROS {
        for (offset, _) in code.match_indices(&format!("{name}!")) {
            if offset == 0 || !is_word(code.as_bytes()[offset - 1]) {
                findings.push(file.finding(line_of(code, offset), format!("{name}! is not done")));
            }
        }
    }
    findings
}

fn inspect_end(file: &File<'_>) -> Option<Finding> {
    let last = file.text.split('\n').count();
    if file.text.is_empty() {
        None
    } else if !file.text.ends_with('\n') {
        Some(file.finding(last, "no line end at the end of the file"))
    } else if file.text.ends_with("\n\n") {
        Some(file.finding(last - 1, "empty lines at the end of the file"))
    } else {
        None
    }
}

/// Whether the line names a path below that directory of the file system's root; a directory of
/// the same name further down (`src` and then `home`) is another matter.
fn names_machine_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(offset, _)| {
        let before = line[..offset].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_.-~}])*".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::super::mask::mask;
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        inspect(&File { path, text }).iter().map(ToString::to_string).collect()
    }

    fn code_findings(text: &str) -> Vec<String> {
        let file = File { path: "a.rs", text };
        inspect_code(&file, &mask(text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn layout_is_held_to() {
        assert_eq!(findings("a.md", "one \n\ttwo\n"), ["a.md:1: blanks at the end of the line"]);
        assert_eq!(findings("a.rs", "\tx\n"), ["a.rs:1: a tab"]);
        assert_eq!(findings("a.md", "one\ntwo"), ["a.md:2: no line end at the end of the file"]);
        assert_eq!(findings("a.md", "one\n\n"), ["a.md:2: empty lines at the end of the file"]);
        assert!(findings("a.md", "").is_empty());
    }

    #[test]
    fn data_keeps_its_own_layout_but_names_no_machine() {
        assert!(findings("tests/data/a.txt", "one \n\ttwo").is_empty());
        let text = format!("{}me\n", MACHINE_PATHS[1]);
        assert_eq!(findings("tests/data/a.txt", &text).len(), 1);
    }

    #[test]
    fn paths_of_a_machine_are_found_and_lookalikes_are_not() {
        for path in MACHINE_PATHS {
            let found = findings("a.md", &format!("see `{path}x`, \"{path}y\"\n"));
            assert_eq!(found, [format!("a.md:1: a path of one machine: {path}")]);
            assert!(findings("a.md", &format!("src{path} ${{DIR}}{path} ..{path}\n")).is_empty());
        }
    }

    #[test]
    fn registries_are_not_named() {
        for host in REGISTRY_HOSTS {
            assert_eq!(findings("a.toml", &format!("url = \"https://{host}/\"\n")).len(), 1);
        }
    }

    #[test]
    fn unfinished_work_is_found_in_code_only() {
        let name = UNFINISHED_MACROS[0];
        assert_eq!(
            code_findings(&format!("\nx({name}!(1));")),
            [format!("a.rs:2: {name}! is not done")]
        );
        assert!(
            code_findings(&format!("// {name}!(1)\nlet s = \"{name}!\"; my_{name}!()")).is_empty()
        );
        assert_eq!(findings("a.sh", &format!("# {UNFINISHED}\n")).len(), 1);
    }

    #[test]
    fn a_file_has_six_hundred_lines_at_most() {
        assert!(code_findings(&"x\n".repeat(600)).is_empty());
        assert_eq!(code_findings(&"x\n".repeat(601)), ["a.rs:601: 601 lines, 600 at most"]);
    }
}
