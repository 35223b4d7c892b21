//! The escapes of Perl's double quotes (perlop, "Quote and Quote-like Operators").

use crate::error::{Located, Problem, shown};
use crate::source::Part;

/// The octet that the escape at `at`, a backslash, stands for, and where the text goes on. An
/// octet without a meaning of its own stands for itself.
pub(crate) fn escaped(part: &Part, at: usize) -> Result<(u8, usize), Located> {
    let text = &part.octets;
    let Some(&letter) = text.get(at + 1) else { return Ok((b'\\', at + 1)) };
    let next = at + 2;
    let octet = match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'f' => 0x0c,
        b'b' => 0x08,
        b'a' => 0x07,
        b'e' => 0x1b,
        b'0'..=b'7' => return octal(part, at),
        b'x' => return hexadecimal(part, at),
        b'c' => {
            let control = text.get(next).filter(|octet| (b'?'..=b'z').contains(octet));
            let Some(control) = control else { return Err(unsupported(part, at, 3)) };
            return Ok((control.to_ascii_uppercase() ^ 0x40, next + 1));
        }
        b'o' => return braced(part, (at, next), 8),
        b'N' if text[next..].starts_with(b"{U+") => return braced(part, (at, next), 16),
        b'N' => return Err(unsupported(part, at, 2)),
        other => other,
    };
    Ok((octet, next))
}

/// Up to three digits.
fn octal(part: &Part, at: usize) -> Result<(u8, usize), Located> {
    let digits = &part.octets[at + 1..];
    let count = digits.iter().take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
    let value = digits[..count].iter().fold(0_u32, |value, digit| value * 8 + value_of(*digit));
    Ok((octet(part, at, value)?, at + 1 + count))
}

/// Up to two digits, none for NUL, or any number in braces.
fn hexadecimal(part: &Part, at: usize) -> Result<(u8, usize), Located> {
    let digits = &part.octets[at + 2..];
    if digits.first() == Some(&b'{') {
        return braced(part, (at, at + 2), 16);
    }
    let count = digits.iter().take(2).take_while(|digit| digit.is_ascii_hexdigit()).count();
    let value = digits[..count].iter().fold(0_u32, |value, digit| value * 16 + value_of(*digit));
    Ok((octet(part, at, value)?, at + 2 + count))
}

/// `{41}`, `{ 4_1 }`, `{U+41}`: the brace is at `open`.
fn braced(part: &Part, (at, open): (usize, usize), base: u32) -> Result<(u8, usize), Located> {
    let text = &part.octets[open..];
    let length = text.iter().position(|octet| *octet == b'}');
    let Some(length) = length.filter(|_| text.first() == Some(&b'{')) else {
        return Err(unsupported(part, at, 3));
    };
    let digits = text[1..length].trim_ascii();
    let digits = digits.strip_prefix(b"U+").unwrap_or(digits);
    let mut value = 0_u32;
    for digit in digits.iter().filter(|digit| **digit != b'_') {
        let is_digit = digit.is_ascii_hexdigit() && value_of(*digit) < base;
        if !is_digit {
            return Err(unsupported(part, at, open + length + 1 - at));
        }
        value = value.saturating_mul(base).saturating_add(value_of(*digit));
    }
    Ok((octet(part, at, value)?, open + length + 1))
}

fn value_of(digit: u8) -> u32 {
    char::from(digit).to_digit(16).unwrap_or(0)
}

fn octet(part: &Part, at: usize, value: u32) -> Result<u8, Located> {
    u8::try_from(value).map_err(|_| Problem::NoOctet.at(part.origin(at)))
}

fn unsupported(part: &Part, at: usize, length: usize) -> Located {
    let end = part.octets.len().min(at + length);
    Problem::Escape(shown(&part.octets[at..end])).at(part.origin(at))
}
