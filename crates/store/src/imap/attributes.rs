//! What some messages are called, when they arrived, and as what their account knows them.

use std::collections::HashMap;

use mailferry_engine::fault::Fault;
use mailferry_engine::message::Uid;
use mailferry_imap::command::Command;
use mailferry_imap::response::{Fetch, Untagged};
use mailferry_imap::uid_set::UidSet;

use super::messages::{UID_SET_BYTES_MAX, date};
use super::{Access, ImapAccount};
use crate::contract::{AsListed, InternalDates};

impl ImapAccount {
    /// The Message-Id and Subject fields of messages. What is too long to stand in a line is not
    /// told.
    pub(super) async fn fetch_headlines(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, Vec<u8>>, Fault> {
        let items = "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID SUBJECT)])";
        let fields = |fetch: &Fetch<'_>| fetch.header_fields.as_ref().map(|field| field.to_vec());
        self.fetch_attribute((listed, uids), items, fields).await
    }

    /// The INTERNALDATEs of messages.
    pub(super) async fn fetch_dates(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<InternalDates, Fault> {
        let told = |fetch: &Fetch<'_>| fetch.internal_date.map(|_| date(fetch));
        self.fetch_attribute((listed, uids), "(UID INTERNALDATE)", told).await
    }

    /// By which numbers the account knows messages (X-GM-MSGID of X-GM-EXT-1, Gmail's “IMAP
    /// Extensions”).
    pub(super) async fn fetch_account_numbers(
        &mut self,
        listed: AsListed<'_>,
        uids: &[Uid],
    ) -> Result<HashMap<Uid, u64>, Fault> {
        let number = |fetch: &Fetch<'_>| fetch.account_number.filter(|number| *number != 0);
        self.fetch_attribute((listed, uids), "(UID X-GM-MSGID)", number).await
    }

    async fn fetch_attribute<T>(
        &mut self,
        (listed, uids): (AsListed<'_>, &[Uid]),
        items: &str,
        attribute: impl Fn(&Fetch<'_>) -> Option<T>,
    ) -> Result<HashMap<Uid, T>, Fault> {
        self.open_as_listed(listed, Access::Read).await?;
        let mut values: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
        values.sort_unstable();
        let mut told = HashMap::new();
        for set in UidSet::from_sorted(&values).split(UID_SET_BYTES_MAX) {
            let command = Command::new("UID FETCH").sp().uid_set(&set).sp().raw(items);
            self.run(&command, |data| {
                if let Untagged::Fetch(fetch) = data
                    && let (Some(uid), Some(value)) =
                        (fetch.uid.and_then(Uid::new), attribute(fetch))
                {
                    told.insert(uid, value);
                }
            })
            .await?;
        }
        Ok(told)
    }
}
