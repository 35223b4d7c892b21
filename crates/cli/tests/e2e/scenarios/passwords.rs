//! Passwords and secrets.

use super::Scenario;
use crate::scene::*;

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("S017", |s| {
        let run = s.alone(&["--password1", "s3cret", "--justbanner", "--nolog"], 0);
        has(&run.keeps_secret("s3cret"), &["MASKED"]);
    }),
    ("S018", |s| {
        let words = ["--password1", "s3cret", "--justbanner", "--showpasswords", "--nolog"];
        has(&s.alone(&words, 0), &["s3cret"]);
    }),
    ("S020", |s| drop(s.run(&["--passfile2", "/no/such/file"], 66))),
    ("S021", |s| {
        let (one, other) = (&s.source.password, &s.target.password);
        let pipe = format!("(echo '{one}'; sleep 1; echo '{other}') | \"$0\" \"$@\"");
        let mut command = s.desk.shell(&pipe);
        command.arg(env!("CARGO_BIN_EXE_imapsync")).args(["--justlogin", "--nolog"]);
        for (number, place) in [("1", &s.source), ("2", &s.target)] {
            command.args([format!("--host{number}"), "127.0.0.1".to_owned()]);
            command.args([format!("--port{number}"), place.imap_port().to_string()]);
            command.args([format!("--user{number}"), place.user.clone()]);
        }
        s.desk.finish(command).expect(0);
    }),
    ("S022", |s| {
        let mut command = s.desk.imapsync_command(&s.source, &s.target, &["--justlogin"]);
        command.env("IMAPSYNC_PASSWORD1", "wrong");
        s.desk.finish(command).expect(161);
    }),
    ("S024", |s| odd_login(&s, "a (b) c")),
    ("S025", |s| odd_login(&s, "dol$lar$HOME")),
    ("S026", |s| odd_login(&s, "a=b==c")),
    ("S028", |s| {
        let quoted = format!("\"{}\"", s.source.password);
        s.run(&["--password1", &quoted, "--justlogin"], 0);
    }),
];
