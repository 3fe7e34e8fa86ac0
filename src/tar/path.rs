//! Paths of entries.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A path in a layer as engines take it (`filepath.Clean` and join): relative,
/// without `.`, `..` and doubled slashes. `None` if it leads out.
pub(crate) fn clean_path(name: &OsStr) -> Option<OsString> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let absolute = name.as_bytes().starts_with(b"/");
    for part in name.as_bytes().split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                // `/..` is `/`.
                if parts.pop().is_none() && !absolute {
                    return None;
                }
            }
            part => parts.push(part),
        }
    }
    Some(OsStr::from_bytes(&parts.join(&b'/')).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_as_engines_clean_them() {
        let clean = |name: &str| clean_path(OsStr::new(name)).map(|name| name.into_string().unwrap());
        assert_eq!(clean("./a//b/../c/"), Some("a/c".to_owned()));
        assert_eq!(clean("/../a"), Some("a".to_owned()));
        assert_eq!(clean("../a"), None);
        assert_eq!(clean("a/../../b"), None);
        assert_eq!(clean("./"), Some(String::new()));
    }
}
