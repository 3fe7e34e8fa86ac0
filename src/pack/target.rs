//! What to build for: an architecture and the tag of a distribution.
//!
//! A target has the name of a configuration of mock, such as `centos-stream-9-aarch64`:
//! distribution, release, architecture. mock itself is not needed.

use super::recipe::architectures;
use crate::problem::Problem;

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackTarget {
    /// RPM's name of the architecture.
    pub arch: String,
    /// What `%{dist}` is, such as `.el9`; `None` for what rpmbuild here has.
    pub dist: Option<String>,
    /// Its name, if it is more than an architecture.
    pub name: Option<String>,
}

/// Distributions whose packages have `.el` and a number, by what mock's names start with.
const ENTERPRISE: [&str; 10] = [
    "centos-stream",
    "centos",
    "rhel",
    "epel",
    "almalinux",
    "alma",
    "rocky",
    "oraclelinux",
    "eurolinux",
    "navy",
];

impl PackTarget {
    /// This machine.
    pub fn host() -> Self {
        let arch = match std::env::consts::ARCH {
            "x86" => "i686",
            "arm" => "armv7hl",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            other => other,
        };
        Self { arch: arch.to_owned(), dist: None, name: None }
    }

    /// Reads the name of an architecture, or of a target that ends with one.
    ///
    /// # Errors
    /// `pack-target`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // `x86_64` and all others hold no `-`.
        let (rest, arch) = text.rsplit_once('-').map_or(("", text), |(rest, arch)| (rest, arch));
        if !architectures().any(|known| known == arch) {
            let known: Vec<&str> = architectures().collect();
            return Err(Problem::new(
                "pack-target",
                format!("the target `{}` does not end with an architecture", text.escape_debug()),
                format!(
                    "give one of `{}`, or a name that ends with it, such as `centos-stream-9-aarch64`",
                    known.join("`, `")
                ),
            ));
        }
        let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '+' | '.' | '_');
        if !rest.chars().all(plain) || text.starts_with('-') {
            let message = format!("`{}` is not a target", text.escape_debug());
            return Err(Problem::new(
                "pack-target",
                message,
                "give it as mock has it, such as `fedora-41-x86_64`",
            ));
        }
        Ok(Self {
            arch: arch.to_owned(),
            dist: (!rest.is_empty()).then(|| dist(rest)),
            name: (!rest.is_empty()).then(|| text.to_owned()),
        })
    }
}

/// The tag of a distribution; nothing if it has none that is known here.
fn dist(name: &str) -> String {
    // `centos-stream+epel-9` builds for `centos-stream-9`.
    let (family, release) = name.rsplit_once('-').unwrap_or((name, ""));
    let family = family.split('+').next().unwrap_or(family);
    let major: String = release.chars().take_while(char::is_ascii_digit).collect();
    match (family, release) {
        ("fedora", "rawhide" | "eln") => format!(".{release}"),
        _ if major.is_empty() => String::new(),
        ("fedora", _) => format!(".fc{major}"),
        ("amazonlinux", _) => format!(".amzn{major}"),
        ("mageia", _) => format!(".mga{major}"),
        _ if ENTERPRISE.contains(&family) => format!(".el{major}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_an_architecture_and_the_tag_of_its_distribution() {
        for (name, arch, dist) in [
            ("aarch64", "aarch64", None),
            ("x86_64", "x86_64", None),
            ("centos-stream-9-aarch64", "aarch64", Some(".el9")),
            ("centos-stream+epel-10-x86_64", "x86_64", Some(".el10")),
            ("epel-9-ppc64le", "ppc64le", Some(".el9")),
            ("rhel-9-s390x", "s390x", Some(".el9")),
            ("rocky-9.4-x86_64", "x86_64", Some(".el9")),
            ("fedora-41-x86_64", "x86_64", Some(".fc41")),
            ("fedora-rawhide-aarch64", "aarch64", Some(".rawhide")),
            ("opensuse-leap-15.6-x86_64", "x86_64", Some("")),
        ] {
            let target = PackTarget::parse(name).unwrap();
            assert_eq!((target.arch.as_str(), target.dist.as_deref()), (arch, dist), "{name}");
        }
        for bad in ["", "fedora-41", "fedora-41-amd64", "-x86_64", "a b-x86_64", "../x-x86_64"] {
            assert_eq!(PackTarget::parse(bad).unwrap_err().id, "pack-target", "{bad}");
        }
    }
}
