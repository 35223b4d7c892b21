//! Rust source with all that is not code blanked out.

/// The source with comments, strings and character literals replaced by spaces. Length and line
/// ends stay, so that a place in the mask is the same place in the source.
pub(super) fn mask(source: &str) -> String {
    let mut masker = Masker { source: source.as_bytes(), at: 0, out: Vec::new() };
    masker.out.reserve(source.len());
    masker.run();
    // Only ASCII was replaced octet by octet, or whole characters: this cannot fail, and if it
    // did the rules would still see the right lines.
    String::from_utf8(masker.out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// 1 for the first line.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset].iter().filter(|octet| **octet == b'\n').count()
}

/// Part of an identifier, as far as ASCII goes; every octet of another alphabet counts as one.
pub(super) fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_' || octet >= 0x80
}

struct Masker<'a> {
    source: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Masker<'_> {
    fn run(&mut self) {
        while let Some(octet) = self.peek(0) {
            match octet {
                b'/' if self.peek(1) == Some(b'/') => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'"' => self.string(),
                b'\'' => self.quote(),
                _ if is_word(octet) => self.word(),
                _ => self.keep(1),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn keep(&mut self, count: usize) {
        let end = self.source.len().min(self.at + count);
        self.out.extend_from_slice(&self.source[self.at..end]);
        self.at = end;
    }

    fn blank(&mut self, count: usize) {
        let end = self.source.len().min(self.at + count);
        let blanks = self.source[self.at..end].iter();
        self.out.extend(blanks.map(|octet| if *octet == b'\n' { b'\n' } else { b' ' }));
        self.at = end;
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|octet| octet != b'\n') {
            self.blank(1);
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.blank(2);
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.blank(2);
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.blank(1),
                (None, _) => return,
            }
        }
    }

    fn string(&mut self) {
        self.blank(1);
        while let Some(octet) = self.peek(0) {
            match octet {
                b'\\' => self.blank(2),
                b'"' => return self.blank(1),
                _ => self.blank(1),
            }
        }
    }

    /// From the first `#` or `"` after `r`.
    fn raw_string(&mut self, hashes: usize) {
        let mut end = vec![b'"'];
        end.resize(hashes + 1, b'#');
        self.blank(hashes + 1);
        while self.at < self.source.len() && !self.source[self.at..].starts_with(&end) {
            self.blank(1);
        }
        self.blank(end.len());
    }

    /// A word, or the prefix of a string: `r"`, `br#"`, `b'`, …
    fn word(&mut self) {
        let mut length = 1;
        while self.peek(length).is_some_and(is_word) {
            length += 1;
        }
        let word = &self.source[self.at..self.at + length];
        let is_raw = matches!(word, b"r" | b"br" | b"cr");
        self.keep(length);
        if is_raw {
            let hashes = self.source[self.at..].iter().take_while(|octet| **octet == b'#').count();
            if self.peek(hashes) == Some(b'"') {
                self.raw_string(hashes);
            }
        }
    }

    /// A character literal, or the start of a lifetime, which is kept.
    fn quote(&mut self) {
        if self.peek(1) == Some(b'\\') {
            self.blank(3);
            while self.peek(0).is_some_and(|octet| octet != b'\'' && octet != b'\n') {
                self.blank(1);
            }
            return self.blank(1);
        }
        let width = match self.peek(1) {
            Some(0xf0..) => 4,
            Some(0xe0..) => 3,
            Some(0xc0..) => 2,
            _ => 1,
        };
        if self.peek(1 + width) == Some(b'\'') { self.blank(2 + width) } else { self.keep(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_the_rest_stays() {
        assert_eq!(mask("a // b { \n}"), "a        \n}");
        assert_eq!(mask("a /* { /* } */ { */ b"), "a                   b");
        assert_eq!(mask(r#"x("\"{", '{', '\'', '\u{7b}')"#), "x(     ,    ,     ,         )");
    }

    #[test]
    fn raw_strings_end_at_their_own_number_of_hashes() {
        assert_eq!(mask(r###"r#"{"}"# }"###), "r        }");
        assert_eq!(mask(r###"br##"}"#"## {"###), "br          {");
        assert_eq!(mask("r\"\\\" }"), "r    }");
    }

    #[test]
    fn a_raw_identifier_is_no_raw_string() {
        assert_eq!(mask("r#fn \"{\""), "r#fn    ");
    }

    #[test]
    fn lifetimes_and_labels_are_no_character_literals() {
        assert_eq!(
            mask("fn f<'a>(x: &'a str) { 'b: loop {} }"),
            "fn f<'a>(x: &'a str) { 'b: loop {} }"
        );
    }

    #[test]
    fn characters_of_several_octets_keep_their_length() {
        for source in ["'é' }", "'€' }", "'🦀' }", "\"é🦀\" }", "// é\n}", "é }"] {
            let masked = mask(source);
            assert_eq!(masked.len(), source.len(), "{source}");
            assert!(masked.ends_with('}'), "{source}");
        }
    }

    #[test]
    fn what_is_never_closed_ends_with_the_file() {
        for source in ["\"abc", "r#\"abc\"", "/* /* */", "'\\", "\"\\", "// x", "'"] {
            assert_eq!(mask(source).len(), source.len(), "{source}");
        }
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!((line_of("a\nb", 0), line_of("a\nb", 1), line_of("a\nb", 2)), (1, 1, 2));
    }
}
