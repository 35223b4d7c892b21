//! Placeholder replaced by the first commit of this room.

pub mod imapsync;
