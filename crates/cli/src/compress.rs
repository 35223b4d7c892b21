//! When connections are compressed, as people say it: `never`, `auto` or `always`.

use clap::ValueEnum;
use mailferry_store::imap::compression::Compression;

/// The variable that both fronts read where no option says it, for panels that cannot change a
/// command line.
pub const VARIABLE: &str = "MAILFERRY_COMPRESS";

/// When connections are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    /// Never
    #[default]
    Never,
    /// Once a side was seen to be slow
    Auto,
    /// From the login on
    Always,
}

impl Compress {
    /// Reads one of the three words.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_str(text.trim(), true).ok()
    }

    /// What it comes to on one side: each side is measured for itself.
    #[must_use]
    pub fn policy(self) -> Compression {
        match self {
            Self::Never => Compression::Never,
            Self::Auto => Compression::auto(),
            Self::Always => Compression::Always,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_are_known() {
        assert_eq!(Compress::parse("never"), Some(Compress::Never));
        assert_eq!(Compress::parse(" Auto"), Some(Compress::Auto));
        assert_eq!(Compress::parse("always"), Some(Compress::Always));
        assert_eq!((Compress::parse(""), Compress::parse("1")), (None, None));
    }
}
