//! Whether a configuration file is itself a mount, as when a container gets the file and not its directory. An editor
//! or a deployment that replaces the file then goes unseen: the mount keeps showing the old one.

use std::path::{Path, PathBuf};

use super::secrets::read_bounded;

/// Largest table of mounts that is read, in bytes.
const MOUNTS_BYTES_MAX: usize = 4 << 20;

/// Whether the file is a mount of its own. Where nothing tells, it is none.
pub(super) fn is_mount(file: &Path) -> bool {
    let (Ok(file), Ok(mounts)) =
        (std::path::absolute(file), read_bounded(Path::new("/proc/self/mountinfo"), MOUNTS_BYTES_MAX))
    else {
        return false;
    };
    names(&String::from_utf8_lossy(&mounts), &file)
}

/// What is said about it at start.
pub(super) fn note(file: &Path) -> String {
    let shown = file.display();
    format!("{shown} is mounted by itself: edits that replace the file will not be seen; mount its directory instead")
}

/// Whether the fifth field of a line, the mount point, is the file.
fn names(mounts: &str, file: &Path) -> bool {
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| unescaped(point) == file)
}

/// The kernel writes spaces and the like as `\\040`.
fn unescaped(point: &str) -> PathBuf {
    let mut parts = point.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (code, part.get(3..)) {
            (Some(code), Some(rest)) => {
                out.push(char::from(code));
                out.push_str(rest);
            }
            _ => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw
90 22 254:1 /home/me/gateway.toml /etc/argus/gateway.toml ro,relatime - ext4 /dev/vda1 rw
91 22 254:1 /home/me/conf /etc/argus/my\\040conf ro,relatime - ext4 /dev/vda1 rw
broken
";

    #[test]
    fn only_the_file_itself_counts() {
        for (file, mounted) in [
            ("/etc/argus/gateway.toml", true),
            ("/etc/argus/my conf", true),
            ("/etc/argus/my conf/gateway.toml", false),
            ("/etc/argus", false),
            ("/home/me/gateway.toml", false),
        ] {
            assert_eq!(names(MOUNTS, Path::new(file)), mounted, "{file}");
        }
        assert!(!is_mount(Path::new("gateway.toml")));
        assert!(is_mount(Path::new("/proc")), "the one mount every process sees");
    }
}
