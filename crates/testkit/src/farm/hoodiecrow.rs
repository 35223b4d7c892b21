//! hoodiecrow 2.1, mail in memory.

use super::{PASSWORD, Place, Ready};
use crate::harness::{Error, write};
use std::process::Command;

/// Its extensions, and an account with nothing but INBOX.
const SCRIPT: &str = r#"const hoodiecrow = require("hoodiecrow-imap");
const [port, user, password] = process.argv.slice(2);
hoodiecrow({
  plugins: ["ID", "SASL-IR", "AUTH-PLAIN", "NAMESPACE", "IDLE", "ENABLE", "CONDSTORE",
            "LITERALPLUS", "UNSELECT", "SPECIAL-USE", "CREATE-SPECIAL-USE", "UIDPLUS", "MOVE"],
  id: { name: "hoodiecrow", version: "2.1" },
  users: { [user]: { password } },
  storage: { INBOX: {}, "": { separator: "/", folders: {} } },
}).listen(Number(port), "127.0.0.1");
"#;

pub(super) fn prepare(place: &Place<'_>) -> Result<Ready, Error> {
    let script = place.dir.join("server.js");
    write(&script, SCRIPT.as_bytes())?;
    let mut command = Command::new("node");
    command.arg(script).args([&place.port.to_string(), place.user, PASSWORD]);
    command.env("NODE_PATH", place.root.join("node_modules"));
    Ok(command.into())
}
