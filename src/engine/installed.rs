//! Which engines a host has, and of which generation, by what is written in their
//! binaries.

use std::io;
use std::path::{Path, PathBuf};

use super::profile::Profile;
use crate::conf::schema::MODERN;
use crate::host::Root;

/// The engines that are looked for.
const ENGINES: [&str; 4] = ["podman", "buildah", "skopeo", "crio"];

/// Where they are looked for.
const DIRS: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// An engine that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Where it is, inside the tree.
    pub path: PathBuf,
    /// Its own version, `v5.8.3`, if it was built as a released module. What some
    /// distributions build does not say.
    pub version: Option<String>,
    /// The minor version of its storage library, if it says so.
    pub library: Option<u16>,
}

impl Program {
    /// What is written in a program. A Go program carries the names and versions of
    /// its modules (debug/buildinfo), also when it is stripped.
    fn read(name: &'static str, path: PathBuf, bytes: &[u8]) -> Self {
        Self { name, path, version: own_version(bytes), library: library(bytes) }
    }

    /// Whether it says which generation it is of.
    pub fn says(&self) -> bool {
        self.library.is_some() || self.version.is_some() || self.name == "crio"
    }

    /// How it reads a host. A program that does not say is taken for a legacy one.
    pub fn profile(&self) -> Profile {
        match self.library {
            Some(minor) if minor >= MODERN => Profile::Podman6,
            _ if self.name == "crio" => Profile::Crio,
            // podman 5.0 has the library 1.53.
            Some(minor) if minor < 53 => Profile::Podman4,
            Some(_) => Profile::Podman5,
            None => self.by_version().unwrap_or(Profile::Podman5),
        }
    }

    /// The generation of a program that does not tell its library.
    fn by_version(&self) -> Option<Profile> {
        let mut numbers = self.version.as_deref()?.trim_start_matches('v').split(['.', '-']);
        let version: (u32, u32) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        // The first release with the library of podman 5.0, and the first that reads drop-ins.
        let (five, six) = match self.name {
            "podman" => ((5, 0), (6, 0)),
            "buildah" => ((1, 35), (1, 44)),
            "skopeo" => ((1, 15), (1, 23)),
            _ => return None,
        };
        Some(match version {
            version if version >= six => Profile::Podman6,
            version if version >= five => Profile::Podman5,
            _ => Profile::Podman4,
        })
    }
}

/// The engines that are installed.
///
/// # Errors
/// If a program cannot be read.
pub fn installed(root: &Root) -> io::Result<Vec<Program>> {
    programs(root).collect()
}

/// Whether engines are installed, and all of them read drop-ins: their storage
/// library is 1.63 or later.
///
/// # Errors
/// If a program cannot be read.
pub fn only_modern(root: &Root) -> io::Result<bool> {
    let mut found = false;
    // The first legacy one is enough: programs are large.
    for program in programs(root) {
        found = true;
        if !program?.profile().is_modern() {
            return Ok(false);
        }
    }
    Ok(found)
}

fn programs(root: &Root) -> impl Iterator<Item = io::Result<Program>> {
    let places = DIRS.into_iter().flat_map(|dir| ENGINES.map(|name| (name, Path::new(dir).join(name))));
    places.filter_map(|(name, path)| match root.read(&path) {
        Ok(Some((bytes, _))) => Some(Ok(Program::read(name, path, &bytes))),
        Ok(None) => None,
        Err(error) => Some(Err(error)),
    })
}

/// The minor version of the storage library that a program was built with.
fn library(program: &[u8]) -> Option<u16> {
    const NEEDLES: [&[u8]; 2] =
        [b"dep\tgo.podman.io/storage\tv1.", b"dep\tgithub.com/containers/storage\tv1."];
    NEEDLES.iter().find_map(|needle| {
        let at = memchr::memmem::find(program, needle)? + needle.len();
        let digits: Vec<u8> = program[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
        String::from_utf8(digits).ok()?.parse().ok()
    })
}

/// The version of the module that a program is made from: `mod`, its name and its
/// version, separated by tabs.
fn own_version(program: &[u8]) -> Option<String> {
    // The line before it names the package.
    const NEEDLE: &[u8] = b"\nmod\t";
    let line: Vec<u8> = memchr::memmem::find_iter(program, NEEDLE)
        .map(|at| &program[at + NEEDLE.len()..])
        .map(|rest| rest.iter().copied().take_while(|&byte| byte != b'\n').take(300).collect::<Vec<u8>>())
        .find(|line| line.contains(&b'\t'))?;
    let line = String::from_utf8(line).ok()?;
    line.split('\t').nth(1).filter(|version| version.starts_with('v')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &'static str, bytes: &[u8]) -> Program {
        Program::read(name, PathBuf::new(), bytes)
    }

    #[test]
    fn a_program_tells_the_version_of_its_storage_library() {
        assert_eq!(library(b"x\ndep\tgo.podman.io/storage\tv1.65.0\th1:abc"), Some(65));
        assert_eq!(library(b"dep\tgithub.com/containers/storage\tv1.43.0\t"), Some(43));
        assert_eq!(library(b"nothing of the kind"), None);
    }

    #[test]
    fn a_program_tells_its_own_version_if_it_is_a_release() {
        let text =
            b"go1.26\npath\tx/cmd/crio\nmod\tx/crio\tv1.36.3\th1:a=\ndep\tgo.podman.io/storage\tv1.61.1\t";
        assert_eq!(program("crio", text).version.as_deref(), Some("v1.36.3"));
        assert_eq!(program("podman", b"path\tx\nmod\tx/podman\t(devel)\t\n").version, None);
    }

    #[test]
    fn the_library_decides_how_a_program_reads() {
        let of = |name, minor: &str| {
            program(name, format!("dep\tgo.podman.io/storage\tv1.{minor}.0").as_bytes()).profile()
        };
        assert_eq!(of("podman", "43"), Profile::Podman4);
        assert_eq!(of("skopeo", "62"), Profile::Podman5);
        assert_eq!(of("crio", "61"), Profile::Crio);
        assert_eq!(of("buildah", "63"), Profile::Podman6);
        assert_eq!(program("crio", b"").profile(), Profile::Crio);
        assert_eq!(program("podman", b"").profile(), Profile::Podman5);
    }

    #[test]
    fn a_program_that_does_not_tell_its_library_is_known_by_its_version() {
        let of = |name, version: &str| {
            Program { version: Some(version.to_owned()), ..program(name, b"") }.profile()
        };
        assert_eq!(of("podman", "4.3.1"), Profile::Podman4);
        assert_eq!(of("podman", "v6.0.0-rc1"), Profile::Podman6);
        assert_eq!(of("skopeo", "1.9.3"), Profile::Podman4);
        assert_eq!(of("buildah", "1.40.1"), Profile::Podman5);
        assert_eq!(of("podman", "unknown"), Profile::Podman5);
    }
}
