//! The engines whose reading is modelled.

use std::fmt;

use crate::conf::TomlLibrary;

/// An engine, by the way in which it reads a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// podman 4, buildah and skopeo of its time: storage library to about 1.43.
    Podman4,
    /// podman 5: storage library to 1.62.
    Podman5,
    /// CRI-O: as podman 5, and its own crio.conf.
    Crio,
    /// podman 6: storage library from 1.63, with drop-ins.
    Podman6,
}

impl Profile {
    /// All of them, the oldest first.
    pub const ALL: [Self; 4] = [Self::Podman4, Self::Podman5, Self::Crio, Self::Podman6];

    /// Whether it reads drop-ins.
    pub fn is_modern(self) -> bool {
        self == Self::Podman6
    }

    /// The minor version of the storage library that stands for it: that of podman 4.3, 5.8 and
    /// 6.0. CRI-O's is slightly older than podman 5.8's.
    pub fn library(self) -> u16 {
        match self {
            Self::Podman4 => 43,
            Self::Podman5 | Self::Crio => 62,
            Self::Podman6 => 65,
        }
    }

    /// The version of the TOML library that it is built with.
    pub fn toml(self) -> TomlLibrary {
        match self {
            Self::Podman4 => TomlLibrary::V1_2,
            Self::Podman5 => TomlLibrary::V1_5,
            Self::Crio | Self::Podman6 => TomlLibrary::V1_6,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Podman4 => "podman4",
            Self::Podman5 => "podman5",
            Self::Crio => "crio",
            Self::Podman6 => "podman6",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
