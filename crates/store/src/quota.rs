//! What an account may hold, and how much of that is used.

/// STORAGE is counted in units of so many octets (RFC 9208 §5.2).
const STORAGE_UNIT_OCTETS: u64 = 1024;

/// What an account may hold and holds. A resource of several quota roots is that with the least
/// room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// In octets; `None` where there is no limit, or none is told.
    pub storage: Option<QuotaUse>,
    /// In messages.
    pub messages: Option<QuotaUse>,
}

/// How much of a resource there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// How much is used.
    pub used: u64,
    /// How much there may be.
    pub limit: u64,
}

impl QuotaUse {
    /// How much is left.
    #[must_use]
    pub fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl Quota {
    /// A resource of a quota root, as the server counts it (RFC 9208 §5).
    pub(crate) fn take_note(&mut self, name: &[u8], used: u64, limit: u64) {
        let (place, unit) = if name.eq_ignore_ascii_case(b"STORAGE") {
            (&mut self.storage, STORAGE_UNIT_OCTETS)
        } else if name.eq_ignore_ascii_case(b"MESSAGE") {
            (&mut self.messages, 1)
        } else {
            return;
        };
        let told = QuotaUse { used: used.saturating_mul(unit), limit: limit.saturating_mul(unit) };
        if place.is_none_or(|known| told.left() < known.left()) {
            *place = Some(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_roots_the_one_with_the_least_room_counts() {
        let mut quota = Quota::default();
        quota.take_note(b"STORAGE", 10, 512);
        quota.take_note(b"storage", 2, 100);
        quota.take_note(b"MESSAGE", 7, 5);
        quota.take_note(b"X-OTHER", 1, 2);
        assert_eq!(quota.storage, Some(QuotaUse { used: 2048, limit: 102_400 }));
        assert_eq!(quota.messages.map(QuotaUse::left), Some(0));
    }
}
