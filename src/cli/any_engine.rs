//! Engines that a command is asked about, whether the host has them or not.

use clap::ValueEnum;

use crate::engine::{Engines, Profile};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AnyEngine {
    /// podman 4
    Podman4,
    /// podman 5
    Podman5,
    /// CRI-O
    Crio,
    /// podman 6
    Podman6,
    /// Those that read one file
    Legacy,
    /// Those that read drop-ins
    Modern,
    /// All of them
    All,
}

impl AnyEngine {
    pub(super) fn engines(self) -> Engines {
        match self {
            Self::Podman4 => Engines::PODMAN4,
            Self::Podman5 => Engines::one(Profile::Podman5),
            Self::Crio => Engines::one(Profile::Crio),
            Self::Legacy => Engines::LEGACY,
            Self::Podman6 | Self::Modern => Engines::PODMAN6,
            Self::All => Engines::ALL,
        }
    }
}
