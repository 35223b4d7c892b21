//! The command line of the drop-in `imapsync` front.
//!
//! `options` declares every option once; `getopt` reads words the way imapsync's own parser
//! does; `settings` turns what was read into one plain typed struct, refusing before the first
//! connection what this version cannot do and whose neglect could harm mail. `output` and
//! `exit_status` hold the lines and numbers that other programs read. Nothing in this room
//! connects, prints or reads the environment: the program's `main` does.

pub mod echo;
pub mod exit_status;
mod explanation;
pub mod getopt;
pub mod help;
pub mod options;
pub mod output;
pub mod settings;
pub mod support;

pub use exit_status::{ErrorClass, ExitStatus};
pub use explanation::explanation;
pub use getopt::{Parsed, UsageErrors, parse};
pub use settings::{ImapsyncOptions, Mode, SideOptions};
