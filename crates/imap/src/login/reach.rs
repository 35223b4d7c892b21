//! From a name to a TCP connection, through a proxy where there is one. Of several addresses the
//! first that answers is taken: they are tried one after the other, and the next does not wait
//! for one that says nothing (RFC 8305 §5).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{ConnectError, Endpoint, Family};
use crate::proxy;

/// How long an address may say nothing before the next is tried beside it (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection, and where it leads.
pub(super) struct Reached {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) way: Way,
}

/// How the server was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The peer is the server.
    Direct,
    /// The peer is a proxy.
    Proxied,
}

impl Reached {
    /// Whether nobody but this machine is on the way.
    pub(super) fn is_loopback(&self) -> bool {
        self.way == Way::Direct && self.peer.ip().is_loopback()
    }
}

pub(super) async fn reach(endpoint: &Endpoint) -> Result<Reached, ConnectError> {
    let Some(proxy) = &endpoint.proxy else {
        let place = (endpoint.host.as_str(), endpoint.port);
        let (stream, peer) = connect(endpoint, place, endpoint.family)
            .await
            .map_err(|reason| unreachable(endpoint, reason))?;
        return Ok(Reached { stream, peer, way: Way::Direct });
    };
    let failed = |error| ConnectError::Proxy { proxy: proxy.to_string(), error };
    let (mut stream, peer) = connect(endpoint, (&proxy.host, proxy.port), Family::Any)
        .await
        .map_err(|reason| unreachable(endpoint, format!("the proxy {proxy}: {reason}")))?;
    let place = (endpoint.host.as_str(), endpoint.port);
    match timeout(endpoint.silence_max, proxy::open(proxy, &mut stream, place)).await {
        Ok(Ok(())) => Ok(Reached { stream, peer, way: Way::Proxied }),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(failed(proxy::ProxyError::NotReached(no_answer(endpoint.silence_max)))),
    }
}

fn unreachable(endpoint: &Endpoint, reason: String) -> ConnectError {
    ConnectError::Unreachable { host: endpoint.host.clone(), port: endpoint.port, reason }
}

fn no_answer(time: Duration) -> String {
    format!("no answer within {} s", time.as_secs_f32())
}

async fn connect(
    endpoint: &Endpoint,
    place: (&str, u16),
    family: Family,
) -> Result<(TcpStream, SocketAddr), String> {
    let found = lookup_host(place).await.map_err(|error| error.to_string())?;
    let fits = |address: &SocketAddr| match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    let addresses = in_turns(found.filter(fits).collect());
    let (stream, peer) = first_that_answers(addresses, endpoint.silence_max).await?;
    // Small commands are pipelined by us; waiting for more to send only adds delay.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer))
}

/// The families in turns, beginning with that of the resolver's first (RFC 8305 §4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (mut some, mut others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut turns = Vec::with_capacity(some.len() + others.len());
    some.reverse();
    others.reverse();
    while !some.is_empty() || !others.is_empty() {
        turns.extend(some.pop());
        turns.extend(others.pop());
    }
    turns
}

async fn first_that_answers(
    addresses: Vec<SocketAddr>,
    silence_max: Duration,
) -> Result<(TcpStream, SocketAddr), String> {
    let mut last = "the name has no address of the family asked for".to_owned();
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut next_at = Instant::now();
    loop {
        let more = waiting.len() > 0;
        tokio::select! {
            biased;
            Some(done) = attempts.join_next() => match done {
                Ok(Ok(reached)) => return Ok(reached),
                Ok(Err(reason)) => {
                    last = reason;
                    // The next need not wait for one that has failed.
                    next_at = Instant::now();
                }
                Err(error) => last = error.to_string(),
            },
            () = sleep_until(next_at), if more => {
                if let Some(address) = waiting.next() {
                    attempts.spawn(attempt(address, silence_max));
                    next_at = Instant::now() + ATTEMPT_DELAY;
                }
            }
            else => return Err(last),
        }
    }
}

async fn attempt(
    address: SocketAddr,
    silence_max: Duration,
) -> Result<(TcpStream, SocketAddr), String> {
    match timeout(silence_max, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok((stream, address)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(no_answer(silence_max)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::net::{TcpListener, TcpSocket};

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"].map(address);
        let turns = in_turns(all.to_vec());
        assert_eq!(turns, [all[0], all[3], all[1], all[4], all[2]]);
        assert_eq!(in_turns(vec![]), vec![]);
    }

    #[tokio::test]
    async fn an_address_that_says_nothing_does_not_hold_up_the_next() {
        // A full queue of a listener that takes nobody: the kernel drops what comes then.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let silent = silent.listen(1).unwrap();
        let mute = silent.local_addr().unwrap();
        let mut queue = Vec::new();
        for _ in 0..4 {
            queue.push(tokio::spawn(TcpStream::connect(mute)));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let open = listener.local_addr().unwrap();
        let before = Instant::now();
        let patience = Duration::from_secs(30);
        let (_, peer) = first_that_answers(vec![mute, open], patience).await.unwrap();
        assert_eq!(peer, open);
        assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    }

    #[tokio::test]
    async fn one_that_refuses_is_passed_over_and_the_last_words_are_told() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let closed = {
            let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            gone.local_addr().unwrap()
        };
        let open = listener.local_addr().unwrap();
        let patience = Duration::from_secs(5);
        let (_, peer) = first_that_answers(vec![closed, open], patience).await.unwrap();
        assert_eq!(peer, open);
        let words = first_that_answers(vec![closed, closed], patience).await.unwrap_err();
        assert!(words.contains("refused"), "{words}");
        assert!(first_that_answers(vec![], patience).await.is_err());
    }
}
