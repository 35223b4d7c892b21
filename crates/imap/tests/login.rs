//! From a socket to a session: greetings, STARTTLS, logins, and what their failures mean.

#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mailferry_imap::command::Command;
use mailferry_imap::connection::ConnectionError;
use mailferry_imap::credentials::{Administrator, Choice, Credentials, Manner, Secret};
use mailferry_imap::login::{
    ConnectError, Endpoint, Family, Introduction, LoginError, Preauthenticated, Security, connect,
    login,
};
use mailferry_imap::sasl::Mechanism;
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
        proxy: None,
        family: Family::Any,
        silence_max: Duration::from_secs(2),
        trace: None,
        meter: None,
        introduction: Introduction::Given,
    }
}

const BY_LOGIN: Choice = Choice::Only(Mechanism::Login);
const BY_PLAIN: Choice = Choice::Only(Mechanism::Plain);

fn credentials(password: &[u8], mechanism: Choice) -> Credentials {
    Credentials::with_password("joe", password).by(mechanism)
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

async fn logged_in(mechanism: Choice, words: &'static str) -> Result<(), LoginError> {
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
    login(&mut greeted.connection, &credentials(b"secret", mechanism)).await.map(drop)
}

#[tokio::test]
async fn a_refused_password_and_a_busy_server_are_told_apart() {
    for mechanism in [BY_LOGIN, BY_PLAIN, Choice::Strongest] {
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
        for mechanism in [Choice::Strongest, BY_LOGIN] {
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
            for mechanism in [BY_LOGIN, BY_PLAIN] {
                let profile = extensions
                    .iter()
                    .fold(Profile::modern(), |profile, extension| profile.without(*extension));
                if mechanism == BY_PLAIN && !profile.has(Extension::AuthPlain) {
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
    let shown = format!("{:?}", credentials(b"topsecret", Choice::Strongest));
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
    login(&mut greeted.connection, &credentials(b"x", Choice::Strongest)).await.unwrap();
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

/// What a client said behind the greeting, line by line.
type Said = Arc<std::sync::Mutex<Vec<String>>>;

/// Logs in to a scripted server with these capabilities, and tells what was said.
async fn tried(
    capabilities: &'static str,
    credentials: Credentials,
    answer: impl Fn(&str, &str) -> String + Send + Sync + 'static,
) -> (Result<(), LoginError>, Vec<String>) {
    let said = Said::default();
    let noted = said.clone();
    let greeting: &'static str =
        format!("* OK [CAPABILITY IMAP4rev1 {capabilities}] ready\r\n").leak();
    let address = scripted(greeting, move |tag, rest| {
        let line = if rest.is_empty() { tag } else { rest };
        noted.lock().unwrap().push(line.to_owned());
        match rest {
            "CAPABILITY" => format!("* CAPABILITY IMAP4rev1 X-AFTER\r\n{tag} OK\r\n"),
            _ => answer(tag, rest),
        }
    })
    .await;
    let mut greeted = connect(&endpoint(address, Security::ClearText)).await.unwrap();
    let result = login(&mut greeted.connection, &credentials).await.map(drop);
    let said = said.lock().unwrap().clone();
    (result, said)
}

fn token(mechanism: Choice) -> Credentials {
    Credentials::new("joe", Secret::token("t")).by(mechanism)
}

#[tokio::test]
async fn what_the_server_says_of_a_token_is_acknowledged_and_told() {
    // {"status":"401"}
    let refusal = |tag: &str, rest: &str| match rest {
        "" => "m1 NO refused\r\n".to_owned(),
        _ if rest.starts_with("AUTHENTICATE") => "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n".to_owned(),
        _ => format!("{tag} BAD what\r\n"),
    };
    for (mechanism, acknowledged) in [(Mechanism::OAuthBearer, "AQ=="), (Mechanism::XOAuth2, "")] {
        let capabilities = "SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER";
        let (result, said) = tried(capabilities, token(Choice::Only(mechanism)), refusal).await;
        let error = result.unwrap_err();
        assert!(matches!(&error, LoginError::TokenRefused(_)), "{error:?}");
        assert_eq!(error.to_string(), "NO refused ({\"status\":\"401\"})");
        assert_eq!(said.last().unwrap(), acknowledged, "{said:?}");
    }
}

#[tokio::test]
async fn without_sasl_ir_the_first_response_waits_to_be_asked_for() {
    let (result, said) = tried("AUTH=XOAUTH2", token(Choice::Strongest), |tag, rest| match rest {
        "AUTHENTICATE XOAUTH2" => "+ \r\n".to_owned(),
        _ if tag == "dXNlcj1qb2UBYXV0aD1CZWFyZXIgdAEB" => "m1 OK welcome\r\n".to_owned(),
        _ => "m1 BAD what\r\n".to_owned(),
    })
    .await;
    assert!(result.is_ok(), "{result:?} {said:?}");
    assert_eq!(said.last().unwrap(), "CAPABILITY", "the answer did not tell them");
}

#[tokio::test]
async fn where_the_command_is_disabled_the_mechanism_login_is_spoken() {
    let credentials = Credentials::with_password("joe", "secret");
    let (result, said) =
        tried("LOGINDISABLED AUTH=LOGIN", credentials, |tag, rest| match (tag, rest) {
            (_, "AUTHENTICATE LOGIN") => "+ VXNlcm5hbWU6\r\n".to_owned(),
            ("am9l", _) => "+ whatever it is called\r\n".to_owned(),
            ("c2VjcmV0", _) => "m1 OK welcome\r\n".to_owned(),
            _ => "m1 BAD what\r\n".to_owned(),
        })
        .await;
    assert!(result.is_ok(), "{result:?} {said:?}");
}

#[tokio::test]
async fn an_administrator_becomes_the_user_by_proxyauth() {
    let administrator = Administrator { name: b"root".to_vec(), manner: Manner::ProxyAuth };
    let credentials = Credentials {
        login_as: Some(administrator),
        ..Credentials::with_password("joe", "secret").by(BY_LOGIN)
    };
    let (result, said) = tried("", credentials.clone(), |tag, rest| match rest {
        "LOGIN root secret" | "PROXYAUTH joe" => format!("{tag} OK\r\n"),
        _ => format!("{tag} BAD what\r\n"),
    })
    .await;
    assert!(result.is_ok(), "{result:?} {said:?}");
    let (result, _) = tried("", credentials, |tag, rest| match rest {
        "LOGIN root secret" => format!("{tag} OK\r\n"),
        _ => format!("{tag} NO not you\r\n"),
    })
    .await;
    assert!(matches!(result, Err(LoginError::Refused(_))), "{result:?}");
}

#[tokio::test]
async fn an_impostor_does_not_learn_the_password_and_is_named() {
    let credentials = Credentials::with_password("joe", "secret");
    let challenge = |nonce: &str| {
        let text = format!("r={nonce}more,s=c2FsdA==,i=4096");
        format!("+ {}\r\n", data_encoding::BASE64.encode(text.as_bytes()))
    };
    let asked = move |tag: &str, rest: &str| match rest.strip_prefix("AUTHENTICATE SCRAM-SHA-256 ")
    {
        Some(first) => {
            let first = data_encoding::BASE64.decode(first.as_bytes()).unwrap();
            let first = String::from_utf8(first).unwrap();
            challenge(first.split(",r=").nth(1).unwrap())
        }
        // Whatever the proof, it says that all is well.
        None if rest.is_empty() && tag != "*" => "m1 OK welcome\r\n".to_owned(),
        None => "m1 BAD cancelled\r\n".to_owned(),
    };
    let (result, said) = tried("SASL-IR AUTH=SCRAM-SHA-256", credentials.clone(), asked).await;
    let error = result.unwrap_err();
    assert!(error.to_string().contains("did not prove"), "{error} {said:?}");
    // What is no challenge is not answered but cancelled.
    let (result, said) = tried("SASL-IR AUTH=SCRAM-SHA-256", credentials, |tag, rest| match rest {
        "" => format!("m1 BAD {tag}\r\n"),
        _ => "+ bm9uc2Vuc2U=\r\n".to_owned(),
    })
    .await;
    assert!(matches!(result, Err(LoginError::Exchange { .. })), "{result:?}");
    assert_eq!(said.last().unwrap(), "*");
}
