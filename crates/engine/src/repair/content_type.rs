//! The two header fields that say what a part is (RFC 2045 §5, §6).

/// The value of a Content-Type field, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContentType {
    /// In small letters.
    pub(super) main: Vec<u8>,
    /// In small letters.
    pub(super) sub: Vec<u8>,
    /// The parameter of that name.
    pub(super) boundary: Option<Vec<u8>>,
}

/// How the octets of a part are encoded (RFC 2045 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, or nothing said.
    Identity,
    QuotedPrintable,
    Base64,
    /// Anything else, `binary` included: it is left alone.
    Other,
}

impl ContentType {
    pub(super) fn is(&self, main: &str, sub: &str) -> bool {
        self.main == main.as_bytes() && self.sub == sub.as_bytes()
    }
}

/// Reads the value of a Content-Type field, unfolded or not. `None` where it is not well formed.
pub(super) fn content_type(value: &[u8]) -> Option<ContentType> {
    let mut rest = skip_blanks(value);
    let main = take_token(&mut rest)?.to_ascii_lowercase();
    rest = skip_blanks(rest).strip_prefix(b"/")?;
    rest = skip_blanks(rest);
    let sub = take_token(&mut rest)?.to_ascii_lowercase();
    let mut boundary = None;
    loop {
        rest = skip_blanks(rest);
        let Some(parameter) = rest.strip_prefix(b";") else { break };
        rest = skip_blanks(parameter);
        let Some(name) = take_token(&mut rest) else { continue };
        rest = skip_blanks(rest);
        let Some(after) = rest.strip_prefix(b"=") else { continue };
        rest = skip_blanks(after);
        let value = take_value(&mut rest)?;
        if name.eq_ignore_ascii_case(b"boundary") {
            if boundary.is_some() {
                return None;
            }
            boundary = Some(value);
        }
    }
    rest.is_empty().then_some(ContentType { main, sub, boundary })
}

/// Reads the value of a Content-Transfer-Encoding field.
pub(super) fn encoding(value: &[u8]) -> Encoding {
    let mut rest = skip_blanks(value);
    let Some(token) = take_token(&mut rest) else { return Encoding::Other };
    if !skip_blanks(rest).is_empty() {
        return Encoding::Other;
    }
    match token.to_ascii_lowercase().as_slice() {
        b"7bit" | b"8bit" => Encoding::Identity,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"base64" => Encoding::Base64,
        _ => Encoding::Other,
    }
}

/// White space, line ends and comments (RFC 5322 §3.2.2).
fn skip_blanks(octets: &[u8]) -> &[u8] {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        match octet {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b'\\' if depth > 0 => at += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if depth > 0 => {}
            _ => break,
        }
        at += 1;
    }
    octets.get(at..).unwrap_or_default()
}

/// A token (RFC 2045 §5.1); `None` where there is none.
fn take_token<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let of_token = |octet: &u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(octet);
    let end = rest.iter().position(|octet| !of_token(octet)).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    *rest = after;
    (!token.is_empty()).then_some(token)
}

/// A token or a quoted string. Many programs write `=`, `/` and `?` without quotes.
fn take_value(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let ends = |octet: &u8| !octet.is_ascii_graphic() || b";\"(".contains(octet);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let (value, after) = rest.split_at(end);
        *rest = after;
        return Some(value.to_vec());
    };
    let mut value = Vec::new();
    let mut octets = quoted.iter().enumerate();
    while let Some((at, &octet)) = octets.next() {
        match octet {
            b'"' => {
                *rest = &quoted[at + 1..];
                return Some(value);
            }
            b'\\' => value.push(*octets.next()?.1),
            b'\r' | b'\n' => {}
            _ => value.push(octet),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn types_and_boundaries_are_read() {
        let read = |value: &str| content_type(value.as_bytes()).unwrap();
        assert!(read(" TEXT/Plain").is("text", "plain"));
        assert!(read(" text (a (b) \\) c) / html; charset=utf-8;").is("text", "html"));
        for value in [
            "multipart/mixed; boundary=a=b/c",
            "multipart/mixed;\r\n\tcharset=x; BOUNDARY = \"a=b/c\" (why)\r\n",
            "multipart/mixed; boundary=\"a\\=b/\r\nc\"; x*0=y; z",
        ] {
            assert_eq!(read(value).boundary.as_deref(), Some(&b"a=b/c"[..]), "{value}");
        }
        assert_eq!(read("multipart/mixed; boundary*0=a").boundary, None);
    }

    #[test]
    fn what_is_not_well_formed_is_none() {
        for value in [
            "",
            ";;;=\"",
            "text",
            "text/",
            "/plain",
            "text/plain x",
            "multipart/mixed; boundary=\"a",
            "multipart/mixed; boundary=a; boundary=b",
        ] {
            assert_eq!(content_type(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn encodings_are_read() {
        assert_eq!(encoding(b" 8BIT\r\n"), Encoding::Identity);
        assert_eq!(encoding(b"Quoted-Printable (a)"), Encoding::QuotedPrintable);
        assert_eq!(encoding(b"base64"), Encoding::Base64);
        for value in [&b"binary"[..], b"x-none", b"", b"7bit 8bit"] {
            assert_eq!(encoding(value), Encoding::Other);
        }
    }
}
