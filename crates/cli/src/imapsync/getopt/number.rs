//! Numbers as Getopt::Long takes them: a sign, digits, underscores among them.

/// A whole number; nothing if it is none or does not fit into 64 bits.
pub(super) fn int(word: &[u8]) -> Option<i64> {
    let (sign, digits) = signed(word);
    if !digits.iter().all(|octet| octet.is_ascii_digit() || *octet == b'_') {
        return None;
    }
    plain(sign, digits)?.parse().ok()
}

/// A number with an optional fraction and exponent; nothing if it is none or not finite.
pub(super) fn float(word: &[u8]) -> Option<f64> {
    let (sign, rest) = signed(word);
    // Getopt::Long wants a digit, or a point and a digit, right behind the sign.
    match rest {
        [first, ..] if first.is_ascii_digit() => {}
        [b'.', second, ..] if second.is_ascii_digit() => {}
        _ => return None,
    }
    let (mantissa, exponent) = match rest.iter().position(|octet| matches!(octet, b'e' | b'E')) {
        Some(place) => (rest.get(..place)?, Some(rest.get(place + 1..)?)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.iter().position(|octet| *octet == b'.') {
        Some(place) => (mantissa.get(..place)?, Some(mantissa.get(place + 1..)?)),
        None => (mantissa, None),
    };
    let mut text = format!("{}0{}", sign, group(whole)?);
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(&plain("", fraction)?);
    }
    if let Some(exponent) = exponent {
        let (sign, digits) = signed(exponent);
        text.push('e');
        text.push_str(&plain(sign, digits)?);
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn signed(word: &[u8]) -> (&'static str, &[u8]) {
    match word {
        [b'-', rest @ ..] => ("-", rest),
        [b'+', rest @ ..] => ("", rest),
        rest => ("", rest),
    }
}

/// Digits without their underscores; nothing if there is no digit or another octet.
fn plain(sign: &str, digits: &[u8]) -> Option<String> {
    let digits = group(digits)?;
    if digits.is_empty() { None } else { Some(format!("{sign}{digits}")) }
}

fn group(digits: &[u8]) -> Option<String> {
    let mut text = String::new();
    for octet in digits {
        match octet {
            b'0'..=b'9' => text.push(char::from(*octet)),
            b'_' => {}
            _ => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{float, int};

    #[test]
    fn ints_take_a_sign_and_underscores_and_nothing_else() {
        for (word, number) in [
            ("-5", Some(-5)),
            ("+5", Some(5)),
            ("45_000_000", Some(45_000_000)),
            ("_1", Some(1)),
            ("1_", Some(1)),
            ("00012", Some(12)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("", None),
            ("_", None),
            ("-", None),
            ("--5", None),
            ("12abc", None),
            ("1e6", None),
            ("0x10", None),
            (" 5", None),
            ("1.0", None),
        ] {
            assert_eq!(int(word.as_bytes()), number, "{word:?}");
        }
    }

    #[test]
    fn floats_take_a_fraction_and_an_exponent() {
        for (word, number) in [
            (".5", Some(0.5)),
            ("-.5", Some(-0.5)),
            ("4.99", Some(4.99)),
            ("1e2", Some(100.0)),
            ("1E+3", Some(1000.0)),
            ("1_0.5_0", Some(10.5)),
            ("120", Some(120.0)),
            ("5.", None),
            ("1e", None),
            (".", None),
            ("", None),
            ("inf", None),
            ("nan", None),
            ("1e999", None),
            ("1e-3x", None),
            ("1.2.3", None),
        ] {
            assert_eq!(float(word.as_bytes()), number, "{word:?}");
        }
    }
}
