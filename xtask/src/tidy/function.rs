//! A function fits a screen.

use super::mask::{is_word, line_of};
use super::{File, Finding};

/// Lines from `fn` to the closing brace, both included.
const LINES_MAX: usize = 70;

/// Names each function that does not fit.
pub(super) fn inspect(file: &File<'_>, code: &str) -> Vec<Finding> {
    let too_long = |function: &Function<'_>| function.lines > LINES_MAX;
    functions(code)
        .iter()
        .filter(|function| too_long(function))
        .map(|function| {
            let Function { name, lines, .. } = function;
            file.finding(function.line, format!("fn {name} has {lines} lines, {LINES_MAX} at most"))
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// All functions with a body in masked source, nested ones and methods included. Function
/// pointer types and macro patterns (`fn $name`) are none.
fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    let octets = code.as_bytes();
    for (start, _) in code.match_indices("fn") {
        let begins_word = start == 0 || !is_word(octets[start - 1]);
        let name_start = start + 2 + blanks(&octets[start + 2..]);
        let length = octets[name_start..].iter().take_while(|octet| is_word(**octet)).count();
        if !begins_word || name_start == start + 2 || length == 0 {
            continue;
        }
        let name = &code[name_start..name_start + length];
        let Some(end) = body_end(&octets[name_start + length..]) else { continue };
        let line = line_of(code, start);
        let last = line_of(code, name_start + length + end);
        found.push(Function { name, line, lines: last - line + 1 });
    }
    found
}

fn blanks(octets: &[u8]) -> usize {
    octets.iter().take_while(|octet| octet.is_ascii_whitespace()).count()
}

/// Where the closing brace of the body is, from behind the function's name; `None` for a mere
/// declaration.
fn body_end(signature: &[u8]) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut open = None;
    for (at, octet) in signature.iter().enumerate() {
        match octet {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            // `;` also stands in an array type, `{` in its length.
            b';' if brackets == 0 => return None,
            b'{' if brackets == 0 => {
                open = Some(at);
                break;
            }
            _ => {}
        }
    }
    let open = open?;
    let mut depth = 0_usize;
    for (at, octet) in signature.iter().enumerate().skip(open) {
        match octet {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::mask::mask;
    use super::*;

    fn body_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    let x = '}'; // }\n".repeat(lines - 2))
    }

    fn findings(source: &str) -> Vec<String> {
        let file = File { path: "a.rs", text: source };
        inspect(&file, &mask(source)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn seventy_lines_fit_and_seventy_one_do_not() {
        assert!(findings(&body_of(70)).is_empty());
        let source = format!("\n\n{}", body_of(71));
        assert_eq!(findings(&source), ["a.rs:3: fn long has 71 lines, 70 at most"]);
    }

    #[test]
    fn a_long_signature_counts_and_a_where_clause_hides_nothing() {
        let source =
            body_of(70).replace("fn long()", "fn long<T>(x: [u8; 4])\nwhere\n    T: Copy,\n");
        assert_eq!(findings(&source), ["a.rs:1: fn long has 73 lines, 70 at most"]);
    }

    #[test]
    fn functions_are_told_from_what_looks_like_one() {
        let code = mask(
            "type F = fn(u8) -> u8; trait T { fn declared(&self) -> [u8; 2];\n fn given(&self) {\n} }\n\
             macro_rules! m { ($name:ident) => { fn $name() {} } } struct S { fn_ptr: u8, r#fn: u8 }\n\
             async fn outer() {\n    fn inner() {}\n}\n// fn not_me() {}\nconst S: &str = \"fn nor_me() {}\";",
        );
        let names: Vec<_> =
            functions(&code).into_iter().map(|f| (f.name.to_owned(), f.line, f.lines)).collect();
        let expected = [("given", 2, 2), ("outer", 5, 3), ("inner", 6, 1)];
        assert_eq!(names, expected.map(|(name, line, lines)| (name.to_owned(), line, lines)));
    }

    #[test]
    fn a_body_that_never_ends_is_left_to_the_compiler() {
        assert!(functions("fn broken() { {").is_empty());
        assert!(functions("fn").is_empty());
    }
}
