//! Perl's `s///`, `tr///` and `m//` on octets, without Perl.
//!
//! imapsync hands what its users write behind `--regextrans2`, `--regexflag`, `--exclude` and
//! the like to Perl. This room reads the same texts and does the same to the same octets: the
//! text is read as Perl's own reader reads it ([`Rewrite::parse`], [`Match::parse`]), the pattern
//! is matched by PCRE2. Whatever Perl would do that is more than one expression, code above all,
//! is told in an [`Unusable`] before anything is connected; nothing is guessed.
//!
//! Strings are octets, as they are in imapsync: `.` is one octet, `\w` and `/i` know ASCII only.
//! A match takes bounded time and memory; reaching a bound is an [`Exceeded`].
//!
//! ```
//! use mailferry_expression::{Rewrite, Variables};
//!
//! let rule = Rewrite::parse(br"s,(.*)\.(.+)$,$1.\u\L$2\E,", &Variables::default())?;
//! assert_eq!(*rule.apply(b"INBOX.yop.YAP")?, *b"INBOX.yop.Yap");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod case;
mod error;
mod escape;
mod matching;
mod pattern;
mod pcre2;
mod rewrite;
mod source;
mod substitution;
mod template;
mod transliteration;
mod variable;

pub use error::{Exceeded, Problem, Unusable};
pub use matching::{Match, PatternFlags};
pub use pcre2::{HEAP_OCTETS_MAX, STACK_OCTETS_MAX, STEPS_MIN, STEPS_PER_OCTET, TIME_MAX};
pub use rewrite::Rewrite;
pub use source::EXPRESSION_OCTETS_MAX;
pub use substitution::OUTPUT_OCTETS_MAX;
pub use variable::Variables;
