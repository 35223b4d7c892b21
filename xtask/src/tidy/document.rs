//! What the documentation points at is there: sections of RFCs, files, the unreleased changes.

use super::{File, Finding};

/// In the IMAP room every RFC is cited with its section: an RFC alone sends the reader into a
/// hundred pages.
pub(super) fn inspect_anchors(file: &File<'_>) -> Vec<Finding> {
    if !file.path.starts_with("crates/imap/src/") {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        // A citation may be broken over two lines of a comment.
        let next = lines.get(index + 1).map_or("", |next| uncommented(next));
        for (offset, _) in line.match_indices("RFC") {
            let rest = format!("{} {next}", &line[offset + 3..]);
            let number = cited_number(&rest);
            if let Some((number, after)) = number
                && !after.trim_start().starts_with('§')
            {
                let what = format!("RFC {number} is cited without its section (§)");
                findings.push(file.finding(index + 1, what));
            }
        }
    }
    findings
}

/// Relative links in Markdown lead to tracked files or to directories of them.
pub(super) fn inspect_links(file: &File<'_>, paths: &[String]) -> Vec<Finding> {
    if !file.path.ends_with(".md") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in file.text.lines().enumerate() {
        let marker = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, marker) {
            (None, Some(_)) => fence = marker,
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                for target in link_targets(&without_code(line)) {
                    if !leads_somewhere(file.path, target, paths) {
                        let what = format!("the link leads nowhere: {target}");
                        findings.push(file.finding(index + 1, what));
                    }
                }
            }
        }
    }
    findings
}

/// The changelog has a place for what is not released yet.
pub(super) fn inspect_changelog(file: &File<'_>) -> Option<Finding> {
    if file.path != "CHANGELOG.md" || file.text.lines().any(|line| line == "## [Unreleased]") {
        return None;
    }
    Some(file.finding(1, "no section `## [Unreleased]`"))
}

fn uncommented(line: &str) -> &str {
    line.trim_start().trim_start_matches(['/', '!', '*']).trim_start()
}

/// The digits after `RFC` and blanks, and what follows them; `None` for `RFC822.SIZE`, `RFCs`.
fn cited_number(rest: &str) -> Option<(&str, &str)> {
    let digits = rest.trim_start();
    if digits.len() == rest.len() {
        return None;
    }
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    (length > 0).then(|| digits.split_at(length))
}

/// The line with `code` blanked out.
fn without_code(line: &str) -> String {
    let mut parts = line.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let Some(_code) = parts.next() {
        text.push_str(parts.next().unwrap_or_default());
    }
    text
}

/// Of `[text](target "title")` and `[label]: target`.
fn link_targets(line: &str) -> Vec<&str> {
    let inline = line.match_indices("](").filter_map(|(offset, _)| {
        let rest = &line[offset + 2..];
        rest.split([')', ' ']).next()
    });
    let reference = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    inline
        .chain(reference.and_then(|(_, target)| target.split_whitespace().next()))
        .map(|target| target.trim_matches(['<', '>']))
        .collect()
}

fn leads_somewhere(from: &str, target: &str, paths: &[String]) -> bool {
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    let path = target.split('#').next().unwrap_or_default();
    if is_elsewhere || path.is_empty() {
        return true;
    }
    let Some(path) = resolve(from, path) else { return false };
    let directory = format!("{path}/");
    path.is_empty() || paths.iter().any(|known| *known == path || known.starts_with(&directory))
}

/// The path from the root; `None` if it leads out of the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors(text: &str) -> Vec<String> {
        let file = File { path: "crates/imap/src/a.rs", text };
        inspect_anchors(&file).iter().map(ToString::to_string).collect()
    }

    fn links(path: &str, text: &str) -> Vec<String> {
        let paths = ["README.md", "docs/a.md", "docs/design/b.md"].map(str::to_owned);
        inspect_links(&File { path, text }, &paths).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_rfc_without_its_section_is_named() {
        assert_eq!(
            anchors("/// See RFC 9051 §6.3.12 and RFC 7888.\n"),
            ["crates/imap/src/a.rs:1: RFC 7888 is cited without its section (§)"]
        );
        assert_eq!(anchors("// RFC 3501\n").len(), 1);
    }

    #[test]
    fn a_citation_may_be_broken_over_two_lines() {
        assert!(anchors("/// as in (RFC 9051\n    /// §6.3.12)\n").is_empty());
        assert!(anchors("//! as in RFC\n//! 9051 §6.3.12\n").is_empty());
        assert_eq!(anchors("//! as in RFC\n//! 9051, or not\n").len(), 1);
    }

    #[test]
    fn what_is_no_citation_needs_no_section() {
        assert!(anchors("let x = \"RFC822.SIZE\"; // the RFCs, an RFC\n// of 1994\n").is_empty());
        let elsewhere = File { path: "crates/run/src/a.rs", text: "// RFC 3501\n" };
        assert!(inspect_anchors(&elsewhere).is_empty());
    }

    #[test]
    fn links_lead_to_tracked_files_and_directories() {
        let text = "[a](docs/a.md#part) [b](docs/design/) [c](https://x.example/y) [d](#here)\n";
        assert!(links("README.md", text).is_empty());
        assert!(
            links("docs/design/b.md", "[a](../a.md) [r](../../README.md \"title\")\n").is_empty()
        );
        assert_eq!(
            links("docs/a.md", "\n[a](docs/a.md), [out](../../x.md)\n[l]: gone.md\n"),
            [
                "docs/a.md:2: the link leads nowhere: docs/a.md",
                "docs/a.md:2: the link leads nowhere: ../../x.md",
                "docs/a.md:3: the link leads nowhere: gone.md",
            ]
        );
    }

    #[test]
    fn code_holds_no_links() {
        assert!(links("README.md", "`[a](b)` and\n```text\n[a](b)\n```\n").is_empty());
        assert_eq!(links("README.md", "```\n```\n[a](b) `c`\n").len(), 1);
    }

    #[test]
    fn a_changelog_without_unreleased_changes_is_named() {
        let changelog = |text| inspect_changelog(&File { path: "CHANGELOG.md", text });
        assert!(changelog("# Changelog\n\n## [Unreleased]\n").is_none());
        assert!(changelog("# Changelog\n\n## [1.0.0]\n").is_some());
        assert!(inspect_changelog(&File { path: "docs/a.md", text: "" }).is_none());
    }
}
