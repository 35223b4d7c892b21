//! The only place that prints. Data goes to standard output, everything else to standard
//! error; a reader that went away is no error.

use std::io::Write;

/// A line of data, on standard output.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
}

/// A line of news, on standard error.
pub fn news(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// An error, on standard error.
pub fn error(text: &str) {
    news(&format!("error: {text}"));
}
