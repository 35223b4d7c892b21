//! What a server means by refusing a message.

use mailferry_engine::fault::{Fault, FaultKind, Scope, Side};
use mailferry_imap::response::Code;
use mailferry_imap::session::Completion;

use super::throttle::throttled_by;

/// What a refused APPEND means (RFC 5530, RFC 9051 §7.1), by its code or, since half of the
/// servers send none, by words that are known.
pub(super) fn append_fault(side: Side, completion: &Completion) -> Fault {
    if let Some(fault) = throttled_by(side, completion) {
        return fault;
    }
    let text = completion.text().to_ascii_lowercase();
    let says = |words: &[u8]| memchr::memmem::find(&text, words).is_some();
    let too_big = says(b"too big")
        || says(b"too large")
        || says(b"larger than")
        || says(b"message size")
        || says(b"mail size")
        || says(b"literal exceeds")
        || says(b"maximum size");
    let kind = match completion.code() {
        Some(Code::OverQuota) => FaultKind::OverQuota,
        Some(Code::TooBig) => FaultKind::AppendSize,
        _ if too_big => FaultKind::AppendSize,
        _ if says(b"quota") => FaultKind::OverQuota,
        _ if says(b"virus") => FaultKind::AppendVirus,
        _ => FaultKind::Append,
    };
    let fault = Fault::new(side, kind, completion.words());
    match completion.code() {
        Some(Code::TryCreate | Code::NonExistent) => Fault { scope: Scope::Mailbox, ..fault },
        // Cyrus has a limit on the keywords of a mailbox: the next message may have none.
        Some(Code::Limit) if says(b"keyword") || says(b"flag") => fault,
        Some(Code::Limit | Code::Unavailable | Code::InUse) if kind == FaultKind::Append => {
            Fault::new(side, FaultKind::Throttled, completion.words())
        }
        _ => fault,
    }
}
