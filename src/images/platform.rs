//! Which image of several an engine would take.

use super::manifest::PlatformEntry;
use crate::sys::PROCESSOR;

/// A processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Its name in Go: `amd64`, `arm64`.
    pub arch: String,
    /// Its variant, such as `v7`, if one is asked for.
    pub variant: Option<String>,
    /// Whether a person asked for it, so that nothing else will do.
    pub asked: bool,
}

impl Platform {
    /// This machine's.
    pub fn host() -> Self {
        Self { arch: go_name(PROCESSOR).to_owned(), variant: None, asked: false }
    }

    /// One that was asked for, by the name of Go or of the kernel (`x86_64`, `aarch64`).
    pub fn asked(arch: &str, variant: Option<&str>) -> Self {
        Self { arch: go_name(arch).to_owned(), variant: variant.map(str::to_owned), asked: true }
    }

    /// How well an image serves it, the lower the better; `None` if not at all.
    ///
    /// Variants as engines rank them (internal/pkg/platform of the image library): on
    /// arm64 that is v8, on arm v7, then older ones.
    pub(super) fn rank(&self, entry: &PlatformEntry) -> Option<usize> {
        if entry.os != "linux" || go_name(&entry.architecture) != self.arch {
            return None;
        }
        let variant = entry.variant.as_deref().unwrap_or_default();
        if let Some(wanted) = &self.variant {
            return (variant == wanted).then_some(0);
        }
        let order: &[&str] = match self.arch.as_str() {
            "arm64" => &["v8", ""],
            "arm" => &["v7", "", "v6", "v5"],
            _ => &["", "v1"],
        };
        order.iter().position(|known| *known == variant)
    }

    /// [`Platform::rank`] of an image for a platform such as `linux/arm64/v8`.
    pub(crate) fn rank_of(&self, platform: &str) -> Option<usize> {
        let mut parts = platform.split('/').map(str::to_owned);
        let (os, architecture) = (parts.next()?, parts.next()?);
        self.rank(&PlatformEntry { os, architecture, variant: parts.next() })
    }

    /// Its name for messages.
    pub fn name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("linux/{}/{variant}", self.arch),
            None => format!("linux/{}", self.arch),
        }
    }
}

/// Go's name of a processor.
pub(super) fn go_name(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" | "i686" => "386",
        "loongarch64" => "loong64",
        other => other,
    }
}
