//! `cargo xtask bench`: builds the programs as they are released, and has the room `bench`
//! measure them.

use anyhow::{Context, Result};

use crate::repository::Repository;

/// Measures what is wanted; false if something failed.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn run(repository: &Repository, wanted: &[&str]) -> Result<bool> {
    // Without these a `--` is natural: it ends cargo's own arguments elsewhere.
    let wanted = wanted.strip_prefix(&["--"]).unwrap_or(wanted);
    // Alone, so that its dependencies have the features that a release has, and no others.
    let build = ["build", "--release", "--locked", "-p", "mailferry-cli"];
    let built = repository.cargo().args(build).status().context("cannot start cargo")?;
    if !built.success() {
        return Ok(false);
    }
    let mut measure = repository.cargo();
    measure.args(["run", "--quiet", "--release", "--locked", "-p", "mailferry-bench", "--"]);
    Ok(measure.args(wanted).status().context("cannot start cargo")?.success())
}
