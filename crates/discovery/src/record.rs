//! SRV records (RFC 6186 §3.2, RFC 2782).

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use crate::{Address, Found, Security, Witness};

const SERVICES: [(&str, Security); 2] =
    [("_imaps._tcp", Security::Tls), ("_imap._tcp", Security::StartTls)];

/// One record (RFC 2782): of those with the lowest priority the one with the most weight is
/// taken; one user needs no balance of load.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    priority: u16,
    weight: u16,
    port: u16,
    target: String,
}

fn best(records: Vec<Record>) -> Option<Record> {
    records
        .into_iter()
        // A target of the root says that there is no such service (RFC 6186 §3.4).
        .filter(|record| !record.target.is_empty() && record.port > 0)
        .min_by_key(|record| (record.priority, u16::MAX - record.weight))
}

/// Asks for the records of TLS first, then for those of STARTTLS.
pub(crate) async fn find(address: &Address, resolver: Option<SocketAddr>) -> Result<Found, String> {
    let resolver = open(resolver)?;
    let mut said = Vec::new();
    for (service, security) in SERVICES {
        let name = format!("{service}.{}", address.domain);
        match ask(&resolver, &name).await.map(best) {
            Ok(Some(Record { target, port, .. })) => {
                let said_by = Witness::Record(name);
                let user = address.to_string();
                return Ok(Found { host: target, port, security, user, said_by });
            }
            Ok(None) => said.push(format!("the SRV record {name}: it says that there is none")),
            Err(why) => said.push(format!("the SRV record {name}: {why}")),
        }
    }
    Err(said.join("\n  "))
}

fn open(resolver: Option<SocketAddr>) -> Result<TokioResolver, String> {
    let builder = match resolver {
        None => TokioResolver::builder_tokio(),
        Some(server) => {
            let mut ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            ways.iter_mut().for_each(|way| way.port = server.port());
            let server = NameServerConfig::new(server.ip(), true, ways.to_vec());
            let config = ResolverConfig::from_name_servers(vec![server]);
            Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
        }
    };
    let opened = builder.and_then(|builder| builder.build());
    opened.map_err(|error| format!("the resolver cannot be used: {error}"))
}

async fn ask(resolver: &TokioResolver, name: &str) -> Result<Vec<Record>, String> {
    // The dot at the end: no domain of this machine's is tried behind it.
    let found = resolver.srv_lookup(format!("{name}.")).await.map_err(|error| error.to_string())?;
    let record = |data: &RData| match data {
        RData::SRV(srv) => Some(Record {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii().trim_end_matches('.').to_owned(),
        }),
        _ => None,
    };
    Ok(found.answers().iter().filter_map(|answer| record(&answer.data)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> Record {
        Record { priority, weight, port: 993, target: target.to_owned() }
    }

    #[test]
    fn the_lowest_priority_and_then_the_most_weight_decide() {
        let records = vec![record(10, 90, "a"), record(5, 1, "b"), record(5, 7, "c")];
        assert_eq!(best(records), Some(record(5, 7, "c")));
        assert_eq!(best(vec![record(0, 0, "")]), None);
        assert_eq!(best(Vec::new()), None);
    }
}
