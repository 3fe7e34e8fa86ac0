//! Sets of engines, for findings that are about some of them.

use std::fmt;

use super::profile::Profile;
use super::series;

/// A set of engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Engines(u8);

impl Engines {
    /// None.
    pub const NONE: Self = Self(0);
    /// podman 4.
    pub const PODMAN4: Self = Self(1);
    /// podman 5 and CRI-O.
    pub const PODMAN5: Self = Self(2 | 4);
    /// Those that read one file.
    pub const LEGACY: Self = Self(1 | 2 | 4);
    /// Those with a TOML parser (BurntSushi/toml) before version 1.6.
    pub const OLDER_TOML: Self = Self(1 | 2);
    /// podman 6.
    pub const PODMAN6: Self = Self(8);
    /// All.
    pub const ALL: Self = Self(15);

    /// The one engine.
    pub fn one(profile: Profile) -> Self {
        Self(match profile {
            Profile::Podman4 => 1,
            Profile::Podman5 => 2,
            Profile::Crio => 4,
            Profile::Podman6 => 8,
        })
    }

    /// Those for which `holds`.
    pub fn which(holds: impl Fn(Profile) -> bool) -> Self {
        Profile::ALL.into_iter().filter(|profile| holds(*profile)).collect()
    }

    /// Those whose storage library `knows`, by its minor version.
    pub fn by_version(knows: impl Fn(u16) -> bool) -> Self {
        Self::which(|profile| knows(profile.library()))
    }

    /// Those in both sets.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in either set.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `profile` is one of them.
    pub fn has(self, profile: Profile) -> bool {
        self.0 & Self::one(profile).0 != 0
    }

    /// Its members.
    pub fn list(self) -> impl Iterator<Item = Profile> {
        Profile::ALL.into_iter().filter(move |profile| self.has(*profile))
    }

    /// `verb` for these: "podman 6 stops", "podman 4 and podman 5 stop".
    pub fn verb(self, one: &str, several: &str) -> String {
        format!("{self} {}", if self.list().count() == 1 { one } else { several })
    }

    /// What is said of engines that do not start with a configuration.
    pub fn stop(self) -> String {
        format!("{} with an error, whatever the command", self.verb("stops", "stop"))
    }
}

impl FromIterator<Self> for Engines {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        sets.into_iter().fold(Self::NONE, Self::or)
    }
}

impl FromIterator<Profile> for Engines {
    fn from_iter<I: IntoIterator<Item = Profile>>(profiles: I) -> Self {
        profiles.into_iter().map(Self::one).collect()
    }
}

impl fmt::Display for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .list()
            .map(|profile| match profile {
                Profile::Podman4 => "podman 4",
                Profile::Podman5 => "podman 5",
                Profile::Crio => "CRI-O",
                Profile::Podman6 => "podman 6",
            })
            .collect();
        f.write_str(if names.is_empty() { "no engine".to_owned() } else { series(&names) }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named_as_in_a_sentence() {
        assert_eq!(Engines::ALL.to_string(), "podman 4, podman 5, CRI-O and podman 6");
        assert_eq!(Engines::PODMAN6.verb("stops", "stop"), "podman 6 stops");
        assert_eq!(Engines::NONE.to_string(), "no engine");
    }
}
