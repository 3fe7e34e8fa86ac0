//! Which processor a system is for.

use std::path::Path;

use crate::limits;
use crate::sys::{PROCESSOR, Root};

/// systemd's name (systemd.unit(5), `ConditionArchitecture=`), the other names in
/// use (uname(1), rpm, Go), and `e_machine` of its programs (elf(5)).
const ARCHITECTURES: [(&str, &[&str], u16); 10] = [
    ("x86-64", &["x86_64", "amd64"], 62),
    ("arm64", &["aarch64"], 183),
    ("ppc64-le", &["ppc64le"], 21),
    ("s390x", &[], 22),
    ("riscv64", &[], 243),
    ("x86", &["i386", "i486", "i586", "i686", "386"], 3),
    ("arm", &["armv7l", "armv7hl", "armhfp"], 40),
    ("loongarch64", &["loong64"], 258),
    ("mips64-le", &["mips64le", "mips64el"], 8),
    ("sparc64", &[], 43),
];

/// systemd's name of an architecture, by any of its names.
pub(super) fn named(name: &str) -> Option<&'static str> {
    let found = ARCHITECTURES
        .iter()
        .find(|(systemd, others, _)| systemd.eq_ignore_ascii_case(name) || others.contains(&name));
    found.map(|(systemd, ..)| *systemd)
}

/// What a system is for. Of the running one, its programs were built for it; of a
/// tree, that is found in one of them, since trees are built on other machines.
pub(super) fn of(root: &Root) -> Option<&'static str> {
    if root.is_tree() {
        for program in ["/usr/bin/sh", "/bin/sh", "/usr/lib/systemd/systemd", "/usr/bin/env"] {
            if let Ok(Some((bytes, _))) = root.read_up_to(Path::new(program), limits::PROGRAM)
                && let Some(machine) = machine(&bytes)
            {
                return ARCHITECTURES.iter().find(|(.., code)| *code == machine).map(|(name, ..)| *name);
            }
        }
    }
    named(PROCESSOR)
}

fn machine(program: &[u8]) -> Option<u16> {
    let little = match (program.get(..4)?, program.get(5)?) {
        (b"\x7fELF", 1) => true,
        (b"\x7fELF", 2) => false,
        _ => return None,
    };
    let bytes: [u8; 2] = program.get(18..20)?.try_into().ok()?;
    Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_says_what_it_was_built_for() {
        let own = Root::system().unwrap();
        let own = own.read_up_to(&std::env::current_exe().unwrap(), limits::PROGRAM).unwrap().unwrap().0;
        let code = machine(&own[..64]).unwrap();
        let (name, ..) = ARCHITECTURES.iter().find(|(.., other)| *other == code).unwrap();
        assert_eq!(named(PROCESSOR), Some(*name));
    }

    #[test]
    fn every_name_means_one_architecture() {
        assert_eq!(named("AMD64"), None);
        assert_eq!(named("amd64"), Some("x86-64"));
        assert_eq!(named("ppc64le"), Some("ppc64-le"));
        assert_eq!(named(""), None);
    }
}
