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
    /// MULTIAPPEND is offered and of no use; messages go one by one. Set where it was refused
    /// with BAD, and for UW imapd 2010.417: of five messages in one command, the second of which
    /// was one octet without a header, it answered OK and five UIDs, and ran the second and the
    /// third together into one message. One by one, all five arrived.
    pub no_multiappend: bool,
    /// The flags of an APPEND are kept but for the keywords, which have to be set by STORE: UW
    /// imapd 2010.417 says `PERMANENTFLAGS (\\* …)`, drops them from APPEND and keeps what STORE
    /// sets.
    pub drops_keywords: bool,
    /// `BODY[]` of a message of more than 300 MIME parts ends early, and RFC822.SIZE counts no
    /// more than that; `RFC822` (RFC 3501 §6.4.5), which leaves no `\\Seen` behind either in a
    /// mailbox opened with EXAMINE, gives all of it. Courier-IMAP 5.0.13: 5,066 of the 8,485
    /// octets of a message of 500 parts.
    pub truncates_bodies: bool,
    /// LIST shows files of the server's own as mailboxes; removing `.mailboxlist` as one that the
    /// source does not have removes all subscriptions. UW imapd 2010.417.
    pub lists_own_files: bool,
    /// Commands are carried out in any order, also in parallel: one at a time only. Stalwart
    /// ran FETCH before the SELECT it followed.
    pub one_command_at_a_time: bool,
    /// Commands are carried out in the order they were sent, also across SELECT and EXAMINE, so
    /// that what follows an EXAMINE may be sent before its answer. RFC 9051 §5.5 leaves a server
    /// more freedom; set for those that were seen to keep the order: Dovecot 2.3 and 2.4, Cyrus
    /// 3.6 and 3.10, Courier 5.0, UW imapd 2010.
    pub keeps_order: bool,
    /// A mailbox that was deleted and created again may have the UIDVALIDITY it had before, so
    /// that UIDs of an earlier run say nothing: hoodiecrow, where it is always 1, and UW imapd
    /// within a second.
    pub uidvalidity_reused: bool,
    /// `EXAMINE mailbox (CONDSTORE)` was answered BAD although CONDSTORE is offered.
    pub no_condstore_parameter: bool,
    /// How many commands may be answered BAD or NO before the server hangs up: pymap ends
    /// the connection after 5, Courier after 9. Dovecot 2.3 answered 200 NO in a row and stayed.
    pub errors_max: u32,
    /// How many messages of a mailbox the server shows, the newest; none of the older can be seen
    /// (rustmailer/bichon#271: 10,000 at Yahoo, and its help pages say so).
    pub view_messages_max: Option<u32>,
    /// What the account may move in a day before the server refuses it, in octets from and to the
    /// server. Gmail: 2,500 MB and 500 MB by IMAP (support.google.com/a/answer/1071518), of one
    /// million octets each, to be on the safe side.
    pub day_octets: DayOctets,
}

/// What an account may move in a day, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayOctets {
    /// From the server.
    pub download: Option<u64>,
    /// To the server.
    pub upload: Option<u64>,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            synchronising_literals_only: false,
            no_multiappend: false,
            drops_keywords: false,
            truncates_bodies: false,
            lists_own_files: false,
            one_command_at_a_time: false,
            keeps_order: false,
            uidvalidity_reused: false,
            no_condstore_parameter: false,
            errors_max: 4,
            view_messages_max: None,
            day_octets: DayOctets::default(),
        }
    }
}

impl Quirks {
    /// Sets what the name of the server's software tells (RFC 2971 §3.3), or its greeting.
    pub fn learn_from_words(&mut self, words: &[u8]) {
        let words = words.to_ascii_lowercase();
        let says = |name: &[u8]| memchr::memmem::find(&words, name).is_some();
        if says(b"stalwart") {
            self.one_command_at_a_time = true;
        }
        let uw_imapd = says(b"imap4rev1 2007") || says(b"imap4rev1 2010") || says(b"panda imap");
        if says(b"dovecot") || says(b"cyrus") || says(b"courier-imap") || uw_imapd {
            self.keeps_order = true;
        }
        if says(b"dovecot") {
            self.errors_max = u32::MAX;
        }
        if says(b"courier-imap") {
            self.truncates_bodies = true;
        }
        if says(b"gimap ready") {
            let (download, upload) = (Some(2_500_000_000), Some(500_000_000));
            self.day_octets = DayOctets { download, upload };
        }
        if says(b"imapgate") {
            self.view_messages_max = Some(10_000);
        }
        if says(b"hoodiecrow") || uw_imapd {
            self.uidvalidity_reused = true;
        }
        if uw_imapd {
            self.no_multiappend = true;
            self.drops_keywords = true;
            self.lists_own_files = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(words: &str) -> Quirks {
        let mut quirks = Quirks::default();
        quirks.learn_from_words(words.as_bytes());
        quirks
    }

    #[test]
    fn order_is_expected_only_of_servers_that_were_seen_to_keep_it() {
        assert!(learnt("Dovecot (Debian) ready.").keeps_order);
        assert!(learnt("mail Cyrus IMAP 3.6.1-Debian-3.6.1-4+deb12u3 server ready").keeps_order);
        assert!(learnt("Courier-IMAP ready. Copyright 1998-2018 Double Precision").keeps_order);
        assert!(!learnt("Stalwart IMAP4rev2 at your service").keeps_order);
        assert!(learnt("Stalwart IMAP4rev2 at your service").one_command_at_a_time);
        assert!(!learnt("Gimap ready for requests").keeps_order);
    }

    #[test]
    fn uw_imapd_and_courier_are_known_by_their_greetings() {
        let uw = learnt("[NON-IPv4] Panda IMAP 2010.417 at Thu, 26 Nov 2026 19:10:31 +0000");
        assert!(uw.no_multiappend && uw.drops_keywords && uw.lists_own_files);
        assert!(learnt("Courier-IMAP ready. Copyright 1998-2019").truncates_bodies);
        let other = learnt("Dovecot ready.");
        assert!(!other.no_multiappend && !other.drops_keywords && !other.lists_own_files);
        assert!(!other.truncates_bodies);
    }

    #[test]
    fn a_day_of_gmail_has_the_octets_that_it_documents() {
        let octets = learnt("Gimap ready for requests from 127.0.0.1 k2if6111336rvb.0").day_octets;
        assert_eq!((octets.download, octets.upload), (Some(2_500_000_000), Some(500_000_000)));
        assert_eq!(learnt("Dovecot ready.").day_octets, DayOctets::default());
    }

    #[test]
    fn yahoo_is_known_to_show_the_newest_messages_only() {
        assert_eq!(learnt("IMAP4rev1 imapgate-1.8.1_01.20166").view_messages_max, Some(10_000));
        assert_eq!(learnt("Dovecot ready.").view_messages_max, None);
    }

    #[test]
    fn uidvalidity_is_trusted_unless_the_server_is_known_to_reuse_it() {
        assert!(learnt("Hoodiecrow ready for rumble").uidvalidity_reused);
        assert!(!learnt("Dovecot ready.").uidvalidity_reused);
    }
}
