//! Which generations of engines a host has, by what is written in their binaries.

use std::io;
use std::path::Path;

use crate::host::Root;

/// The engines that are looked for.
const ENGINES: [&str; 4] = ["podman", "buildah", "skopeo", "crio"];

/// Whether engines are installed, and all of them read drop-ins.
///
/// A Go program carries the versions of its modules; the storage library is
/// modern from 1.63. A program that does not say is taken for a legacy one.
///
/// # Errors
/// If a program cannot be read.
pub(super) fn only_modern(root: &Root) -> io::Result<bool> {
    let mut found = false;
    for dir in ["/usr/bin", "/usr/local/bin"] {
        for engine in ENGINES {
            let Some((program, _)) = root.read(&Path::new(dir).join(engine))? else {
                continue;
            };
            found = true;
            if storage_minor(&program).is_none_or(|minor| minor < 63) {
                return Ok(false);
            }
        }
    }
    Ok(found)
}

/// The minor version of the storage library that a program was built with.
fn storage_minor(program: &[u8]) -> Option<u32> {
    const NEEDLES: [&[u8]; 2] =
        [b"dep\tgo.podman.io/storage\tv1.", b"dep\tgithub.com/containers/storage\tv1."];
    NEEDLES.iter().find_map(|needle| {
        let at = memchr::memmem::find(program, needle)? + needle.len();
        let digits: Vec<u8> = program[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
        String::from_utf8(digits).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_tells_the_version_of_its_storage_library() {
        assert_eq!(storage_minor(b"x\ndep\tgo.podman.io/storage\tv1.65.0\th1:abc"), Some(65));
        assert_eq!(storage_minor(b"dep\tgithub.com/containers/storage\tv1.43.0\t"), Some(43));
        assert_eq!(storage_minor(b"nothing of the kind"), None);
    }
}
