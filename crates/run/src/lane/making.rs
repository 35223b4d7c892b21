//! A lane whose messages go by way of rules about their content (`docs/design/transform.md`): one at a
//! time, aside from the connections, which go on meanwhile with what was sent.

use mailferry_engine::fault::{Fault, FaultKind, Side};
use mailferry_engine::message::Uid;
use mailferry_store::contract::{Source, Target};
use tokio::task::JoinHandle;

use super::{Lane, Run};
use crate::course::{Course, Courses};
use crate::transform::work::{Outcome, start};
use crate::transform::{Purpose, Subject};

/// A message that rules about content are at work on.
pub(super) struct Making {
    uid: Uid,
    /// Index of its run.
    run: usize,
    work: JoinHandle<Outcome>,
}

impl<'a, S: Source, T: Target, C: Courses<'a>> Lane<'a, '_, S, T, C> {
    pub(super) fn is_handing_over(&self) -> bool {
        self.feeding.front().is_some_and(|&at| self.runs[at].feed.is_handing_over())
    }

    pub(super) fn hand_on(&mut self) -> Result<(), Fault> {
        let Some(&at) = self.feeding.front() else { return Ok(()) };
        self.runs[at].feed.hand_on(self.target)?;
        self.flush_if_careful(at);
        Ok(())
    }

    /// A message was handed over: where connections break, it is waited for.
    pub(super) fn flush_if_careful(&mut self, at: usize) {
        let run = &self.runs[at];
        if let Some(course) = &mut self.open[run.course]
            && course.careful > 0
            && run.feed.is_idle()
        {
            course.careful -= 1;
            self.target.flush_appends();
        }
    }

    /// The rules have done their work on a message.
    pub(super) fn take_made(&mut self, outcome: Outcome) {
        let Some(Making { uid, run: at, .. }) = self.making.take() else { return };
        let run = &mut self.runs[at];
        let Some(course) = &mut self.open[run.course] else { return };
        let (task, progress) = (&course.task, &mut course.progress);
        match outcome {
            Outcome::Message(prepared) => {
                task.tell_said(run.part, uid, &prepared.said);
                if let Err(error) = run.feed.hand_over(uid, prepared, self.target) {
                    let fault = Fault::new(Side::Source, FaultKind::Transform, error.to_string());
                    run.strike_off(uid);
                    task.note_missing(run.part, (uid, fault), progress);
                }
            }
            Outcome::LeftOut(rule) => {
                run.feed.leave_out();
                run.strike_off(uid);
                task.note_left_out(run.part, (uid, &rule), progress);
            }
            Outcome::Failed(fault) => {
                run.feed.leave_out();
                run.strike_off(uid);
                task.note_missing(run.part, (uid, fault), progress);
            }
        }
        self.flush_if_careful(at);
        self.end_answered();
    }
}

/// Has the rules go over a message that has come whole.
pub(super) fn begin(at: usize, run: &mut Run, course: &Course<'_>) -> Option<Making> {
    let transform = course.task.job.transform.as_ref()?;
    let gathered = run.feed.take_gathered()?;
    let (uid, header) = (gathered.uid, course.task.job.add_header);
    let mailbox = course.task.plan.parts[run.part].source.clone();
    let subject = Subject { mailbox, uid, header };
    Some(Making { uid, run: at, work: start(transform, gathered, subject, Purpose::Sending) })
}

/// What the rules made, when they have. May be dropped while waiting and called again.
pub(super) async fn made(making: &mut Option<Making>) -> Outcome {
    match making {
        Some(making) => (&mut making.work).await.unwrap_or_else(|error| {
            let words = error.to_string();
            Outcome::Failed(Fault::new(Side::Source, FaultKind::Transform, words))
        }),
        None => std::future::pending().await,
    }
}
