//! Pages of docs/ whose commands are typed as they stand.
#![cfg(unix)] // They are written for a shell.

use super::{Desk, Finished};
use std::process::Command;

/// A page of docs/, by its sections.
pub struct Page {
    pub sections: Vec<Section>,
}

pub struct Section {
    pub title: String,
    pub lines: Vec<String>,
}

impl Page {
    pub fn open(name: &str) -> Self {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut sections = vec![Section { title: String::new(), lines: Vec::new() }];
        for line in text.lines() {
            match line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
                Some(title) => {
                    sections.push(Section { title: title.to_owned(), lines: Vec::new() });
                }
                None => sections.last_mut().unwrap().lines.push(line.to_owned()),
            }
        }
        Self { sections }
    }

    /// The commands of a section, which has exactly so many.
    #[track_caller]
    pub fn commands<const N: usize>(&self, title: &str) -> [String; N] {
        let section = self.sections.iter().find(|section| section.title == title);
        let section = section.unwrap_or_else(|| panic!("no section `{title}`"));
        section.commands().try_into().unwrap_or_else(|found| panic!("`{title}` has {found:?}"))
    }
}

impl Section {
    /// The `$ ` lines of the console blocks; a `\` at the end joins the next.
    pub fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = Vec::new();
        let (mut in_console, mut goes_on) = (false, false);
        for line in &self.lines {
            if let Some(language) = line.strip_prefix("```") {
                in_console = language == "console";
                continue;
            }
            let text = match line.strip_prefix("$ ") {
                _ if !in_console => continue,
                Some(text) => {
                    commands.push(String::new());
                    text
                }
                None if goes_on => line,
                None => continue,
            };
            goes_on = text.ends_with('\\');
            let command = commands.last_mut().unwrap();
            command.push_str(text.trim_end_matches('\\'));
        }
        commands
    }
}

/// A shell in which `mailferry` is found and nothing else of ours, besides these variables. Nobody
/// answers questions there.
pub fn shell(desk: &Desk, command: &str, variables: &[(&str, &str)]) -> Finished {
    let home = desk.path();
    let bin = home.join("bin");
    if !bin.join("mailferry").exists() {
        std::fs::create_dir_all(&bin).unwrap();
        let program = env!("CARGO_BIN_EXE_mailferry");
        std::os::unix::fs::symlink(program, bin.join("mailferry")).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(home)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .envs(variables.iter().copied());
    desk.finish(shell)
}

/// A tool of that name in front of all others of such a shell.
pub fn tool(desk: &Desk, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = desk.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Has timers written down and not started: what `schedule` tells systemd is nobody's business, and
/// the crontab is a file.
pub fn pretend_timers(desk: &Desk) {
    tool(desk, "systemctl", "exit 0");
    let table = "case $1 in -l) cat $HOME/table 2>/dev/null || true;; -) cat >$HOME/table;; esac";
    tool(desk, "crontab", table);
}

/// What the timer of a job runs, as systemd or cron was told.
pub fn timed_command(desk: &Desk, job: &str) -> String {
    let unit = desk.path().join(format!(".config/systemd/user/mailferry-{job}.service"));
    if let Ok(text) = std::fs::read_to_string(unit) {
        return text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap().to_owned();
    }
    let table = std::fs::read_to_string(desk.path().join("table")).unwrap();
    let mut lines =
        table.lines().skip_while(|line| *line != format!("# BEGIN mailferry job {job}"));
    // Minute, hour, day, month, day of the week; and % stands for the end of a line.
    lines.nth(1).unwrap().splitn(6, ' ').nth(5).unwrap().replace("\\%", "%")
}
