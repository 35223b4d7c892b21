//! What was found, as JSON Lines.

use mailferry_engine::fault::Side;
use mailferry_imap::session::printable;
use mailferry_imap::tls::{Met, Version};
use mailferry_run::accounts::Accounts;
use mailferry_run::survey::Survey;
use mailferry_store::quota::{Quota, QuotaUse};
use serde_json::{Value, json};

use super::account::{Examined, ServerFacts};
use super::outlook::Outlook;
use crate::fault_text::shown;
use crate::mailferry::render::json_line;

/// One account.
pub(super) fn account(examined: &Examined) -> String {
    let side = if examined.side == Side::Source { "source" } else { "target" };
    let found = examined.found.as_ref().ok().map(|found| {
        json!({
            "seconds": found.entered_after.as_secs_f64(),
            "server": found.server.as_ref().map(server),
            "mailboxes": found.listing.mailboxes.len(), "messages": found.messages(),
            "octets": found.octets, "octets_unknown_in": found.octets_unknown_in,
            "quota": quota(found.quota), "append_limit": found.append_limit,
        })
    });
    json_line("account", json!({ "side": side, "name": examined.name, "found": found }))
}

fn server(server: &ServerFacts) -> Value {
    let welcome = &server.welcome;
    json!({
        "address": welcome.peer.to_string(), "round_trip_seconds": server.round_trip.as_secs_f64(),
        "greeting": printable(&welcome.banner), "tls": welcome.certificate.as_ref().map(tls),
        "mechanism": welcome.mechanism.map(|mechanism| mechanism.name()),
        "capabilities": welcome.capabilities,
    })
}

fn tls(met: &Met) -> Value {
    json!({
        "version": match met.version {
            Some(Version::Tls12) => Some("1.2"),
            Some(Version::Tls13) => Some("1.3"),
            None => None,
        },
        "fingerprint": met.fingerprint.map(|fingerprint| fingerprint.to_string()),
        "verified": met.complaint.is_none(),
        "complaint": met.complaint.as_ref().map(|complaint| printable(complaint.as_bytes())),
    })
}

fn quota(quota: Quota) -> Value {
    let of = |resource: Option<QuotaUse>| {
        resource.map(|room| json!({ "used": room.used, "limit": room.limit, "left": room.left() }))
    };
    json!({ "octets": of(quota.storage), "messages": of(quota.messages) })
}

/// What each mailbox is called on the target, and what is to be copied into it.
pub(super) fn mailboxes<A: Accounts>(survey: &Survey<A>) -> Vec<String> {
    let line = |mapping: &mailferry_engine::mapping::Mapping| {
        let plan = survey.plan.mailboxes.iter().find(|plan| plan.target == mapping.target);
        json_line(
            "mapped",
            json!({
                "source": shown(&mapping.source), "target": shown(&mapping.target),
                "how": mapping.how, "doubts": mapping.doubts,
                "create": plan.is_some_and(|plan| plan.create.is_some()),
                "counts": plan.map(|plan| plan.counts),
            }),
        )
    };
    survey.mappings.iter().map(line).collect()
}

/// What a copy would be.
pub(super) fn outlook(outlook: &Outlook) -> String {
    json_line(
        "outlook",
        json!({
            "total": outlook.counts, "create": outlook.create, "fits": !outlook.is_too_full(),
            "quota": quota(outlook.quota),
            "sample": outlook.pace.map(|pace| {
                json!({
                    "messages": pace.messages, "octets": pace.octets,
                    "seconds": pace.time.as_secs_f64(),
                })
            }),
            "seconds_at_least": outlook.time().map(|time| time.as_secs_f64()),
        }),
    )
}
