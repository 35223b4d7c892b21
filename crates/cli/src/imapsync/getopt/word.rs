//! Words of the command line, which need not be text.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

/// The octets of a word: on Unix what was typed, elsewhere its text in UTF-8.
#[must_use]
pub fn octets(word: &OsStr) -> Cow<'_, [u8]> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        Cow::Borrowed(word.as_bytes())
    }
    #[cfg(not(unix))]
    {
        match word.to_string_lossy() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }
}

/// A word made fit for a terminal: control characters are escaped, what is no text replaced.
#[must_use]
pub fn shown(word: &OsStr) -> String {
    let mut text = String::new();
    for character in word.to_string_lossy().chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

/// What is left of a word without its first `count` octets, which are ASCII.
pub(super) fn behind(word: &OsStr, count: usize) -> OsString {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        OsStr::from_bytes(word.as_bytes().get(count..).unwrap_or_default()).to_owned()
    }
    #[cfg(windows)]
    {
        use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
        OsString::from_wide(&word.encode_wide().skip(count).collect::<Vec<_>>())
    }
    #[cfg(not(any(unix, windows)))]
    {
        OsString::from(word.to_string_lossy().get(count..).unwrap_or_default())
    }
}

/// Cuts `name=value` at its first `=`; like Getopt::Long, a name is at least one octet long,
/// so that a leading `=` is part of it. The name is looked up as text.
pub(super) fn split_at_equals(option: &OsStr) -> (String, Option<OsString>) {
    match equals_from(option, 1) {
        Some(place) => (before(option, place), Some(behind(option, place + 1))),
        None => (option.to_string_lossy().into_owned(), None),
    }
}

/// Cuts `key=value` at its first `=`; nothing if there is none.
pub(super) fn pair(word: &OsStr) -> Option<(OsString, OsString)> {
    let place = equals_from(word, 0)?;
    Some((OsString::from(before(word, place)), behind(word, place + 1)))
}

/// The place of the first `=`, counted in octets on Unix and in code units on Windows, as
/// `behind` counts.
fn equals_from(word: &OsStr, first: usize) -> Option<usize> {
    #[cfg(windows)]
    let place = {
        use std::os::windows::ffi::OsStrExt as _;
        word.encode_wide().skip(first).position(|unit| unit == u16::from(b'='))
    };
    #[cfg(not(windows))]
    let place = octets(word).iter().skip(first).position(|octet| *octet == b'=');
    place.map(|place| place + first)
}

fn before(word: &OsStr, place: usize) -> String {
    #[cfg(windows)]
    {
        use std::os::windows::ffi::OsStrExt as _;
        String::from_utf16_lossy(&word.encode_wide().take(place).collect::<Vec<_>>())
    }
    #[cfg(not(windows))]
    {
        String::from_utf8_lossy(octets(word).get(..place).unwrap_or_default()).into_owned()
    }
}
