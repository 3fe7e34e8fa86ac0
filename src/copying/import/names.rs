//! Names in the directory that say what to do with what has them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What a name ends with while a program still writes the file: browsers, file managers, rsync with
/// `--partial-dir` or not, and tools that synchronise directories.
const HALF_WRITTEN: [&str; 9] =
    [".!sync", ".crdownload", ".download", ".filepart", ".part", ".partial", ".swp", ".tmp", "~"];

/// What file systems and desktops put at the top of a disk.
const OF_DISKS: [&str; 4] = ["$RECYCLE.BIN", "LOST.DIR", "System Volume Information", "lost+found"];

/// What the reasons beside what was refused end with.
pub(super) const REASON: &str = ".reason.txt";

/// Whether it is left alone: it is still written, hidden, or nothing that anybody has brought.
pub(super) fn is_ignored(name: &OsStr) -> bool {
    is_half_written(name)
        || OF_DISKS.iter().any(|known| name == *known)
        // One that was moved back with what it is about.
        || name.as_bytes().ends_with(REASON.as_bytes())
}

/// Whether programs give such a name to what they have not written to its end.
pub(super) fn is_half_written(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    // rsync's `.app.tar.8fQz2c` and Syncthing's `.syncthing.app.tar.tmp` begin with a dot.
    name.starts_with('.') || HALF_WRITTEN.iter().any(|end| name.ends_with(end))
}

/// The name with a number, if it is not the first, short enough for one more ending.
pub(super) fn numbered(name: &OsStr, number: usize) -> String {
    let number = if number == 0 { String::new() } else { format!(".{number}") };
    let mut name = name.to_string_lossy().into_owned();
    // A file name has at most 255 bytes.
    let most = 255 - REASON.len() - number.len();
    while name.len() > most {
        name.pop();
    }
    name + &number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_write_under_is_told_from_what_they_have_written() {
        for name in [
            ".app.tar.8fQz2c",
            ".syncthing.app.tar.tmp",
            "~syncthing~app.tar.tmp",
            "app.tar~",
            "app.tar.part",
            "app.tar.partial",
            "app.tar.filepart",
            "Unconfirmed 1.crdownload",
            "app.tar.!sync",
            "app.TMP",
            ".",
        ] {
            assert!(is_half_written(OsStr::new(name)), "{name}");
        }
        for name in ["app.tar", "app.parts.tar", "registry.example.com", "~app.tar", "tmp"] {
            assert!(!is_ignored(OsStr::new(name)), "{name}");
        }
        for name in ["lost+found", "app.tar.reason.txt"] {
            assert!(is_ignored(OsStr::new(name)) && !is_half_written(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn a_number_makes_another_name_and_none_is_too_long() {
        assert_eq!(numbered(OsStr::new("app.tar"), 0), "app.tar");
        assert_eq!(numbered(OsStr::new("app.tar"), 2), "app.tar.2");
        for letter in ["a", "ä", "€"] {
            let long = letter.repeat(255 / letter.len());
            for number in [0, 7, 123] {
                let name = numbered(OsStr::new(&long), number) + REASON;
                assert!(name.len() <= 255 && name.len() > 245, "{}", name.len());
            }
        }
    }
}
