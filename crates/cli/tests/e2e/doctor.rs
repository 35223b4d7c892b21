//! What `mailferry doctor` tells of two real servers, and that it changes nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::world::{
    Desk, Finished, Layout, Place, Setup, Way, World, assert_untouched, furnish, mail, mails,
    server,
};
use serde_json::Value;

/// The only line that is such an event.
#[track_caller]
fn event(lines: &[Value], name: &str) -> Value {
    let mut found = lines.iter().filter(|line| line["event"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no `{name}` in {lines:?}")).clone();
    assert!(found.next().is_none(), "more than one `{name}` in {lines:?}");
    first
}

fn alone(desk: &Desk, place: &Place<'_>, options: &[&str]) -> Finished {
    let mut command = desk.command_of_ferry();
    command.arg("doctor").arg(place.url("imap")).args(options);
    command.env("MAILFERRY_SOURCE_PASSWORD", &place.password);
    desk.finish(command)
}

#[test]
fn two_accounts_are_described_and_nothing_changes() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    furnish(&source);
    target.put("INBOX", &mails("inbox", 3));
    let before = (source.read(), target.read());
    let desk = Desk::new();
    let run = desk.ferry("doctor", &source, &target, &[]).expect(0).keeps_secret(&source.password);
    for words in [
        format!("source {}@127.0.0.1", source.user),
        format!("target {}@127.0.0.1", target.user),
        "TLS 1.3, certificate NOT verified".to_owned(),
        "offers        UIDPLUS LITERAL+ MULTIAPPEND CONDSTORE LIST-STATUS".to_owned(),
        "  INBOX/Child      -> INBOX.INBOX.Child  (3 messages, to be created)".to_owned(),
        "  Café             -> INBOX.Café  (4 messages, to be created)".to_owned(),
        "to copy: 31 of 31 messages (6.4 KiB), into 6 new mailboxes".to_owned(),
        "time: at least a second".to_owned(),
    ] {
        assert!(run.stdout.contains(&words), "no `{words}` in\n{}", run.report());
    }
    assert_untouched(&before.0, &source.read());
    assert_untouched(&before.1, &target.read());
}

#[test]
fn programs_read_the_same_as_json() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::DotToSlash);
    source.put("INBOX", &mails("json", 4));
    source.put("Work", &mails("work", 2));
    let lines = Desk::new().ferry("doctor", &source, &target, &["--json"]).expect(0).json_lines();
    let accounts: Vec<&Value> = lines.iter().filter(|line| line["event"] == "account").collect();
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[0]["side"], "source");
    assert_eq!(accounts[0]["found"]["messages"], 6);
    let listed = source.read();
    let octets: u64 = ["INBOX", "Work"]
        .iter()
        .flat_map(|name| listed.messages(name))
        .map(|message| message.size)
        .sum();
    assert_eq!(accounts[0]["found"]["octets"], octets);
    let server = &accounts[0]["found"]["server"];
    assert_eq!(server["tls"]["version"], "1.3");
    assert_eq!(server["tls"]["verified"], false);
    assert!(server["capabilities"].as_array().unwrap().iter().any(|word| word == "UIDPLUS"));
    let mapped: Vec<(&str, &str, &Value)> = lines
        .iter()
        .filter(|line| line["event"] == "mapped")
        .map(|line| {
            let name = |side: &str| line[side].as_str().unwrap();
            (name("source"), name("target"), &line["counts"]["copy"])
        })
        .collect();
    assert!(mapped.contains(&("INBOX", "INBOX", &Value::from(4))), "{mapped:?}");
    assert!(mapped.contains(&("INBOX.Work", "Work", &Value::from(2))), "{mapped:?}");
    let outlook = event(&lines, "outlook");
    assert_eq!(outlook["total"]["copy"], 6);
    assert_eq!(outlook["fits"], true);
    assert_eq!(outlook["quota"]["octets"], Value::Null);
    // The sample is of the larger mailbox.
    assert_eq!(outlook["sample"]["messages"], 4);
    assert!(outlook["seconds_at_least"].as_f64().unwrap() > 0.0);
}

#[test]
fn one_account_is_described_without_another() {
    let Some(world) = World::open() else { return };
    let (place, _) = world.pair(Way::SlashToDot);
    place.put("INBOX", &mails("alone", 5));
    let desk = Desk::new();
    let run = alone(&desk, &place, &[]).expect(0);
    assert!(run.stdout.contains("holds         1 mailbox, 5 messages"), "{}", run.report());
    assert!(!run.stdout.contains("target"), "{}", run.report());
    let lines = alone(&desk, &place, &["--json"]).expect(0).json_lines();
    assert_eq!(event(&lines, "account")["found"]["messages"], 5);
}

#[test]
fn a_target_without_room_is_told_before_anything_is_copied() {
    let Some(world) = World::open() else { return };
    let (source, _) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("quota", 6));
    for setup in [
        Setup { quota_messages: Some(5), ..Setup::new(Layout::Slash) },
        Setup { quota_octets: Some(1024), ..Setup::new(Layout::Slash) },
    ] {
        let Some(narrow) = server(&setup) else { return };
        let target = Place::new(&narrow, "narrow");
        let run = Desk::new().ferry("doctor", &source, &target, &[]).expect(113);
        assert!(run.stdout.contains("NO ROOM"), "{}", run.report());
        assert!(target.read().messages("INBOX").is_empty());
    }
    let Some(wide) = server(&Setup { quota_messages: Some(6), ..Setup::new(Layout::Slash) }) else {
        return;
    };
    let run = Desk::new().ferry("doctor", &source, &Place::new(&wide, "wide"), &[]).expect(0);
    assert!(run.stdout.contains("6 left of 6 messages"), "{}", run.report());
}

