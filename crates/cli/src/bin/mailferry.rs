//! mailferry
fn main() {}
