//! What is told of the two accounts, and how the names of folders came about (`--debugfolders`).

use mailferry_engine::labels::LabelPolicy;
use mailferry_engine::mapping::{How, Mapping};
use mailferry_engine::select::LeftOutReason;
use mailferry_imap::session::printable;
use mailferry_run::accounts::Accounts;
use mailferry_run::empty_mailboxes::{Doing, delete_empty_mailboxes};
use mailferry_run::job::Job;
use mailferry_run::survey::Survey;
use mailferry_store::contract::Source;

use super::lines::{bracketed, raw};
use super::rehearsal::DRY;
use super::run::Session;
use crate::fault_text::{Front, fault_text};
use crate::imapsync::Mode;
use crate::servers::{AnyAccount, Servers};

impl Session {
    /// What the servers said of themselves, and that they let us in.
    pub(super) fn tell_login(&self, number: u8, account: &AnyAccount) {
        let AnyAccount::One(server) = account else { return };
        let (host, user) = self.parties.of(number);
        let (log, banner) = (self.log, printable(&server.welcome.banner));
        log.line(&format!("Host{number} banner: {banner}"));
        let mechanism = &self.parties.mechanisms[usize::from(number) - 1];
        let login = format!("success login on [{host}] with user [{user}] auth [{mechanism}]");
        log.line(&format!("Host{number}: {login}"));
        let capabilities = server.welcome.capabilities.join(" ");
        log.line(&format!("Host{number} capability: {capabilities}"));
    }

    /// Labels go only from one account that has them to another.
    fn tell_labels<A: Accounts>(&self, job: &Job, survey: &Survey<A>) {
        let (source, target) = &survey.connections;
        for (number, has_labels) in [(1, source.has_labels()), (2, target.has_labels())] {
            if job.labels != LabelPolicy::Leave && !has_labels {
                self.log.line(&format!(
                    "Notice: Host{number} has no labels as Gmail has them (X-GM-EXT-1), so none are \
                     copied"
                ));
            }
        }
    }

    pub(super) fn tell_accounts<A: Accounts>(&self, job: &Job, survey: &Survey<A>) {
        self.tell_labels(job, survey);
        for (number, account) in [(1, &survey.source), (2, &survey.target)] {
            self.log.line(&format!("Host{number}: found {} folders.", account.mailboxes.len()));
            // Foreign text, which must not act on a terminal.
            let separator = account.delimiter.map(|octet| printable(&[octet])).unwrap_or_default();
            let prefix = printable(&account.prefix);
            self.log.line(&format!("Host{number}: separator and prefix: [{separator}][{prefix}]"));
        }
        for missing in &survey.plan.missing {
            self.log.line(&format!("Warning: Host1: folder [{}] does not exist", raw(missing)));
        }
        for left in &survey.plan.left_out {
            let name = bracketed(&left.mailbox);
            if left.reason == LeftOutReason::NameTaken {
                self.log.line(&format!(
                    "Host1: folder {name} is left out: its name on host2 is taken by a folder that is \
                     not listed, and --nomixfolders is set"
                ));
            } else if self.options.reports.folder_trace {
                let why = why_left_out(left.reason);
                self.log.line(&format!("Host1: folder {name} takes no part: {why}"));
            }
        }
        if self.options.mode == Mode::JustAutomap || self.options.names.automap {
            for mapping in &survey.mappings {
                self.log.line(&format!("[{}] -> [{}]", raw(&mapping.source), raw(&mapping.target)));
            }
        }
        if self.options.reports.folder_trace {
            survey.mappings.iter().for_each(|mapping| self.log.line(&how_mapped(mapping)));
        }
    }

    /// Deletes the folders of host1 that hold nothing, where that is asked for. As in imapsync, what
    /// cannot be deleted is told, and no error.
    pub(super) async fn delete_empty_folders(&self, servers: &Servers, job: &Job) {
        let creates = matches!(self.options.mode, Mode::Sync | Mode::JustFolders);
        if !self.options.deletions.empty_on_host1 || !creates {
            return;
        }
        let (doing, behind) =
            if self.options.dry { (Doing::Tell, DRY) } else { (Doing::Delete, "") };
        match delete_empty_mailboxes(servers, job, doing).await {
            Ok(emptied) => {
                for name in &emptied.mailboxes {
                    let name = bracketed(name);
                    self.log.line(&format!("Host1: Deleted empty folder {name}{behind}"));
                }
                let faults = emptied.faults.iter();
                faults.for_each(|fault| self.log.line(&fault_text(fault, Front::Imapsync)));
            }
            Err(fault) => self.log.line(&fault_text(&fault, Front::Imapsync)),
        }
    }
}

fn why_left_out(reason: LeftOutReason) -> &'static str {
    match reason {
        LeftOutReason::NotSelected => "others were chosen",
        LeftOutReason::Excluded => "--exclude matches it",
        LeftOutReason::OtherNamespace => "it is not the user's own",
        LeftOutReason::Unselectable => "it is a parent in name only",
        LeftOutReason::Keeping => "messages that runs took away are kept there",
        LeftOutReason::NameTaken => "its name on host2 is taken",
        LeftOutReason::Later => "it came later",
        LeftOutReason::Label => "its label becomes a keyword",
    }
}

fn how_mapped(mapping: &Mapping) -> String {
    let how = match mapping.how {
        How::Explicit => "by --f1f2".to_owned(),
        How::SpecialUse(special_use) => format!("by its use {}", special_use.attribute()),
        How::ByName => "by its name".to_owned(),
    };
    format!("Host1: folder {} is {} {how}", bracketed(&mapping.source), bracketed(&mapping.target))
}
