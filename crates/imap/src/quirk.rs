//! What is odd about one server: run-time values of one connection, each with its evidence.
//!
//! We talk to two unlike servers at once, so a quirk is never a build option. A quirk is set
//! where it shows; the greeting or ID may set it before it can do harm.

/// The oddities of the server behind one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Literals go out only when invited, although LITERAL+ or LITERAL- is offered. Set when
    /// a non-synchronising literal was answered BAD.
    pub synchronising_literals_only: bool,
    /// MULTIAPPEND is offered and refused with BAD; messages go one by one.
    pub no_multiappend: bool,
    /// Commands are carried out in any order, also in parallel: one at a time only. Stalwart
    /// ran FETCH before the SELECT it followed.
    pub one_command_at_a_time: bool,
    /// How many commands may be answered BAD or NO before the server hangs up: pymap ends
    /// the connection after 5, Courier after 9.
    pub errors_max: u32,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            synchronising_literals_only: false,
            no_multiappend: false,
            one_command_at_a_time: false,
            errors_max: 4,
        }
    }
}

impl Quirks {
    /// Sets what the name of the server's software tells (RFC 2971 §3.3), or its greeting.
    pub fn learn_from_words(&mut self, words: &[u8]) {
        let words = words.to_ascii_lowercase();
        if memchr::memmem::find(&words, b"stalwart").is_some() {
            self.one_command_at_a_time = true;
        }
    }
}
