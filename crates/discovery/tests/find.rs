//! Addresses are found through a DNS server and a web server of this machine.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record};
use mailferry_discovery::{Address, Found, NotFound, Security, Sources, Witness, find};

/// Knows these SRV records: name, target and port.
fn resolver(records: &'static [(&str, &str, u16)]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let place = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut octets = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut octets) {
            let request = Message::from_vec(&octets[..length]).unwrap();
            let query = request.queries[0].clone();
            let mut answer = Message::response(request.metadata.id, request.metadata.op_code);
            answer.add_query(query.clone());
            let asked = query.name().to_ascii();
            let known: Vec<_> = records.iter().filter(|(name, ..)| asked == *name).collect();
            if known.is_empty() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            for (_, target, port) in known {
                let target = Name::from_ascii(target).unwrap();
                let data = RData::SRV(SRV::new(0, 0, *port, target));
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
            let _ = socket.send_to(&answer.to_vec().unwrap(), from);
        }
    });
    place
}

/// Answers every request with this status and page; `{path}` stands for what was asked.
fn web(status: &'static str, page: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let path = line.split(' ').nth(1).unwrap_or_default().replace('/', "-");
            let page = page.replace("{path}", path.trim_start_matches('-'));
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len());
        }
    });
    format!("http://{place}/{{domain}}")
}

const PAGE: &str = "<clientConfig version=\"1.1\"><emailProvider id=\"p\">\
    <incomingServer type=\"imap\"><hostname>{path}</hostname><port>993</port>\
    <socketType>SSL</socketType><username>%EMAILLOCALPART%</username></incomingServer>\
    </emailProvider></clientConfig>";

fn ask(resolver: SocketAddr, pages: &[String]) -> Result<Found, NotFound> {
    let sources = Sources { resolver: Some(resolver), pages: pages.to_vec() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(find(&Address::parse("ann@example.org").unwrap(), &sources))
}

#[test]
fn a_page_is_preferred_to_dns() {
    let dns = resolver(&[("_imaps._tcp.example.org.", "imap.example.org.", 993)]);
    let found = ask(dns, &[web("404 Not Found", ""), web("200 OK", PAGE)]).unwrap();
    assert_eq!((found.host.as_str(), found.user.as_str()), ("example.org", "ann"));
    assert!(matches!(found.said_by, Witness::Page(_)));
}

#[test]
fn dns_tells_where_no_page_does() {
    let dns = resolver(&[("_imaps._tcp.example.org.", "mail.example.net.", 1993)]);
    let found = ask(dns, &[web("200 OK", "<html>none</html>")]).unwrap();
    assert_eq!((found.host.as_str(), found.port), ("mail.example.net", 1993));
    assert_eq!((found.security, found.user.as_str()), (Security::Tls, "ann@example.org"));
    assert!(!found.is_vouched_for(&Address::parse("ann@example.org").unwrap()));
}

#[test]
fn starttls_is_found_where_there_is_no_port_for_tls() {
    let dns = resolver(&[
        ("_imaps._tcp.example.org.", ".", 0),
        ("_imap._tcp.example.org.", "imap.example.org.", 143),
    ]);
    let found = ask(dns, &[]).unwrap();
    assert_eq!((found.security, found.port), (Security::StartTls, 143));
}

#[test]
fn where_nobody_knows_it_is_told_who_was_asked() {
    let error = ask(resolver(&[]), &[web("500 Oops", "")]).unwrap_err().to_string();
    for word in ["example.org", "500", "_imaps._tcp.example.org", "_imap._tcp.example.org"] {
        assert!(error.contains(word), "no `{word}` in {error}");
    }
}
