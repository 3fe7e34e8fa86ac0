//! What an engine takes from its environment.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sys::accounts;

/// A user and the variables that an engine would be started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The user's id; 0 is root.
    pub uid: u32,
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// An environment with these variables.
    pub fn new(uid: u32, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { uid, variables: variables.into_iter().collect() }
    }

    /// This process's own. Variables that are not UTF-8 name no file that
    /// storage.conf could hold and are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::new(rustix::process::geteuid().as_raw(), variables)
    }

    /// A normal user of whom nothing is known: owner of nothing, in no group, without any
    /// configuration of their own.
    pub fn ordinary_user() -> Self {
        // Neither a person nor a service has this one (the last of login.defs(5)).
        const UID: u32 = 60_000;
        Self::new(UID, [("HOME".to_owned(), format!("/home/{UID}"))])
    }

    /// The groups that the user is in, by /etc/passwd and /etc/group, which `text` reads.
    pub(super) fn groups(&self, text: impl Fn(&Path) -> Option<String>) -> Vec<u32> {
        let read = |path: &str| text(Path::new(path)).unwrap_or_default();
        let passwd = read("/etc/passwd");
        let Some(user) = accounts(&passwd).find(|account| account.uid == self.uid) else {
            return Vec::new();
        };
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let mut groups: Vec<u32> = user.gid.into_iter().collect();
        for group in read("/etc/group").lines().map(fields) {
            let member = group.get(3).is_some_and(|members| members.split(',').any(|name| name == user.name));
            groups.extend(group.get(2).and_then(|gid| gid.parse::<u32>().ok()).filter(|_| member));
        }
        groups
    }

    /// The same, but reading this one file: what says where files are looked for is left out.
    pub fn naming(&self, file: &Path) -> Self {
        const KEPT: [&str; 5] =
            ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "STORAGE_DRIVER", "STORAGE_OPTS"];
        let kept = KEPT.into_iter().filter_map(|name| Some((name, self.variable(name)?.to_owned())));
        let named = ("CONTAINERS_STORAGE_CONF", file.to_string_lossy().into_owned());
        Self::new(self.uid, kept.chain([named]).map(|(name, value)| (name.to_owned(), value)))
    }

    /// Whether the engine runs as a normal user.
    pub fn is_rootless(&self) -> bool {
        self.uid != 0
    }

    /// A variable, also if it is set to nothing.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A variable that is set to something.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.variable(name).filter(|value| !value.is_empty())
    }

    /// `$HOME`, or what /etc/passwd says; `text` reads a file.
    pub fn home(&self, text: impl Fn(&Path) -> Option<String>) -> Option<String> {
        if let Some(home) = self.filled("HOME") {
            return Some(home.to_owned());
        }
        let passwd = text(Path::new("/etc/passwd"))?;
        let account = accounts(&passwd).find(|account| account.uid == self.uid);
        account.map(|account| account.home.to_owned())
    }

    /// Where the user's run-time files are: `$XDG_RUNTIME_DIR`, or what systemd makes.
    pub(super) fn runtime_dir(&self) -> String {
        match self.filled("XDG_RUNTIME_DIR") {
            Some(dir) => dir.to_owned(),
            None => format!("/run/user/{}", self.uid),
        }
    }

    /// Expands `$UID` and other variables, as the library's `expandEnvPath` does
    /// with graphroot and runroot (and with nothing else): Go's `os.Expand`, which knows the
    /// shell's names of one character and eats what is malformed.
    pub(super) fn expand(&self, path: &str) -> String {
        let special = |letter: char| "*#$@!?-0123456789".contains(letter);
        let mut out = String::new();
        let path = path.replace("$UID", &self.uid.to_string());
        let mut rest = path.as_str();
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let (name, length) = match behind.chars().next() {
                Some('{') => match behind[1..].find('}') {
                    Some(end) => (&behind[1..=end], end + 2),
                    None => ("", 1),
                },
                Some(letter) if special(letter) => (&behind[..1], 1),
                _ => {
                    let end = behind.find(|letter| !plain(letter)).unwrap_or(behind.len());
                    (&behind[..end], end)
                }
            };
            if length == 0 {
                out.push('$');
            }
            out.push_str(self.variable(name).unwrap_or_default());
            rest = &behind[length..];
        }
        out + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_as_a_go_program_does() {
        let environment = Environment::new(7, [("HOME".to_owned(), "/home/me".to_owned())]);
        for (path, expanded) in [
            ("$HOME/x", "/home/me/x"),
            ("${HOME}x", "/home/mex"),
            ("/run/$UID", "/run/7"),
            ("/a/$NONE/b", "/a//b"),
            ("/a/$/b", "/a/$/b"),
            ("/a/$*b", "/a/b"),
            ("/a/${b", "/a/b"),
            ("/a/${}b", "/a/b"),
        ] {
            assert_eq!(environment.expand(path), expanded, "{path}");
        }
    }
}
