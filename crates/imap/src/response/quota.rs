//! QUOTA: what an account may hold, and what it holds (RFC 9208 §5.1).

use std::borrow::Cow;

use crate::token::{Cursor, Value};

/// One resource that is limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaResource<'a> {
    /// `STORAGE` in units of 1,024 octets, `MESSAGE` in messages (RFC 9208 §5.2), or another.
    pub name: &'a [u8],
    /// How much is used.
    pub usage: u64,
    /// How much there may be.
    pub limit: u64,
}

/// Reads what follows the word QUOTA: the root's name, mostly `""`, and its resources. A resource
/// that makes no sense is left out.
pub(super) fn parse_quota<'a>(
    mut cursor: Cursor<'a, '_>,
) -> Option<(Cow<'a, [u8]>, Vec<QuotaResource<'a>>)> {
    let root = cursor.value()?.into_text()?;
    let Some(Value::List(inner)) = cursor.value() else { return Some((root, Vec::new())) };
    let mut cursor = Cursor::within(inner);
    let mut resources = Vec::new();
    while let Some(name) = cursor.value() {
        let (usage, limit) = (cursor.value(), cursor.value());
        let number = |value: Option<Value<'a>>| value.and_then(Value::into_u64);
        if let (Value::Atom(name), Some(usage), Some(limit)) = (name, number(usage), number(limit))
        {
            resources.push(QuotaResource { name, usage, limit });
        }
    }
    Some((root, resources))
}
