//! Which engines a host has, and of which generation, by what is written in their
//! binaries.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use super::Engines;
use super::Profile;
use super::build_info::{self, BuildInfo};
use crate::conf::schema::MODERN;
use crate::limits;
use crate::sys::{FilePart, Root};

/// The engines that are looked for.
const ENGINES: [&str; 4] = ["podman", "buildah", "skopeo", "crio"];

/// Where they are looked for.
const DIRS: [&str; 2] = ["/usr/bin", "/usr/local/bin"];

/// An engine that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledProgram {
    /// Its name.
    pub name: &'static str,
    /// Where it is, inside the tree.
    pub path: PathBuf,
    /// Its own version, `v5.8.3`, if it was built as a released module. What some
    /// distributions build does not say.
    pub version: Option<String>,
    /// The minor version of its storage library, if it says so.
    pub library: Option<u16>,
    /// Whether it is an engine that was built without modules, and not a script or
    /// another program, which may start any.
    is_silent: bool,
    /// Whether all of it was read and it knows no drop-ins.
    is_legacy: bool,
}

impl InstalledProgram {
    /// What the lines about its modules say.
    fn of(name: &'static str, path: PathBuf, lines: &[u8], is_go: bool) -> Self {
        let is_silent = is_go && !split(lines).any(|line| line.starts_with(b"dep\t"));
        Self { name, path, version: own_version(lines), library: library(lines), is_silent, is_legacy: false }
    }

