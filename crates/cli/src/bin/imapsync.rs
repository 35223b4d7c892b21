//! imapsync
fn main() {}