#[test]
fn messages_over_the_limits_are_named() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let mut large = mail("large", 1);
    large.octets.extend(std::iter::repeat_n(b'x', 5000));
    source.put("INBOX", &[mail("small", 0), large]);
    let run = Desk::new().ferry("doctor", &source, &target, &["--maxsize", "2k"]).expect(0);
    assert!(run.all().contains("left out for its size: INBOX/2"), "{}", run.report());
    assert!(run.stdout.contains("to copy: 1 of 2 messages"), "{}", run.report());
}

#[test]
fn what_cannot_be_entered_is_told_of_both_sides_at_once() {
    let Some(world) = World::open() else { return };
    let (source, target) = world.pair(Way::SlashToDot);
    let mut wrong = target.clone();
    wrong.password = "wrong".to_owned();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = source.through(closed);
    let run = Desk::new().ferry("doctor", &gone, &wrong, &[]).expect_failure();
    assert!(run.text().contains("cannot reach 127.0.0.1"), "{}", run.report());
    assert_eq!(run.stdout.matches("not entered").count(), 2, "{}", run.report());
    Desk::new().ferry("doctor", &source, &wrong, &[]).expect(162);
    Desk::new().ferry("doctor", &gone, &target, &[]).expect(101);
}

#[test]
fn an_archive_is_an_account_too() {
    let Some(world) = World::open() else { return };
    let (source, _) = world.pair(Way::SlashToDot);
    source.put("INBOX", &mails("archive", 3));
    let desk = Desk::new();
    let folder = desk.path().join("archive");
    let mut command = desk.command_of_ferry();
    command.arg("doctor").arg(source.url("imap")).arg(format!("maildir:{}", folder.display()));
    command.env("MAILFERRY_SOURCE_PASSWORD", &source.password);
    let run = desk.finish(command).expect(0);
    assert!(run.stdout.contains("target maildir:"), "{}", run.report());
    assert!(run.stdout.contains("to copy: 3 of 3 messages"), "{}", run.report());
    let mail = |room: &str| std::fs::read_dir(folder.join(room)).map_or(0, Iterator::count);
    assert_eq!((mail("cur"), mail("new"), mail("tmp")), (0, 0, 0), "doctor wrote mail");
}

/// A web server on this machine that answers everything with this page.
fn web(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len());
        }
    });
    format!("http://{place}/{{domain}}")
}

/// A DNS server on this machine that names one server, whatever is asked (RFC 1035 §4.1, RFC 2782).
fn dns(target: &'static str, port: u16) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let place = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut octets = [0; 1500];
        while let Ok((_, from)) = socket.recv_from(&mut octets) {
            let name_ends = 12 + octets[12..].iter().position(|&octet| octet == 0).unwrap();
            let mut answer = octets[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            answer.extend(&octets[12..name_ends + 5]);
            let mut data = vec![0, 0, 0, 0];
            data.extend(port.to_be_bytes());
            for label in target.split('.') {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend(label.as_bytes());
            }
            data.push(0);
            answer.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
            answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            answer.extend(data);
            let _ = socket.send_to(&answer, from);
        }
    });
    place
}

fn by_address(desk: &Desk, pages: &str, resolver: SocketAddr, place: &Place<'_>) -> Finished {
    let mut command = desk.command_of_ferry();
    command
        .args(["doctor", "ann@example.org"])
        .env("MAILFERRY_SOURCE_PASSWORD", &place.password)
        .env("MAILFERRY_AUTOCONFIG", pages)
        .env("MAILFERRY_RESOLVER", resolver.to_string());
    desk.finish(command)
}

#[test]
fn the_server_of_an_address_is_found() {
    let Some(world) = World::open() else { return };
    let (place, _) = world.pair(Way::SlashToDot);
    place.put("INBOX", &mails("address", 2));
    let page = format!(
        "<clientConfig version='1.1'><emailProvider id='example.org'>\
         <incomingServer type='imap'><hostname>127.0.0.1</hostname><port>{}</port>\
         <socketType>STARTTLS</socketType><username>{}</username></incomingServer>\
         </emailProvider></clientConfig>",
        place.imap_port(),
        place.user
    );
    let desk = Desk::new();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let run = by_address(&desk, &web(page), nobody.local_addr().unwrap(), &place).expect(0);
    assert!(run.text().contains("found imap://"), "{}", run.report());
    assert!(run.stdout.contains("holds         1 mailbox, 2 messages"), "{}", run.report());
}

#[test]
fn a_server_that_only_dns_names_is_not_sent_a_password() {
    let Some(world) = World::open() else { return };
    let (place, _) = world.pair(Way::SlashToDot);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let resolver = dns("localhost", listener.local_addr().unwrap().port());
    let desk = Desk::new();
    let run = by_address(&desk, "", resolver, &place).expect(121).keeps_secret(&place.password);
    assert!(run.text().contains("DNS can be"), "{}", run.report());
    assert!(run.text().contains("mailferry doctor imaps://ann%40example.org@localhost:"));
    listener.set_nonblocking(true).unwrap();
    listener.accept().expect_err("it was connected to");
}

#[test]
fn where_nobody_knows_an_address_it_is_told_who_was_asked() {
    let desk = Desk::new();
    let mut command = desk.command_of_ferry();
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    command
        .args(["doctor", "ann@example.org"])
        .env("MAILFERRY_AUTOCONFIG", format!("http://{nowhere}/"))
        .env("MAILFERRY_RESOLVER", nowhere.to_string());
    let run = desk.finish(command).expect(64);
    for words in ["nobody says where the mailboxes of example.org are", "hint: name the server"] {
        assert!(run.text().contains(words), "no `{words}` in {}", run.report());
    }
}
