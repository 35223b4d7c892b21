//! Connections, TLS, logins.

use super::Scenario;
use crate::scene::*;
use crate::world::*;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use mailferry_testkit::dovecot::{Logins, Tokens};
use mailferry_testkit::token::access_token;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S029", |s| has(&s.run(&["--justconnect"], 0), &["Host1 banner", "Host2 capability"])),
    ("S030", |s| {
        let port = s.source.imap_port().to_string();
        let run = s.alone(&["--host1", "127.0.0.1", "--port1", &port, "--nolog"], 0);
        has(&run, &["Host1 banner"]);
        has_not(&run, &["password", "Host2 banner"]);
    }),
    ("S032", |s| {
        let (Some(one), Some(other)) = (on_ipv6(&s.source), on_ipv6(&s.target)) else { return };
        let (port1, port2) = (one.to_string(), other.to_string());
        let run = s.run(
            &[
                "--host1",
                "::1",
                "--port1",
                &port1,
                "--host2",
                "::1",
                "--port2",
                &port2,
                "--nossl1",
                "--nossl2",
                "--justconnect",
            ],
            0,
        );
        has(&run, &["Host1 banner", "Host2 banner"]);
    }),
    // A literal of the other family is not reached, which imapsync's own author calls the better way.
    ("S033", |s| {
        let names = ["--host1", "localhost", "--host2", "localhost", "--justconnect"];
        s.run(&[&names[..], &["--inet4"]].concat(), 0);
        let run = s.desk.imapsync(&s.source, &s.target, &["--inet6", "--justconnect"]);
        assert!(matches!(run.status, Some(0 | 10)), "{}", run.report());
    }),
    ("S034", |s| drop(s.run(&["--timeout", "4.99", "--justlogin"], 0))),
    ("S036", |s| {
        let options = ["--timeout", "0.001", "--nossl1", "--notls1", "--nossl2", "--notls2"];
        let run = s.desk.imapsync(&s.source, &s.target, &options);
        // A machine that is quick enough answers within a millisecond.
        assert!(matches!(run.status, Some(0 | 101 | 102)), "{}", run.report());
    }),
    ("S037", |s| drop(s.run(&["--host1", "no.such.host.invalid"], 101))),
    ("S038", |s| drop(s.run(&["--host2", "no.such.host.invalid"], 102))),
    ("S040", |s| {
        let hosts = ["--host1", "no.such.host.invalid", "--host2", "nor.this.invalid"];
        s.run(&[&hosts[..], &["--ssl1", "--ssl2"]].concat(), 101);
    }),
    ("S041", |s| drop(s.run(&["--password1", "wrong"], 161))),
    ("S042", |s| drop(s.run(&["--password2", "wrong"], 162))),
    ("S044", |s| {
        let port = s.tls_port();
        let ports = ["--port1", &port, "--port2", &port];
        s.run(&[&ports[..], &["--ssl1", "--ssl2", "--justconnect"]].concat(), 0);
        s.run(&[&ports[..], &["--ssl1", "--ssl2", "--justlogin"]].concat(), 0);
    }),
    ("S045", |s| drop(s.run(&["--tls1", "--tls2", "--justconnect"], 0))),
    ("S046", |s| {
        let port = s.tls_port();
        s.run(&["--port1", &port, "--ssl1", "--tls2", "--justconnect"], 0);
    }),
    ("S048", |s| {
        s.run(&["--ssl1", "--tls1", "--ssl2", "--tls2", "--justlogin"], 12);
    }),
    ("S049", |s| {
        let options = ["--tls1", "--tls2", "--sslargs1", "SSL_version=SSLv2", "--justlogin"];
        let run = s.desk.imapsync(&s.source, &s.target, &options);
        assert!(matches!(run.status, Some(12 | 64 | 0)), "{}", run.report());
        // TLS below 1.2 is never spoken, whatever is asked for.
        assert!(run.status != Some(0) || run.text().contains("SSL_version"), "{}", run.report());
    }),
    ("S050", |s| {
        let port = s.tls_port();
        let options = ["--ssl1", "--port1", &port, "--sslargs1", "SSL_version=TLSv12"];
        let more = ["--sslargs1", "SSL_verify_mode=0", "--justconnect"];
        has(&s.run(&[&options[..], &more].concat(), 0), &["SSL_version=TLSv12"]);
    }),
    ("S052", |s| {
        let options = ["--notls1", "--notls2", "--justlogin", "--debugimap"];
        has_not(&s.run(&options, 0), &["> m1 STARTTLS", "> m2 STARTTLS"]);
    }),
    ("S053", |s| drop(s.run(&["--authmech1", "PLAIN", "--authmech2", "PLAIN", "--justlogin"], 0))),
    ("S054", |s| drop(s.run(&["--authmech1", "LOGIN", "--authmech2", "LOGIN", "--justlogin"], 0))),
    ("S056", |s| {
        let denied = ["--noauthmd5", "--noauthmd51", "--noauthmd52", "--justlogin", "--debugimap"];
        has_not(&s.run(&denied, 0), &["CRAM-MD5 "]);
        // The server does not have it: LOGIN is tried then.
        for option in ["--authmd5", "--authmd51"] {
            has(&s.run(&[option, "--justlogin", "--debugimap1"], 0), &[" LOGIN ***"]);
        }
        has_not(&s.run(&["--authmd52", "--justlogin", "--debugimap1"], 0), &[" LOGIN ***"]);
    }),
    ("S057", |s| drop(s.run(&["--authmech1", "PREAUTH", "--justlogin"], 16))),
    ("S058", |s| drop(s.run(&["--authmech1", "NTLM", "--notrylogin", "--justlogin"], 161))),
    ("S060", |s| {
        let options = ["--authmech1", "NTLM", "--authmech2", "NTLM", "--trylogin", "--justlogin"];
        s.run(&options, 0);
        s.run(&[&options[..], &["--password2", "wrong"]].concat(), 162);
    }),
    ("S061", |s| {
        // The server knows no administrators: it is the right question that it refuses.
        let run = s.run(&["--authuser2", "titi", "--justlogin", "--debugimap2"], 162);
        has(&run, &["AUTHENTICATE PLAIN"]);
    }),
    ("S062", |s| drop(s.run(&["--proxyauth2", "--justlogin"], 64))),
    // An imitation of Google's server: one that takes XOAUTH2 and refuses this token.
    ("S064", |_| {
        let Some(server) = taking_tokens() else { return };
        let (source, target) = (Place::new(&server, "from"), Place::new(&server, "to"));
        let token = access_token("somebody-else", 600);
        let options =
            ["--oauthaccesstoken1", &token, "--notrylogin", "--debugimap1", "--justlogin"];
        let run = Desk::new().imapsync(&source, &target, &options).expect(161);
        has(&run, &["AUTHENTICATE XOAUTH2", "failure: Error login on"]);
    }),
    ("S065", |_| {
        let Some(server) = taking_tokens() else { return };
        let (source, target) = (Place::new(&server, "from"), Place::new(&server, "to"));
        let direct = |place: &Place<'_>| {
            let token = access_token(&place.user, 600);
            let text = format!("user={}\u{1}auth=Bearer {token}\u{1}\u{1}", place.user);
            data_encoding::BASE64.encode(text.as_bytes())
        };
        let (one, other) = (direct(&source), direct(&target));
        let options =
            ["--oauthdirect1", &one, "--oauthdirect2", &other, "--justlogin", "--debugimap"];
        let run = Desk::new().imapsync(&source, &target, &options).expect(0);
        has(&run, &["AUTHENTICATE XOAUTH2"]);
        has_not(&run, &[" LOGIN ***", &one]);
    }),
    ("S066", |s| {
        let options = ["--oauthdirect1", "garbage", "--oauthdirect2", "garbage", "--justlogin"];
        s.run(&options, 0);
        s.run(&[&options[..], &["--notrylogin"]].concat(), 161);
    }),
];

fn taking_tokens() -> Option<Dovecot> {
    let mechanisms = Logins::with(&["xoauth2", "oauthbearer"]);
    let logins = Logins { tokens: Tokens::Taken, ..mechanisms };
    server(&Setup { logins, ..Setup::new(Layout::Slash) })
}

/// A port of `::1` that leads to the server of an account, where the machine has IPv6.
fn on_ipv6(place: &Place<'_>) -> Option<u16> {
    let upstream = place.server.imap();
    let listener = TcpListener::bind("[::1]:0").ok()?;
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            join(client, upstream);
        }
    });
    Some(port)
}

fn join(client: TcpStream, upstream: SocketAddr) {
    let Ok(server) = TcpStream::connect(upstream) else { return };
    let pairs = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
    for (mut from, mut to) in pairs {
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut octets) {
                if to.write_all(&octets[..count]).is_err() {
                    break;
                }
            }
        });
    }
}
