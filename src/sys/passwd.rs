//! The accounts of /etc/passwd.

/// An account (passwd(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// The login name.
    pub name: &'a str,
    /// The user's id.
    pub uid: u32,
    /// The id of the user's first group, if it is a number.
    pub gid: Option<u32>,
    /// The home directory.
    pub home: &'a str,
}

/// The accounts of a file like /etc/passwd, in its order; malformed lines are left out.
pub fn accounts(text: &str) -> impl Iterator<Item = Account<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next().and_then(|gid| gid.parse().ok());
        Some(Account { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_a_number_and_malformed_lines_are_none() {
        let text =
            "root:x:0:0:root:/root:/bin/sh\n\nbad\nbad:x:one:1::/:\nshort:x:7\nu:x:1000:x::/home/u:/bin/sh\n";
        let account = |name, uid, gid, home| Account { name, uid, gid, home };
        let expected = [
            account("root", 0, Some(0), "/root"),
            account("short", 7, None, ""),
            account("u", 1000, None, "/home/u"),
        ];
        assert_eq!(accounts(text).collect::<Vec<_>>(), expected);
    }
}
