//! What messages are called, for those that are told of.

use std::collections::HashMap;

use mailferry_engine::fault::Fault;
use mailferry_engine::message::Uid;
use mailferry_imap::command::Command;
use mailferry_imap::response::Untagged;
use mailferry_imap::uid_set::UidSet;

use super::messages::UID_SET_BYTES_MAX;
use super::{Access, ImapAccount};
use crate::contract::AsListed;

impl ImapAccount {
    /// The Subject fields of messages. One that is too long to stand in a line is not told.
    pub(super) async fn fetch_subjects(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, Vec<u8>>, Fault> {
        self.open_as_listed(listed, Access::Read).await?;
        let mut values: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
        values.sort_unstable();
        let mut subjects = HashMap::new();
        for set in UidSet::from_sorted(&values).split(UID_SET_BYTES_MAX) {
            let items = "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])";
            let command = Command::new("UID FETCH").sp().uid_set(&set).sp().raw(items);
            self.run(&command, |data| {
                if let Untagged::Fetch(fetch) = data
                    && let (Some(uid), Some(header)) =
                        (fetch.uid.and_then(Uid::new), &fetch.header_fields)
                {
                    subjects.insert(uid, header.to_vec());
                }
            })
            .await?;
        }
        Ok(subjects)
    }
}
