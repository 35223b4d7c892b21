//! A lane that copies within the target, between two mailboxes whose messages are fetched.

use mailferry_engine::fault::Fault;
use mailferry_store::contract::{Source, Target};

use super::{Closing, Lane};
use crate::course::Courses;
use crate::within;

impl<'a, S: Source, T: Target, C: Courses<'a>> Lane<'a, '_, S, T, C> {
    /// Copies the next batch of a course. What may have been copied and was not told of is left to
    /// whoever settles.
    pub(super) async fn copy_within(&mut self, at: usize) -> Result<(), Fault> {
        let Some(course) = &mut self.open[at] else { return Ok(()) };
        let Some(batch) = course.within.pop_front() else { return Ok(()) };
        self.told += within::copy(self.target, course, batch).await?;
        if course.rest.iter().any(|rest| !rest.in_doubt.is_empty()) {
            self.closing = Closing::Leaving;
        }
        Ok(())
    }
}
