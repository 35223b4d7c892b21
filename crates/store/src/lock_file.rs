//! Files that stand for a lock, and are taken away when nobody needs them.

use std::fs::File;
use std::path::Path;

/// Whether an open file is still the one of that path: another run may have taken it away between
/// opening and locking. Where that cannot be told it is believed.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        match (file.metadata(), std::fs::metadata(path)) {
            (Ok(held), Ok(there)) => place(held) == place(there),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}
