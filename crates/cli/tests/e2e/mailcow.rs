//! The command line of mailcow's runner of sync jobs, as its jobs make it, with TLS whose certificate
//! nobody vouches for, between two real servers.
#![cfg(unix)]

use crate::world::*;
use mailferry_testkit::dovecot::Logins;

/// Who logs in for everybody, as mailcow has it: `user*master`. Its password has what is special in
/// IMAP and in shells.
const MASTER: (&str, &str) = ("mailcow-master", r#"se*cr%et "q" \ $x"#);

/// mailcow's own server, with mailboxes to write to.
fn own_server() -> Option<Dovecot> {
    let logins = Logins { master: Some(MASTER), ..Logins::default() };
    server(&Setup { logins, ..Setup::new(Layout::Slash) })
}

/// The same mailbox by way of the master.
fn by_master<'a>(mailbox: &Place<'a>) -> Place<'a> {
    let user = format!("{}*{}", mailbox.user, MASTER.0);
    Place { user, password: MASTER.1.to_owned(), ..mailbox.clone() }
}

/// What mailcow reads of all that is printed.
fn exit_line(run: &Finished) -> (u32, String) {
    let line = regex::Regex::new(r"Exiting\swith\sreturn\svalue\s(\d+)\s\(([^:)]+)").unwrap();
    let found = line.captures(&run.stdout).unwrap_or_else(|| panic!("{}", run.report()));
    (found[1].parse().unwrap(), found[2].to_owned())
}

/// A job: what its form asks for, and `encryption` of host1.
fn job(
    desk: &Desk,
    (source, target): (&Place<'_>, &Place<'_>),
    encryption: &str,
    form: &[&str],
) -> Finished {
    let passfile1 = desk.file("pass1", &format!("{}\n", source.password));
    let target = &by_master(target);
    let passfile2 = desk.file("pass2", &format!("{}\n", target.password));
    let port1 = match encryption {
        "--ssl1" => source.server.imaps().unwrap().port(),
        _ => source.imap_port(),
    };
    let mut command = desk.shell("exec \"$0\" \"$@\"");
    command
        .arg(env!("CARGO_BIN_EXE_imapsync"))
        .args(["--tmpdir", "/tmp", "--nofoldersizes", "--addheader"])
        .args(["--timeout1", "600", "--timeout2", "600", "--exclude", "(?i)spam|(?i)junk"])
        .args(form)
        .arg(encryption)
        .args(["--host1", "localhost", "--user1", &source.user, "--passfile1"])
        .arg(passfile1)
        .args(["--port1", &port1.to_string(), "--host2", "localhost", "--user2", &target.user])
        .arg("--passfile2")
        .arg(passfile2)
        .args(["--no-modulesversion", "--noreleasecheck", "--nolog"])
        // mailcow's own server is at its usual port; custom parameters come as single words.
        .arg(format!("--port2={}", target.imap_port()));
    desk.finish(command)
}

#[test]
fn mailcows_jobs_run_as_they_are() {
    let (Some(world), Some(own)) = (World::open(), own_server()) else { return };
    for encryption in ["--tls1", "--ssl1"] {
        let source = Place::new(&world.dot, "jo");
        let target = Place::named(&own, format!("{}@example.net", own.fresh_user("box")));
        furnish(&source);
        source.put("Spam", &mails("spam", 2));
        source.put("My JUNK", &mails("junk", 1));
        let desk = Desk::new();
        let form =
            ["--subfolder2", "External", "--maxbytespersecond", "100000000", "--subscribeall"];
        let first = job(&desk, (&source, &target), encryption, &form);
        assert_eq!(exit_line(&first), (0, "EX_OK".to_owned()), "{}", first.report());
        let copy = target.read();
        let original = source.read();
        assert_eq!(copy.message_count(), original.message_count() - 3);
        assert!(copy.mailboxes.contains_key("External/INBOX"), "{:?}", copy.mailboxes.keys());
        assert!(copy.subscriptions.iter().any(|name| name == "External/Drafts"));
        let again = job(&desk, (&source, &target), encryption, &form);
        assert_eq!((exit_line(&again).0, again.transferred()), (0, 0), "{}", again.report());
        assert_untouched(&copy, &target.read());

        let dry = [&form[..], &["--delete2duplicates", "--automap", "--dry"]].concat();
        let run = job(&desk, (&source, &target), encryption, &dry);
        assert_eq!(exit_line(&run).0, 0, "{}", run.report());
        assert_untouched(&copy, &target.read());

        let other = Place::new(&own, "other");
        let all = ["--maxage", "100000", "--delete2", "--automap", "--skipcrossduplicates"];
        let run = job(&desk, (&source, &other), encryption, &all);
        assert_eq!(exit_line(&run).0, 0, "{}", run.report());
        let copied = other.read();
        assert_eq!(copied.message_count(), original.message_count() - 3);
        assert!(copied.mailboxes.contains_key("Sent"));
    }
}

#[test]
fn a_job_that_fails_says_why_where_mailcow_looks() {
    let (Some(world), Some(own)) = (World::open(), own_server()) else { return };
    let source = Place::new(&world.dot, "jo");
    let target = Place::new(&own, "box");
    let desk = Desk::new();
    let wrong = Place { password: "wrong".to_owned(), ..source.clone() };
    let run = job(&desk, (&wrong, &target), "--tls1", &[]);
    assert_eq!(exit_line(&run), (161, "EXIT_AUTHENTICATION_FAILURE_USER1".to_owned()));
    let run = job(&desk, (&source, &target), "--tls1", &["--port2=1"]);
    // The last word wins: the port of the harness.
    assert_eq!(exit_line(&run).0, 0, "{}", run.report());
    let run = job(&desk, (&source.through("127.0.0.1:1".parse().unwrap()), &target), "--tls1", &[]);
    assert_eq!(exit_line(&run), (101, "EXIT_CONNECTION_FAILURE_HOST1".to_owned()));
}
