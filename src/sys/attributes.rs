//! Giving a new file the mode, owner and extended attributes of an old one.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, Gid, Mode, Uid, XattrFlags};
use rustix::io::Errno;

/// Copies owner, extended attributes (POSIX ACLs and the SELinux label are such)
/// and mode of `old` to `new`. Returns the names of attributes that this
/// process may not set here.
///
/// # Errors
/// If owner, mode or an ACL cannot be kept: the file would be open to others
/// than before, or closed to some.
pub(super) fn copy(old: &OwnedFd, new: &OwnedFd) -> io::Result<Vec<String>> {
    let (was, is) = (fs::fstat(old)?, fs::fstat(new)?);
    if (was.st_uid, was.st_gid) != (is.st_uid, is.st_gid) {
        fs::fchown(new, Some(Uid::from_raw(was.st_uid)), Some(Gid::from_raw(was.st_gid)))?;
    }
    let kept = names(old)?;
    let inherited = c"system.posix_acl_access";
    if names(new)?.iter().any(|name| name.as_c_str() == inherited)
        && !kept.iter().any(|name| name.as_c_str() == inherited)
    {
        // The directory's default ACL, which would open the file to others than before.
        fs::fremovexattr(new, inherited)?;
    }
    fs::fchmod(new, Mode::from_raw_mode(was.st_mode))?;
    let mut lost = Vec::new();
    for name in kept {
        let value = value(old, &name)?;
        if self::value(new, &name).is_ok_and(|now| now == value) {
            continue;
        }
        match fs::fsetxattr(new, name.as_c_str(), &value, XattrFlags::empty()) {
            Ok(()) => {}
            Err(error) if name.as_bytes().starts_with(b"system.posix_acl") => return Err(error.into()),
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::INVAL) => {
                lost.push(name.to_string_lossy().into_owned());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(lost)
}

/// Names and values of extended attributes.
pub type Attributes = Vec<(std::ffi::CString, Vec<u8>)>;

/// All extended attributes of `file` that this process may see; `None` if the file
/// system has none.
pub(super) fn all(file: &OwnedFd) -> io::Result<Option<Attributes>> {
    // Most files have none, and then this is the only question.
    let mut some = [0; 256];
    match fs::flistxattr(file, &mut some) {
        Ok(0) => return Ok(Some(Vec::new())),
        Ok(_) | Err(Errno::RANGE) => {}
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut all = Vec::new();
    for name in names(file)? {
        match value(file, &name) {
            Ok(value) => all.push((name, value)),
            Err(Errno::NODATA | Errno::ACCESS | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(all))
}

/// As [`all`], of what stands at `path`, a symlink or a device itself.
pub(super) fn all_of_link(path: &std::path::Path) -> io::Result<Option<Attributes>> {
    let list = match sized(|buffer| fs::llistxattr(path, buffer)) {
        Ok(list) => list,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut all = Vec::new();
    for name in
        list.split_inclusive(|&byte| byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok())
    {
        match sized(|buffer| fs::lgetxattr(path, name, buffer)) {
            Ok(value) => all.push((name.to_owned(), value)),
            Err(Errno::NODATA | Errno::ACCESS | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(all))
}

fn names(file: &OwnedFd) -> io::Result<Vec<std::ffi::CString>> {
    let list = match sized(|buffer| fs::flistxattr(file, buffer)) {
        Ok(list) => list,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(list
        .split_inclusive(|&byte| byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect())
}

pub(super) fn value(file: &OwnedFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    sized(|buffer| fs::fgetxattr(file, name, buffer))
}

/// Calls `read` with a buffer that is large enough.
fn sized(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 1024];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The kernel's limit for names and for a value is 64 KiB.
            Err(Errno::RANGE) if buffer.len() < 1 << 16 => buffer.resize(buffer.len() * 4, 0),
            Err(error) => return Err(error),
        }
    }
}
