//! Where the quarantine of a run is, made only if something is to be kept there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{Quarantine, QuarantineError, QuarantineLimits};

/// The folder that a run keeps refused messages in. Nothing is made before the first of them.
#[derive(Debug)]
pub struct QuarantinePlace {
    folder: PathBuf,
    limits: QuarantineLimits,
    opened: OnceLock<Result<Quarantine, Arc<QuarantineError>>>,
}

impl QuarantinePlace {
    /// A folder, which need not exist. Folders above it are made with it.
    #[must_use]
    pub fn new(folder: PathBuf, limits: QuarantineLimits) -> Self {
        Self { folder, limits, opened: OnceLock::new() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens it at the first call.
    ///
    /// # Errors
    /// It cannot be opened; every later call says the same.
    pub fn open(&self) -> Result<&Quarantine, Arc<QuarantineError>> {
        let opened = self
            .opened
            .get_or_init(|| Quarantine::open(&self.folder, self.limits).map_err(Arc::new));
        opened.as_ref().map_err(Arc::clone)
    }
}
