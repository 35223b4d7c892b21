//! pymap 0.36, mail in memory.

use super::{PASSWORD, Place, Ready};
use crate::harness::Error;
use std::process::Command;

pub(super) fn prepare(place: &Place<'_>) -> Result<Ready, Error> {
    let mut command = Command::new("python3");
    let start = "import sys; from pymap.main import main; sys.exit(main())";
    command.args(["-c", start, "--host", "127.0.0.1", "--port", &place.port.to_string()]);
    command.args(["dict", "--demo-user", place.user, "--demo-password", PASSWORD]);
    command.env("PYTHONPATH", place.root.join("site")).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command.into())
}
