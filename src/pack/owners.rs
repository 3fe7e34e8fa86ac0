//! Names for owners: RPM stores no numbers.
//!
//! A user and a group with the same number have different names, so that neither can be
//! taken for the other. The package makes sure of them in `%pre`, with the number that
//! the name says or not at all: an installation stops rather than give a file to root.
//! Nobody removes them again, as no package removes users: files may still be theirs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What every name begins with.
const PREFIX: &str = "storagectl-";

/// The primary group of the users; nothing belongs to it.
const GROUP: &str = "storagectl-images";

/// The owners of a package's files that are not root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owners {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
}

/// The name of a user.
pub(super) fn user(uid: u32) -> String {
    if uid == 0 { "root".to_owned() } else { format!("{PREFIX}u{uid}") }
}

/// The name of a group.
pub(super) fn group(gid: u32) -> String {
    if gid == 0 { "root".to_owned() } else { format!("{PREFIX}g{gid}") }
}

impl Owners {
    /// Takes note of the owner of a file.
    pub(super) fn add(&mut self, uid: u32, gid: u32) {
        self.users.extend((uid != 0).then_some(uid));
        self.groups.extend((gid != 0).then_some(gid));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// The tags of a package that makes them. rpm 4.19 lets a package require the owners
    /// of its files.
    pub(super) fn tags(&self) -> String {
        let mut tags = String::from("Requires(pre): shadow-utils\n");
        for uid in &self.users {
            writeln!(tags, "Provides: user({})", user(*uid)).expect("a string takes everything");
        }
        for gid in &self.groups {
            writeln!(tags, "Provides: group({})", group(*gid)).expect("a string takes everything");
        }
        tags
    }

    /// The body of `%pre`.
    pub(super) fn script(&self) -> String {
        let mut script = String::from(
            "# RPM stores owners by name. These names have the numbers that the files had in the\n\
             # images; a number may have other names, too.\n\
             group() {\n  \
               getent group \"$2\" > /dev/null || groupadd --system --non-unique --gid \"$1\" \"$2\" || :\n  \
               if [ \"$(getent group \"$2\" | cut -d: -f3)\" != \"$1\" ]; then\n    \
                 echo \"error: there is no group $2 with the number $1\" >&2\n    \
                 exit 1\n  \
               fi\n\
             }\n\
             user() {\n  \
               getent passwd \"$2\" > /dev/null || useradd --system -K SYS_UID_MAX=4294967294 --non-unique --uid \"$1\" --gid ",
        );
        script += GROUP;
        script += " --home-dir / --no-create-home --shell /sbin/nologin \"$2\" || :\n  \
               if [ \"$(getent passwd \"$2\" | cut -d: -f3)\" != \"$1\" ]; then\n    \
                 echo \"error: there is no user $2 with the number $1\" >&2\n    \
                 exit 1\n  \
               fi\n\
             }\n";
        for gid in &self.groups {
            writeln!(script, "group {gid} {}", group(*gid)).expect("a string takes everything");
        }
        if !self.users.is_empty() {
            writeln!(script, "getent group {GROUP} > /dev/null || groupadd --system {GROUP}")
                .expect("a string takes everything");
        }
        for uid in &self.users {
            writeln!(script, "user {uid} {}", user(*uid)).expect("a string takes everything");
        }
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_group_with_one_number_have_two_names() {
        let mut owners = Owners::default();
        owners.add(0, 0);
        assert!(owners.is_empty());
        owners.add(1234, 5678);
        owners.add(5678, 1234);
        assert_eq!(
            owners.tags(),
            "Requires(pre): shadow-utils\n\
             Provides: user(storagectl-u1234)\nProvides: user(storagectl-u5678)\n\
             Provides: group(storagectl-g1234)\nProvides: group(storagectl-g5678)\n"
        );
        assert!(owners.script().ends_with(
            "group 1234 storagectl-g1234\ngroup 5678 storagectl-g5678\n\
             getent group storagectl-images > /dev/null || groupadd --system storagectl-images\n\
             user 1234 storagectl-u1234\nuser 5678 storagectl-u5678\n"
        ));
    }
}
