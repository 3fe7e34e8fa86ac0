//! What the policy of SELinux allows, as the kernel tells it.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::root::Root;

/// An access that SELinux decides: a process in one context does something with an object of a
/// class that is in another.
#[derive(Debug, Clone, Copy)]
pub struct SelinuxAccess<'a> {
    /// The context of the process.
    pub source: &'a str,
    /// The context of the object.
    pub target: &'a str,
    /// The class, such as `filesystem`.
    pub class: &'a str,
    /// What it does, such as `relabelfrom`.
    pub permission: &'a str,
}

/// Whether SELinux forbids `access` on the running system `root`. What is not known is not
/// forbidden: where SELinux is off or permissive, where its policy does not know the contexts,
/// where this process may not ask.
pub fn is_forbidden_by_selinux(root: &Root, access: SelinuxAccess<'_>) -> bool {
    !root.is_tree() && is_allowed(root, access).is_ok_and(|allowed| !allowed)
}

/// Asks the kernel as security_compute_av(3) does.
fn is_allowed(root: &Root, access: SelinuxAccess<'_>) -> io::Result<bool> {
    let SelinuxAccess { source, target, class, permission } = access;
    if number(root, "enforce")? == 0 {
        return Ok(true);
    }
    let index = number(root, &format!("class/{class}/index"))?;
    let bit = number(root, &format!("class/{class}/perms/{permission}"))?;
    let path = Path::new("/sys/fs/selinux/access");
    let mut question = File::from(root.open(path, OFlags::RDWR)?);
    question.write_all(format!("{source} {target} {index}").as_bytes())?;
    let mut answer = String::new();
    question.read_to_string(&mut answer)?;
    allows(&answer, bit).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether an answer of the kernel (`sel_write_access` in security/selinux/selinuxfs.c) has the
/// permission with the number `bit`, of which the first is 1. What a permissive domain does is
/// not denied.
fn allows(answer: &str, bit: u32) -> Option<bool> {
    let words: Vec<&str> = answer.trim_end_matches('\0').split_whitespace().collect();
    let hex = |index: usize| u32::from_str_radix(words.get(index)?, 16).ok();
    let permissive = hex(5)? & 1 == 1;
    Some(permissive || hex(0)? >> bit.checked_sub(1)? & 1 == 1)
}

fn number(root: &Root, name: &str) -> io::Result<u32> {
    let path = Path::new("/sys/fs/selinux").join(name);
    let (bytes, _) = root.read(&path)?.ok_or(io::ErrorKind::NotFound)?;
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches('\0').trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_kernel_says_what_is_allowed() {
        // mount_t and a file system of container_ro_file_t, by Debian's policy.
        let answer = "b ffffffff 0 ffffffff 4 0";
        assert_eq!([1, 2, 3, 4].map(|bit| allows(answer, bit)), [true, true, false, true].map(Some));
        assert_eq!(allows("0 ffffffff 0 ffffffff 4 1", 3), Some(true));
        assert_eq!(allows("", 3), None);
        assert_eq!(allows("b ffffffff 0 ffffffff 4 0", 0), None);
    }
}
