//! From a socket to a session: greetings, STARTTLS, logins, and what their failures mean.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailferry_imap::command::Command;
use mailferry_imap::connection::ConnectionError;
use mailferry_imap::login::{
    ConnectError, Credentials, Endpoint, Family, Introduction, LoginError, Mechanism,
    Preauthenticated, Security, connect, login,
};
use mailferry_imap::tls::TlsPolicy;
use mailferry_testkit::sim::{
    Account, Effect, Extension, Fault, Limits, LoginPolicy, Profile, Server,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

fn endpoint(address: SocketAddr, security: Security) -> Endpoint {
    Endpoint {
        host: address.ip().to_string(),
        port: address.port(),
        security,
        tls: TlsPolicy::default(),
        family: Family::Any,
        silence_max: Duration::from_secs(2),
        trace: None,
        introduction: Introduction::Given,
    }
}

fn credentials(password: &[u8], mechanism: Mechanism) -> Credentials {
    Credentials { user: b"joe".to_vec(), password: password.to_vec(), login_as: None, mechanism }
}

/// A server that greets so and answers line by line; an empty answer hangs up.
async fn scripted(
    greeting: &'static str,
    answer: impl Fn(&str, &str) -> String + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let (from, mut to) = stream.into_split();
                let _ = to.write_all(greeting.as_bytes()).await;
                let mut lines = BufReader::new(from).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let (tag, rest) = line.split_once(' ').unwrap_or((&line, ""));
                    let text = answer(tag, rest);
                    if text.is_empty() || to.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn connected(
    greeting: &'static str,
    security: Security,
) -> Result<Preauthenticated, ConnectError> {
    let address = scripted(greeting, |tag, rest| match rest {
        "CAPABILITY" => format!("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"),
        _ => format!("{tag} BAD what\r\n"),
    })
    .await;
    connect(&endpoint(address, security)).await.map(|greeted| greeted.preauthenticated)
}

#[tokio::test]
async fn greetings_are_told_apart() {
    let ok = connected("* OK ready\r\n", Security::ClearText).await;
    assert_eq!(ok.unwrap(), Preauthenticated::No);
    let preauth = connected("* PREAUTH you are joe\r\n", Security::ClearText).await;
    assert_eq!(preauth.unwrap(), Preauthenticated::Yes);
    for refused in [
        "* BYE [UNAVAILABLE] later\r\n",
        "220 smtp.example.org ESMTP\r\n",
        "+OK POP3 ready\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "* NO go away\r\n",
    ] {
        let error = connected(refused, Security::ClearText).await.unwrap_err();
        assert!(matches!(error, ConnectError::Greeting(_)), "{refused}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let error = connected("", Security::ClearText).await.unwrap_err();
    assert!(matches!(error, ConnectError::Broken(ConnectionError::Silence(_))), "{error:?}");
}

#[tokio::test]
async fn without_starttls_nothing_goes_in_clear_where_tls_is_required() {
    let error = connected("* OK ready\r\n", Security::StartTls).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoStartTls { .. }), "{error:?}");
    let error = connected("* PREAUTH hello\r\n", Security::StartTls).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoStartTls { .. }), "{error:?}");
    assert!(
        connected("* OK ready\r\n", Security::StartTlsOrLoopback).await.is_ok(),
        "this is a loopback address"
    );
}

