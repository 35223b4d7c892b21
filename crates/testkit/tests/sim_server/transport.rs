//! TLS: from the first octet, and by STARTTLS.

use std::sync::Arc;
use std::time::Duration;

use mailferry_testkit::sim::{Extension, LoginPolicy, Profile, Server, tls};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::client::account;

async fn handshake(stream: TcpStream) -> TlsStream<TcpStream> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(tls::roots().unwrap())
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

async fn run(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), command: &str) -> String {
    stream.write_all(format!("a {command}\r\n").as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    loop {
        let answer = line(stream).await;
        if answer.starts_with("a ") {
            return answer;
        }
    }
}

fn with_starttls() -> Profile {
    Profile {
        tls: Some(tls::server_config().unwrap()),
        login: LoginPolicy::UnderTls,
        ..Profile::modern().with(Extension::StartTls)
    }
}

#[tokio::test]
async fn tls_from_the_first_octet_needs_no_starttls() {
    let config = tls::server_config().unwrap();
    let server = Server::bind_tls(with_starttls(), [account()], config).await.unwrap();
    let mut stream = handshake(TcpStream::connect(server.addr()).await.unwrap()).await;
    let greeting = line(&mut stream).await;
    assert!(greeting.starts_with("* OK") && !greeting.contains("STARTTLS"), "{greeting}");
    assert!(run(&mut stream, "STARTTLS").await.starts_with("a BAD"));
    assert!(run(&mut stream, "LOGIN joe secret").await.starts_with("a OK"));
}

#[tokio::test]
async fn starttls_opens_the_way_to_login() {
    let server = Server::bind(with_starttls(), [account()]).await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let greeting = line(&mut stream).await;
    assert!(greeting.contains(" STARTTLS LOGINDISABLED "), "{greeting}");
    assert!(run(&mut stream, "LOGIN joe secret").await.starts_with("a NO [PRIVACYREQUIRED]"));
    assert!(run(&mut stream, "STARTTLS").await.starts_with("a OK"));
    let mut stream = handshake(stream).await;
    stream.write_all(b"b CAPABILITY\r\n").await.unwrap();
    let capabilities = line(&mut stream).await;
    assert!(capabilities.contains(" AUTH=PLAIN"), "{capabilities}");
    assert!(!capabilities.contains("STARTTLS") && !capabilities.contains("LOGINDISABLED"));
    assert!(line(&mut stream).await.starts_with("b OK"));
    assert!(run(&mut stream, "LOGIN joe secret").await.starts_with("a OK"));
}

#[tokio::test]
async fn octets_behind_starttls_end_the_connection() {
    let server = Server::bind(with_starttls(), [account()]).await.unwrap();
    let mut stream = BufReader::new(TcpStream::connect(server.addr()).await.unwrap());
    stream.read_line(&mut String::new()).await.unwrap();
    stream.write_all(b"a STARTTLS\r\nb LOGIN joe secret\r\n").await.unwrap();
    let mut rest = String::new();
    let end = stream.read_to_string(&mut rest);
    tokio::time::timeout(Duration::from_secs(10), end).await.expect("no end").unwrap();
    assert_eq!(rest, "a BAD Input after STARTTLS\r\n* BYE Input after STARTTLS\r\n");
}

#[tokio::test]
async fn starttls_is_absent_without_a_certificate() {
    let profile = Profile::modern().with(Extension::StartTls);
    let server = Server::bind(profile, [account()]).await.unwrap();
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    assert!(!line(&mut stream).await.contains("STARTTLS"));
    assert!(run(&mut stream, "STARTTLS").await.starts_with("a BAD Unknown command"));
}
