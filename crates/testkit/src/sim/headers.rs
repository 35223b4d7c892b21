//! Header and body of a message, as far as FETCH and SEARCH ask for them.

/// Whether the named fields are wanted or all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Listed,
    Others,
}

/// Where the body begins, behind the empty line; the end where there is none.
pub(super) fn body_start(octets: &[u8]) -> usize {
    let mut at = 0;
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        at += line.len();
        if line == b"\r\n" || line == b"\n" {
            return at;
        }
    }
    octets.len()
}

/// A header field as it stands, folded lines and line ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    octets: &'a [u8],
}

impl<'a> Field<'a> {
    fn is_named(self, name: &[u8]) -> bool {
        match memchr::memchr(b':', self.octets) {
            Some(colon) => self.octets[..colon].trim_ascii_end().eq_ignore_ascii_case(name),
            None => false,
        }
    }

    fn value(self) -> &'a [u8] {
        match memchr::memchr(b':', self.octets) {
            Some(colon) => &self.octets[colon + 1..],
            None => b"",
        }
    }
}

/// The fields of a message in order; a line that is none counts as one without a name.
pub(super) fn fields(octets: &[u8]) -> Vec<Field<'_>> {
    let header = &octets[..body_start(octets)];
    let mut fields: Vec<Field<'_>> = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in header.split_inclusive(|&octet| octet == b'\n') {
        let continues = matches!(line.first(), Some(b' ' | b'\t')) && at > 0;
        if !continues && at > start {
            fields.push(Field { octets: &header[start..at] });
            start = at;
        }
        at += line.len();
    }
    let rest = &header[start..at];
    if !rest.is_empty() && rest != b"\r\n" && rest != b"\n" {
        fields.push(Field { octets: rest });
    }
    fields
}

/// `HEADER.FIELDS` and `HEADER.FIELDS.NOT`: the fields as they stand and the empty line, which
/// is always there (RFC 3501 §6.4.5).
pub(super) fn select(octets: &[u8], names: &[String], keep: Keep) -> Vec<u8> {
    let mut selected = Vec::new();
    for field in fields(octets) {
        let listed = names.iter().any(|name| field.is_named(name.as_bytes()));
        if listed == (keep == Keep::Listed) {
            selected.extend_from_slice(field.octets);
        }
    }
    selected.extend_from_slice(b"\r\n");
    selected
}

/// The values of every field of that name, unfolded.
pub(super) fn values(octets: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let named = fields(octets).into_iter().filter(|field| field.is_named(name));
    named
        .map(|field| {
            let unfolded = field.value().iter().filter(|octet| !b"\r\n".contains(octet));
            unfolded.copied().collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"Subject: one\r\n two\r\nFrom: a@b\r\nsubject: again\r\n\r\nSubject: body\r\n";

    #[test]
    fn folded_and_repeated_fields_are_found_in_the_header_only() {
        assert_eq!(values(MESSAGE, b"Subject"), [b" one two".to_vec(), b" again".to_vec()]);
        assert_eq!(body_start(MESSAGE), MESSAGE.len() - 15);
    }

    #[test]
    fn selected_fields_keep_their_octets_and_end_with_an_empty_line() {
        let names = ["SUBJECT".to_owned()];
        assert_eq!(
            select(MESSAGE, &names, Keep::Listed),
            b"Subject: one\r\n two\r\nsubject: again\r\n\r\n"
        );
        assert_eq!(select(MESSAGE, &names, Keep::Others), b"From: a@b\r\n\r\n");
        assert_eq!(select(b"\r\nbody", &names, Keep::Others), b"\r\n");
    }

    #[test]
    fn a_message_without_body_is_all_header() {
        assert_eq!(body_start(b"Subject: x\r\n"), 12);
        assert_eq!(body_start(b""), 0);
        assert!(fields(b"").is_empty());
    }
}
