//! `cargo xtask cross`: does the code compile for the other systems it is meant for?
//!
//! A target that is not installed is said to have been left out and does not fail the task. The
//! cryptography behind TLS contains C: without a C compiler for the target only the rooms that
//! need none are checked, and that is said too.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::repository::Repository;

struct Target {
    triple: &'static str,
    /// Programs that compile C for it, the likeliest first.
    c_compilers: &'static [&'static str],
}

const TARGETS: [Target; 2] = [
    Target { triple: "x86_64-pc-windows-gnu", c_compilers: &["x86_64-w64-mingw32-gcc"] },
    Target {
        triple: "aarch64-apple-darwin",
        c_compilers: &["oa64-clang", "aarch64-apple-darwin-clang"],
    },
];

/// What needs no C compiler.
const PURE: [&str; 1] = ["mailferry-engine"];

/// Checks each installed target; false if one does not compile.
///
/// # Errors
/// Cargo or rustc cannot be started.
pub(crate) fn run(repository: &Repository) -> Result<bool> {
    let mut passed = true;
    for target in &TARGETS {
        let triple = target.triple;
        if !is_installed(triple)? {
            println!("{triple}: not run, the target is missing (rustup target add {triple})");
            continue;
        }
        let mut cargo = repository.cargo();
        cargo.args(["check", "--locked", "--target", triple]);
        let extent = if has_c_compiler(target) {
            cargo.arg("--workspace");
            "whole workspace"
        } else {
            cargo.args(PURE.iter().flat_map(|package| ["-p", package]));
            "only the rooms without C, as no C compiler for it was found"
        };
        let compiles = cargo.status().context("cannot start cargo")?.success();
        println!("{triple}: {} ({extent})", if compiles { "compiles" } else { "FAILED" });
        passed &= compiles;
    }
    Ok(passed)
}

fn is_installed(triple: &str) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", triple])
        .output()
        .context("cannot start rustc")?;
    let directory = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(directory.trim_end()).is_dir())
}

fn has_c_compiler(target: &Target) -> bool {
    let native = target.triple.ends_with("darwin") && cfg!(target_os = "macos");
    let named = std::env::var_os(format!("CC_{}", target.triple.replace('-', "_"))).is_some();
    native || named || target.c_compilers.iter().any(|program| answers(program))
}

fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