#[tokio::test]
async fn octets_behind_the_answer_to_starttls_are_refused() {
    for injected in ["* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", "m3 OK\r\n", "x"] {
        let address = scripted("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", move |tag, _| {
            format!("{tag} OK go\r\n{injected}")
        })
        .await;
        let error = connect(&endpoint(address, Security::StartTls)).await.map(drop).unwrap_err();
        assert!(matches!(error, ConnectError::StartTls(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_starttls_ends_the_matter() {
    for answer in ["NO", "BAD"] {
        let address = scripted("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", move |tag, _| {
            format!("{tag} {answer} not today\r\n")
        })
        .await;
        for security in [Security::StartTls, Security::StartTlsOrLoopback] {
            let error = connect(&endpoint(address, security)).await.map(drop).unwrap_err();
            assert!(matches!(error, ConnectError::StartTls(_)), "{error:?}");
        }
    }
}

async fn logged_in(mechanism: Mechanism, words: &'static str) -> Result<(), LoginError> {
    let address =
        scripted("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n", move |tag, rest| {
            match rest {
                "CAPABILITY" => format!("* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n"),
                _ if words.is_empty() => String::new(),
                _ => words.replace("TAG", tag),
            }
        })
        .await;
    let mut greeted = connect(&endpoint(address, Security::ClearText)).await.unwrap();
    login(&mut greeted.connection, &credentials(b"secret", mechanism)).await
}

#[tokio::test]
async fn a_refused_password_and_a_busy_server_are_told_apart() {
    for mechanism in [Mechanism::Login, Mechanism::Plain, Mechanism::Best] {
        assert!(logged_in(mechanism, "TAG OK welcome\r\n").await.is_ok());
        for refused in [
            "NO",
            "NO Login failed",
            "NO [AUTHENTICATIONFAILED] no",
            "NO [AUTHORIZATIONFAILED] no",
            "NO [EXPIRED] no",
            "NO [X-WHATEVER] no",
        ] {
            let words: &'static str = format!("TAG {refused}\r\n").leak();
            let error = logged_in(mechanism, words).await.unwrap_err();
            assert!(matches!(error, LoginError::Refused(_)), "{refused}: {error:?}");
        }
        for busy in [
            "NO [UNAVAILABLE] later",
            "NO [LIMIT] too many",
            "NO [INUSE] locked",
            "NO [CONTACTADMIN] call",
            "BAD Request is throttled",
            "BAD",
        ] {
            let words: &'static str = format!("TAG {busy}\r\n").leak();
            let error = logged_in(mechanism, words).await.unwrap_err();
            assert!(matches!(error, LoginError::Unavailable(_)), "{busy}: {error:?}");
        }
        for gone in ["* BYE too many connections\r\n", ""] {
            let error = match gone {
                "" => logged_in(mechanism, "").await.unwrap_err(),
                _ => {
                    let profile = Profile {
                        faults: vec![
                            Fault::at_command("LOGIN", 1, Effect::Bye("too many".into())),
                            Fault::at_command("AUTHENTICATE", 1, Effect::Bye("too many".into())),
                        ],
                        ..Profile::modern()
                    };
                    let server =
                        Server::bind(profile, [Account::new("joe", "secret")]).await.unwrap();
                    let mut greeted =
                        connect(&endpoint(server.addr(), Security::ClearText)).await.unwrap();
                    login(&mut greeted.connection, &credentials(b"secret", mechanism))
                        .await
                        .unwrap_err()
                }
            };
            assert!(matches!(error, LoginError::Broken(_)), "{gone}: {error:?}");
            assert_eq!(error.to_string().contains("BYE"), !gone.is_empty(), "{error}");
        }
    }
}

#[tokio::test]
async fn the_password_stays_here_where_no_login_is_possible() {
    for (login_policy, extension) in
        [(LoginPolicy::Never, Extension::AuthPlain), (LoginPolicy::UnderTls, Extension::AuthPlain)]
    {
        let profile = Profile { login: login_policy, ..Profile::modern() }.without(extension);
        let server = Server::bind(profile, [Account::new("joe", "secret")]).await.unwrap();
        let mut greeted = connect(&endpoint(server.addr(), Security::ClearText)).await.unwrap();
        for mechanism in [Mechanism::Best, Mechanism::Login] {
            let error = login(&mut greeted.connection, &credentials(b"secret", mechanism))
                .await
                .unwrap_err();
            assert!(matches!(error, LoginError::NoMechanism(_)), "{error:?}");
        }
        assert_eq!(server.state().log(), [], "nothing was sent");
    }
}

#[tokio::test]
async fn a_server_that_is_full_says_so() {
    let limits = Limits { connections_max: Some(1), ..Limits::default() };
    let server = Server::bind(Profile { limits, ..Profile::modern() }, [Account::new("joe", "x")])
        .await
        .unwrap();
    let first = connect(&endpoint(server.addr(), Security::ClearText)).await.unwrap();
    let error = connect(&endpoint(server.addr(), Security::ClearText)).await.map(drop).unwrap_err();
    assert!(matches!(error, ConnectError::Greeting(_)), "{error:?}");
    drop(first);
}

#[tokio::test]
async fn passwords_arrive_octet_by_octet() {
    let passwords = [
        "secret",
        "with \"quotes\"",
        "back\\slash\\",
        "%*(){}",
        " spaces ",
        "p\u{e4}ssw\u{f6}rd \u{20ac}",
        "NIL",
        "",
        "tab\tand]",
    ];
    for password in passwords {
        for extensions in [
            vec![],
            vec![Extension::SaslIr],
            vec![Extension::LiteralPlus],
            vec![Extension::AuthPlain],
        ] {
            for mechanism in [Mechanism::Login, Mechanism::Plain] {
                let profile = extensions
                    .iter()
                    .fold(Profile::modern(), |profile, extension| profile.without(*extension));
                if mechanism == Mechanism::Plain && !profile.has(Extension::AuthPlain) {
                    continue;
                }
                let server = Server::bind(profile, [Account::new("joe", password)]).await.unwrap();
                let mut greeted =
                    connect(&endpoint(server.addr(), Security::ClearText)).await.unwrap();
                let result =
                    login(&mut greeted.connection, &credentials(password.as_bytes(), mechanism))
                        .await;
                assert!(
                    result.is_ok(),
                    "{password:?} {mechanism:?} without {extensions:?}: {result:?}"
                );
                assert!(greeted.connection.capabilities().has("UIDPLUS"), "told after login");
                let other =
                    Server::bind(Profile::modern(), [Account::new("joe", "other")]).await.unwrap();
                let mut greeted =
                    connect(&endpoint(other.addr(), Security::ClearText)).await.unwrap();
                let result =
                    login(&mut greeted.connection, &credentials(password.as_bytes(), mechanism))
                        .await;
                assert!(matches!(result, Err(LoginError::Refused(_))), "{result:?}");
            }
        }
    }
}

#[tokio::test]
async fn passwords_are_never_shown() {
    let shown = format!("{:?}", credentials(b"topsecret", Mechanism::Best));
    assert!(!shown.contains("topsecret"));
    let command = Command::new("LOGIN").sp().astring(b"joe").sp().astring(b"topsecret").sensitive();
    assert!(!format!("{command:?}").contains("topsecret"));
}

/// A connection that nobody listened to for long has not been silent.
#[tokio::test]
async fn a_pause_of_ours_is_no_silence_of_the_server() {
    let server = Server::bind(Profile::modern(), [Account::new("joe", "x")]).await.unwrap();
    let silence_max = Duration::from_millis(150);
    let endpoint = Endpoint { silence_max, ..endpoint(server.addr(), Security::ClearText) };
    let mut greeted = connect(&endpoint).await.unwrap();
    login(&mut greeted.connection, &credentials(b"x", Mechanism::Best)).await.unwrap();
    for _ in 0..2 {
        tokio::time::sleep(silence_max * 2).await;
        let completions = greeted
            .connection
            .run_all(&[Command::new("NOOP"), Command::new("NOOP")], |_| {})
            .await
            .unwrap();
        assert_eq!(completions.len(), 2);
        tokio::time::sleep(silence_max * 2).await;
        let tag = greeted.connection.session.send(&Command::new("NOOP")).unwrap();
        assert!(greeted.connection.wait(tag, |_| {}).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let fault = Fault::at_command("NOOP", 1, Effect::Mute);
    let server = Server::bind(
        Profile { faults: vec![fault], ..Profile::modern() },
        [Account::new("joe", "x")],
    )
    .await
    .unwrap();
    let endpoint = Endpoint {
        silence_max: Duration::from_millis(150),
        ..endpoint(server.addr(), Security::ClearText)
    };
    let mut greeted = connect(&endpoint).await.unwrap();
    let error = greeted.connection.run(&Command::new("NOOP"), |_| {}).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Silence(_)), "{error:?}");
}
