//! The checkout a task works on: its root, its tracked files, and programs run inside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The git checkout around the current directory.
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// Finds the checkout.
    ///
    /// # Errors
    /// Git is missing, or the current directory is in no checkout.
    pub(crate) fn around_current_dir() -> Result<Self> {
        let top = git(Path::new("."), &["rev-parse", "--show-toplevel"])?;
        Ok(Self { root: PathBuf::from(top.trim_end()) })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The paths git tracks, relative to the root, with `/`, sorted; without those that were
    /// deleted from the work tree but not yet from the index.
    ///
    /// # Errors
    /// Git fails.
    pub(crate) fn tracked_files(&self) -> Result<Vec<String>> {
        let list = git(&self.root, &["ls-files", "-z"])?;
        let mut paths: Vec<String> = list
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        paths.sort_unstable();
        paths.dedup();
        Ok(paths)
    }

    /// The cargo that started this task, to be run in the root.
    ///
    /// What cargo told *this* package about itself is taken out of the environment: build
    /// scripts that watch those variables would otherwise run again, and their dependants
    /// would be compiled anew on each change between `cargo build` and `cargo xtask`.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        cargo
    }
}

/// Runs git and gives its output. A checkout that belongs to another user is read
/// nevertheless: continuous integration often mounts it so, and nothing is executed from it.
fn git(directory: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .context("git cannot be started; the tasks need it to know the tracked files")?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("git {} failed: {}", arguments.join(" "), words.trim_end());
    }
    String::from_utf8(output.stdout).context("git printed a path that is not UTF-8")
}
