//! Disks that are full.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

/// A shell text that mounts a tmpfs of so many KiB where only the program sees it; `None` where this
/// machine does not permit it. `then` is what follows.
pub fn small_disk(folder: &Path, kibibytes: u32, then: &str) -> Option<String> {
    std::fs::create_dir_all(folder).unwrap();
    let mount = format!("mount -t tmpfs -o mode=700,size={kibibytes}k none '{}'", folder.display());
    for unshare in ["unshare -m", "unshare -rm"] {
        let tried =
            Command::new("sh").arg("-c").arg(format!("{unshare} sh -c \"{mount}\"")).output();
        if tried.is_ok_and(|tried| tried.status.success()) {
            return Some(format!(
                "exec {unshare} sh -c \"{mount} && {then} exec \\\"\\$@\\\"\" sh \"$@\""
            ));
        }
    }
    eprintln!("left out: no file system can be mounted here");
    None
}
