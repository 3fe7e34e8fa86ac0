//! The layouts of embedded images that are in use, each with scripts of its own.
//!
//! All are `dir:` directories beside a text file with lines `REFERENCE,DIRECTORY`. They differ in
//! the name of that file, in how a directory is named after a reference, and in where they are. What
//! a layout is, its list tells: by its name, and where two have one name by what it says.

use std::path::Path;

use super::list::ListEntry;
use crate::hex::sha256;

/// The comment by which the podman system role marks its files.
const ROLE_MARK: &str = "# system_role:podman";

/// A layout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EmbeddedLayout {
    /// That of MicroShift's image builds, as its documentation of physically bound images has it.
    #[default]
    MicroShift,
    /// That of the recipes for Fedora and RHEL: `embed_image.sh` and `copy_embedded_images.sh` of
    /// vrothberg/physically-bound-image-reproducer, to which Fedora's documentation of bootc leads.
    ImageCache,
    /// That of Ansible's system role for podman while an image is built: `manage_image_cache.py` and
    /// `lsr_podman_copy_images.sh` of linux-system-roles/podman.
    SystemRole,
}

impl EmbeddedLayout {
    /// All, in the order in which their directories are searched.
    pub const ALL: [Self; 3] = [Self::MicroShift, Self::ImageCache, Self::SystemRole];

    /// The names of their lists, each once.
    pub const LISTS: [&'static str; 2] = [Self::MicroShift.list(), Self::ImageCache.list()];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::MicroShift => "microshift",
            Self::ImageCache => "image-cache",
            Self::SystemRole => "system-role",
        }
    }

    /// The name of the file with the list.
    pub const fn list(self) -> &'static str {
        match self {
            Self::MicroShift => "image-list.txt",
            Self::ImageCache | Self::SystemRole => "mapping.txt",
        }
    }

    /// Where its scripts put the directory.
    pub fn home(self) -> &'static str {
        match self {
            Self::MicroShift => "/usr/lib/containers/storage",
            Self::ImageCache => "/usr/lib/containers-image-cache",
            Self::SystemRole => "/var/lib/lsr_podman_image_cache",
        }
    }

    /// The layout of a new directory: the one that is at home there, or else MicroShift's.
    pub fn at(dir: &Path) -> Self {
        Self::ALL.into_iter().find(|layout| dir == Path::new(layout.home())).unwrap_or_default()
    }

    /// The layout of the list in a file of this name, which says this.
    pub(super) fn of(name: &str, entries: &[ListEntry], comments: &[String]) -> Self {
        let is_roles = |entry: &ListEntry| entry.directory == Self::SystemRole.directory(&entry.reference);
        match name {
            _ if name != Self::ImageCache.list() => Self::MicroShift,
            _ if comments.iter().any(|line| line == ROLE_MARK) || entries.iter().any(is_roles) => {
                Self::SystemRole
            }
            _ => Self::ImageCache,
        }
    }

    /// The directory of a new image: the SHA-256 of the reference and one newline in hexadecimal
    /// digits, as `echo "$reference" | sha256sum` has it; the role's are the first sixteen digits of
    /// that of the reference alone.
    pub fn directory(self, reference: &str) -> String {
        match self {
            Self::MicroShift | Self::ImageCache => sha256(format!("{reference}\n")),
            Self::SystemRole => {
                let mut digits = sha256(reference);
                digits.truncate(16);
                digits
            }
        }
    }

    /// The entry of a new image.
    pub fn entry(self, reference: &str) -> ListEntry {
        ListEntry { reference: reference.to_owned(), directory: self.directory(reference), line: 0 }
    }

    /// Whether the layout gives a directory names such as this.
    pub(super) fn may_name(self, directory: &str) -> bool {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        directory.len() == self.directory("").len() && directory.bytes().all(is_digit)
    }

    /// The comments that a list with these begins with. The scripts of the others take a comment for
    /// the name of an image.
    pub(super) fn head(self, comments: &[String]) -> Vec<String> {
        match self {
            Self::MicroShift | Self::ImageCache => Vec::new(),
            Self::SystemRole if comments.iter().any(|line| line == ROLE_MARK) => comments.to_vec(),
            Self::SystemRole => comments.iter().cloned().chain([ROLE_MARK.to_owned()]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_after_its_reference() {
        let name = |layout: EmbeddedLayout| layout.directory("registry.example.com/app:1");
        // echo registry.example.com/app:1 | sha256sum
        let with_newline = "9ca8696940fcbc92afc777650cbbc5d9a5c98ed378933d03807bb787dba2f7e7";
        assert_eq!(
            (name(EmbeddedLayout::MicroShift), name(EmbeddedLayout::ImageCache)),
            (with_newline.into(), with_newline.into())
        );
        // printf %s registry.example.com/app:1 | sha256sum | cut -c 1-16
        assert_eq!(name(EmbeddedLayout::SystemRole), "bb3dd477dd0f2aea");
        for layout in EmbeddedLayout::ALL {
            assert!(layout.may_name(&name(layout)) && !layout.may_name(layout.list()));
            assert_eq!(EmbeddedLayout::at(Path::new(layout.home())), layout);
            assert!(EmbeddedLayout::LISTS.contains(&layout.list()));
        }
    }

    #[test]
    fn what_a_mapping_says_tells_whose_it_is() {
        let of = |directory: &str, comment: &str| {
            let entry = ListEntry {
                directory: directory.to_owned(),
                ..EmbeddedLayout::ImageCache.entry("example.com/a")
            };
            EmbeddedLayout::of("mapping.txt", &[entry], &[comment.to_owned()])
        };
        let (cache, role) = (
            EmbeddedLayout::ImageCache.directory("example.com/a"),
            EmbeddedLayout::SystemRole.directory("example.com/a"),
        );
        assert_eq!(of(&cache, "# ours"), EmbeddedLayout::ImageCache);
        assert_eq!(of(&cache, ROLE_MARK), EmbeddedLayout::SystemRole);
        assert_eq!(of(&role, "# ours"), EmbeddedLayout::SystemRole);
        assert_eq!(of("elsewhere", "# ours"), EmbeddedLayout::ImageCache);
        assert_eq!(
            EmbeddedLayout::of("image-list.txt", &[], &[ROLE_MARK.to_owned()]),
            EmbeddedLayout::MicroShift
        );
    }
}
