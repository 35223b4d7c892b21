//! A room is a noun: names that say nothing are not given to modules and types.

use super::mask::line_of;
use super::{File, Finding};

/// Words that would fit any module, and so attract everything.
const EMPTY_WORDS: [&str; 7] =
    ["utils", "util", "helpers", "helper", "manager", "managers", "common"];

/// What is followed by the name of a module or type.
const KEYWORDS: [&str; 6] = ["mod", "struct", "enum", "trait", "type", "union"];

/// Names modules and types of which an empty word is part, and files called so.
pub(super) fn inspect(file: &File<'_>, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in file.path.trim_end_matches(".rs").split('/') {
        if let Some(word) = empty_word(part) {
            findings.push(file.finding(1, format!("`{word}` says nothing: name what it is")));
        }
    }
    let mut before = "";
    for (offset, word) in words(code) {
        if KEYWORDS.contains(&before)
            && let Some(empty) = empty_word(word)
        {
            let what = format!("{before} {word}: `{empty}` says nothing: name what it is");
            findings.push(file.finding(line_of(code, offset), what));
        }
        before = word;
    }
    findings
}

/// Identifiers and keywords with their offsets; a `.`, `(` or the like between two words does
/// not matter here, as it cannot stand between a keyword and the name it declares.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = code.as_ptr() as usize;
    code.split(|character: char| !(character == '_' || character.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - base, word))
}

/// The empty word in `snake_case` or `CamelCase`.
fn empty_word(identifier: &str) -> Option<&'static str> {
    let mut snake = String::new();
    for character in identifier.chars() {
        if character.is_uppercase() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    let mut parts = snake.split(['_', '-', '.']);
    parts.find_map(|part| EMPTY_WORDS.into_iter().find(|empty| *empty == part))
}

#[cfg(test)]
mod tests {
    use super::super::mask::mask;
    use super::*;

    fn findings(path: &str, source: &str) -> Vec<String> {
        inspect(&File { path, text: source }, &mask(source))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn empty_words_are_found_in_modules_and_types() {
        let source =
            "mod string_utils;\npub struct\nSyncManager { common: u8 }\nenum Mode { Helper }\n";
        assert_eq!(
            findings("src/a.rs", source),
            [
                "src/a.rs:1: mod string_utils: `utils` says nothing: name what it is",
                "src/a.rs:3: struct SyncManager: `manager` says nothing: name what it is",
            ]
        );
    }

    #[test]
    fn empty_words_are_found_in_the_path() {
        assert_eq!(
            findings("tests/common/mod.rs", ""),
            ["tests/common/mod.rs:1: `common` says nothing: name what it is"]
        );
    }

    #[test]
    fn longer_words_comments_and_functions_are_free() {
        let source = "mod commonly; struct Utility; // mod utils\nfn common() { let manager = 1; }";
        assert!(findings("src/uncommon.rs", source).is_empty());
    }
}
