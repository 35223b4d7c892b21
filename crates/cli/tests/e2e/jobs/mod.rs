//! What the tests of jobs share: the file, the record, and simulated servers to run between.

mod running;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;

use mailferry_testkit::sim::{AppendRequest, Profile};
use serde_json::Value;

use crate::pair::{Pair, fill};
use crate::world::Desk;

/// The file of jobs of a desk.
pub fn jobs_file(desk: &Desk) -> PathBuf {
    desk.path().join("XDG_CONFIG_HOME").join("mailferry").join("jobs.toml")
}

pub fn write_jobs(desk: &Desk, text: &str) {
    let path = jobs_file(desk);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A job between the simulated servers of a pair.
pub fn job(pair: &Pair, name: &str, more: &str) -> String {
    format!(
        "[job.{name}]\nkind = \"transfer\"\nsource = \"imap+plain://joe@{}\"\ntarget = \
         \"imap+plain://joe@{}\"\nsource_password_command = \"echo x\"\ntarget_password_command = \
         \"echo x\"\n{more}\n",
        pair.source.addr(),
        pair.target.addr()
    )
}

pub fn ordinary() -> Pair {
    let pair = Pair::new(Profile::modern(), Profile::modern());
    fill(&pair.from, "INBOX", 1..30);
    fill(&pair.from, "Work", 100..120);
    pair
}

/// A target that never takes poison.
pub fn refusing_poison() -> Pair {
    let refuse = |request: &AppendRequest<'_>| {
        let is_poison = request.octets.windows(6).any(|window| window == b"poison");
        is_poison.then(|| "No poison".to_owned())
    };
    let target = Profile { refuse: Some(Arc::new(refuse)), ..Profile::modern() };
    Pair::new(Profile::modern(), target)
}

pub fn status(desk: &Desk) -> Value {
    desk.mailferry(&["job", "status", "--json"]).json_lines().remove(0)
}

pub fn record_path(desk: &Desk, job: &str) -> PathBuf {
    let state = desk.path().join("XDG_STATE_HOME").join("mailferry");
    state.join("jobs").join(job).join("record.json")
}
