//! The receipt of an undo: no message of a source, but what came back, changed and went.

use std::io;
use std::path::Path;

use super::beginning::{create, write_ranges};
use super::ending::now;
use super::id::Pair;
use super::line::{EndLine, Heading, Line, MailboxLine, VERSION};
use super::{About, ReceiptError, Tally, Writing, Written};
use crate::undo::{UndoPlan, Undone};

/// Why a copy goes again.
const UNDONE: &str = "undone";

impl Writing {
    pub(super) fn begin_undo(
        folder: &Path,
        about: &About,
        plan: &UndoPlan,
    ) -> Result<Self, ReceiptError> {
        let (run, output) = create(folder, about.began, &Pair::new(&about.source, &about.target))?;
        let mut writing = Self::new(run, output);
        let path = writing.output.path().to_owned();
        let written = writing.write_undo(about, plan);
        written.map_err(|error| ReceiptError::write(&path, error))?;
        Ok(writing)
    }

    fn write_undo(&mut self, about: &About, plan: &UndoPlan) -> io::Result<()> {
        let run = self.run.to_string();
        self.output.push(&Line::Receipt(Heading {
            version: VERSION,
            run: run.into(),
            program: about.program.as_str().into(),
            began: about.began,
            source: about.source.as_str().into(),
            target: about.target.as_str().into(),
        }))?;
        for (m, mailbox) in (0..).zip(&plan.mailboxes) {
            let name = mailbox.mailbox.to_string();
            self.output.push(&Line::Mailbox(MailboxLine {
                m,
                source: name.as_str().into(),
                target: name.as_str().into(),
                source_uid_validity: 0,
                target_uid_validity: mailbox.uid_validity,
                listed: 0,
                unchanged: None,
            }))?;
            self.targets.insert(mailbox.mailbox.clone(), m);
            let copies = mailbox.copies.iter().map(|uid| (*uid, None));
            let output = &mut self.output;
            write_ranges(copies, |uids| {
                output.push(&Line::Remove { m, why: UNDONE.into(), uids: uids.into() })
            })?;
        }
        self.output.flush()
    }

    pub(super) fn finish_undo(
        mut self,
        complete: Completeness,
        undone: &Undone,
    ) -> Result<Written, ReceiptError> {
        let path = self.output.path().to_owned();
        let end = EndLine {
            ended: now(),
            complete: complete == Completeness::Whole,
            tally: Tally::default(),
            flags_updated: undone.flags,
            deleted: undone.copies,
            moved: undone.back,
            standing_at: self.output.position(),
        };
        let run = self.run.to_string();
        let written = self.output.push(&Line::End(end)).and_then(|()| self.output.finish());
        let digest = written.map_err(|error| ReceiptError::write(&path, error))?;
        Ok(Written { run, digest })
    }
}

/// Whether all could be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    Whole,
    Partial,
}