    /// Whether it says which generation it is of.
    pub fn is_identified(&self) -> bool {
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

    /// What it may be. An engine that was built without modules says nothing, and what is
    /// not an engine starts what it likes. Its version does not say it either: the library of
    /// podman 6 came to podman 5.8 in a distribution.
    pub fn candidates(&self) -> Engines {
        match self.library {
            Some(_) => Engines::one(self.profile()),
            None if self.is_legacy => Engines::OLDER_TOML,
            None if self.is_silent && self.name == "crio" => Engines::one(Profile::Crio),
            None => unknown(self.name),
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
pub fn installed(root: &Root) -> io::Result<Vec<InstalledProgram>> {
    let mut found: Vec<InstalledProgram> = programs(root).collect::<io::Result<_>>()?;
    for program in found.iter_mut().filter(|program| program.is_silent && program.library.is_none()) {
        let is_modern = root.open_part(&program.path)?.as_ref().map_or(Ok(false), has_drop_ins)?;
        program.library = is_modern.then_some(MODERN);
        program.is_legacy = !is_modern && program.name != "crio";
    }
    Ok(found)
}

/// Whether a program has the package by which the modern generation reads drop-ins.
fn has_drop_ins(program: &FilePart) -> io::Result<bool> {
    let package = Finder::new(b"storage/pkg/configfile");
    let mut found = false;
    let functions = build_info::functions(program)?;
    windows(functions.as_ref().unwrap_or(program), |window| {
        found = package.find(window).is_some();
        found
    })?;
    Ok(found)
}

/// The engines that are installed or may be: of a program that does not say what it
/// is, all that it may be. None if there is no program.
///
/// # Errors
/// If it cannot be found out which programs there are.
pub fn present(root: &Root) -> io::Result<Engines> {
    let mut present = Engines::NONE;
    for (name, path) in places() {
        present = present.or(match program(root, name, &path) {
            Ok(program) => program.map_or(Engines::NONE, |program| program.candidates()),
            Err(error) => match root.stat(&path) {
                Ok(Some(_)) => unknown(name),
                _ => return Err(error),
            },
        });
    }
    Ok(present)
}

/// What a program of this name may be, of which nothing is known.
fn unknown(name: &str) -> Engines {
    let legacy = if name == "crio" { Engines::one(Profile::Crio) } else { Engines::OLDER_TOML };
    legacy.or(Engines::PODMAN6)
}

fn programs(root: &Root) -> impl Iterator<Item = io::Result<InstalledProgram>> {
    places().filter_map(|(name, path)| program(root, name, &path).transpose())
}

fn places() -> impl Iterator<Item = (&'static str, PathBuf)> {
    DIRS.into_iter().flat_map(|dir| ENGINES.map(|name| (name, Path::new(dir).join(name))))
}

/// The program at `path`; `None` if there is nothing.
fn program(root: &Root, name: &'static str, path: &Path) -> io::Result<Option<InstalledProgram>> {
    let Some(file) = root.open_part(path)? else {
        return Ok(None);
    };
    let (lines, is_go) = match build_info::read(&file)? {
        BuildInfo::Lines(lines) => (lines, true),
        other => (search(&file)?, other == BuildInfo::OtherForm),
    };
    Ok(Some(InstalledProgram::of(name, path.to_owned(), &lines, is_go)))
}

/// What begins the lines that name the storage library and its version.
const LIBRARY: [&[u8]; 2] = [b"dep\tgo.podman.io/storage\tv1.", b"dep\tgithub.com/containers/storage\tv1."];

/// How much of a program is searched at a time, in bytes: what a processor keeps near.
const WINDOW: usize = 256 << 10;

/// The longest line that is looked for, in bytes.
const LINE: usize = 300;

/// Hands out all of a program, each time [`WINDOW`] bytes and the [`LINE`] behind them, until
/// `ends` says that it was enough. Engines have tens of megabytes, and are looked at in every run.
///
/// # Errors
/// If it cannot be read or is larger than [`limits::PROGRAM`].
fn windows(file: &FilePart, mut ends: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    if file.size() > limits::PROGRAM {
        return Err(limits::too_large(limits::PROGRAM));
    }
    let mut file = file.clone();
    let mut window = vec![0; WINDOW + LINE];
    let mut filled = 0;
    loop {
        // All at once: `read_to_end` begins each time with few bytes.
        while filled < window.len() {
            match file.read(&mut window[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if ends(&window[..filled]) || filled <= WINDOW {
            return Ok(());
        }
        window.copy_within(WINDOW..filled, 0);
        filled -= WINDOW;
    }
}

/// The lines that count, wherever they stand in a program: of its module, which has a version, and of
/// its storage library.
fn search(file: &FilePart) -> io::Result<Vec<u8>> {
    let own = Finder::new(b"\nmod\t");
    let library = LIBRARY.map(Finder::new);
    let mut found: [Option<Vec<u8>>; 1 + LIBRARY.len()] = Default::default();
    windows(file, |window| {
        // What begins behind the window begins the next one.
        let line = |at: usize| split(&window[at..window.len().min(at + LINE)]).next().unwrap_or_default();
        let begins = |at: &usize| *at < WINDOW;
        let mut all = own.find_iter(window).take_while(begins).map(|at| line(at + 1));
        let mut own = || all.find(|line| line.iter().filter(|&&byte| byte == b'\t').count() > 1);
        let of_library = |finder: &Finder<'_>| finder.find(window).filter(begins).map(line);
        found[0] = found[0].take().or_else(|| own().map(<[u8]>::to_vec));
        for (found, finder) in found[1..].iter_mut().zip(&library) {
            *found = found.take().or_else(|| of_library(finder).map(<[u8]>::to_vec));
        }
        false
    })?;
    Ok(found.into_iter().flatten().collect::<Vec<_>>().join(&b'\n'))
}

fn split(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split(|&byte| byte == b'\n')
}

/// The minor version of the storage library that a program was built with.
fn library(lines: &[u8]) -> Option<u16> {
    let version = LIBRARY.iter().find_map(|start| split(lines).find_map(|line| line.strip_prefix(*start)))?;
    let digits = version.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&version[..digits]).ok()?.parse().ok()
}

/// The version of the module that a program is made from: `mod`, its name and its
/// version, separated by tabs.
fn own_version(lines: &[u8]) -> Option<String> {
    let line = split(lines).find_map(|line| line.strip_prefix(b"mod\t"))?;
    let version = std::str::from_utf8(line).ok()?.split('\t').nth(1)?;
    version.starts_with('v').then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &'static str, bytes: &[u8]) -> InstalledProgram {
        InstalledProgram::of(name, PathBuf::new(), bytes, true)
    }

    /// A system with these programs.
    fn host(programs: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in programs {
            let path = dir.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        }
        dir
    }

    fn present_of(programs: &[(&str, &[u8])]) -> Engines {
        present(&Root::tree(host(programs).path()).unwrap()).unwrap()
    }

    fn built(text: &str) -> Vec<u8> {
        build_info::tests::program(text.as_bytes())
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
            InstalledProgram { version: Some(version.to_owned()), ..program(name, b"") }.profile()
        };
        assert_eq!(of("podman", "4.3.1"), Profile::Podman4);
        assert_eq!(of("podman", "v6.0.0-rc1"), Profile::Podman6);
        assert_eq!(of("skopeo", "1.9.3"), Profile::Podman4);
        assert_eq!(of("buildah", "1.40.1"), Profile::Podman5);
        assert_eq!(of("podman", "unknown"), Profile::Podman5);
    }
    #[test]
    fn a_host_without_programs_has_no_engine() {
        assert_eq!(present_of(&[]), Engines::NONE);
        assert_eq!(present_of(&[("usr/bin/docker", b"")]), Engines::NONE);
    }

    #[test]
    fn what_programs_say_is_what_is_present() {
        let (new, old) = (
            built("dep\tgo.podman.io/storage\tv1.65.0\t"),
            built("dep\tgithub.com/containers/storage\tv1.43.0\t"),
        );
        assert_eq!(present_of(&[("usr/bin/podman", &new)]), Engines::PODMAN6);
        let both = Engines::PODMAN6.or(Engines::one(Profile::Podman4));
        assert_eq!(present_of(&[("usr/local/bin/podman", &new), ("usr/bin/skopeo", &old)]), both);
        let crio = built("mod\tx\tv1.30.0\t\ndep\tgithub.com/containers/storage\tv1.55.0\t");
        assert_eq!(present_of(&[("usr/bin/crio", &crio)]), Engines::one(Profile::Crio));
    }

    #[test]
    fn a_program_that_says_nothing_may_be_any_until_all_of_it_is_read() {
        let any = Engines::OLDER_TOML.or(Engines::PODMAN6);
        assert_eq!(present_of(&[("usr/bin/podman", &built(""))]), any);
        let new = [built(""), b"storage/pkg/configfile.ParseTOML".to_vec()].concat();
        let tree = host(&[("usr/bin/podman", &new)]);
        let programs = installed(&Root::tree(tree.path()).unwrap()).unwrap();
        assert_eq!(programs[0].profile(), Profile::Podman6);
        assert_eq!(present_of(&[("usr/bin/crio", &built(""))]), Engines::one(Profile::Crio));
    }

    #[test]
    fn what_is_not_an_engine_may_start_any() {
        let any = Engines::OLDER_TOML.or(Engines::PODMAN6);
        let launcher = built("path\tx/snap\nmod\tx/snapd\tv2.70.0\t\ndep\tgo.example/x\tv1.0.0\t\n");
        let other = b"\x7fELF\x02\x01\x01 and nothing of Go".to_vec();
        for program in [&b"#!/bin/sh\nexec podman-remote \"$@\"\n"[..], &launcher, &other, b""] {
            assert_eq!(present_of(&[("usr/bin/podman", program)]), any);
        }
        assert_eq!(present_of(&[("usr/bin/podman/directory", b"")]), any);
        let crio = Engines::one(Profile::Crio).or(Engines::PODMAN6);
        assert_eq!(present_of(&[("usr/bin/crio", b"#!/bin/sh\n")]), crio);
    }

    #[test]
    fn an_older_program_says_it_somewhere_else() {
        let mut older = build_info::tests::older();
        let any = Engines::OLDER_TOML.or(Engines::PODMAN6);
        assert_eq!(present_of(&[("usr/bin/podman", &older)]), any);
        older.extend(b"x\nmod\t\nmod\tx\tv4.0.0\t\ndep\tgithub.com/containers/storage\tv1.37.0\t\n");
        assert_eq!(present_of(&[("usr/bin/podman", &older)]), Engines::one(Profile::Podman4));
        let dir = host(&[("usr/bin/podman", &older)]);
        let found = installed(&Root::tree(dir.path()).unwrap()).unwrap();
        assert_eq!((found[0].version.as_deref(), found[0].library), (Some("v4.0.0"), Some(37)));
    }

    #[test]
    fn a_line_counts_wherever_it_stands_in_a_program_of_any_size() {
        let lines = b"\nmod\tx\tv4.0.0\t\ndep\tgithub.com/containers/storage\tv1.37.0\t\n";
        let ends = (WINDOW - 2 * lines.len())..(WINDOW + 2);
        for before in ends.chain([2 * WINDOW - 1, 3 * WINDOW, 3 * WINDOW + LINE]) {
            for behind in [0, LINE - 1, LINE, WINDOW] {
                let mut older = build_info::tests::older();
                older.resize(before.max(older.len()), 0);
                older.extend(lines);
                older.resize(older.len() + behind, 0);
                let dir = host(&[("usr/bin/podman", &older)]);
                let found = installed(&Root::tree(dir.path()).unwrap()).unwrap();
                let version = (found[0].version.as_deref(), found[0].library);
                assert_eq!(version, (Some("v4.0.0"), Some(37)), "{before} {behind}");
            }
        }
    }

    #[test]
    fn real_programs_tell_their_library() {
        // Those that tests/engines has built, if it has.
        let built = std::env::home_dir().unwrap_or_default().join(".cache/storagectl/engines");
        for (name, profile) in [("podman-5", Profile::Podman5), ("podman-6", Profile::Podman6)] {
            let found = super::program(&Root::system().unwrap(), "podman", &built.join(name)).unwrap();
            assert!(found.is_none_or(|found| found.profile() == profile), "{name}");
            // Its functions tell it as well, as those of one that was built without modules.
            let Some(file) = Root::system().unwrap().open_part(&built.join(name)).unwrap() else { continue };
            assert!(build_info::functions(&file).unwrap().is_some(), "{name}");
            assert_eq!(has_drop_ins(&file).unwrap(), profile == Profile::Podman6, "{name}");
        }
    }
}
