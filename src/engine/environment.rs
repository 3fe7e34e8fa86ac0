//! What an engine takes from its environment.

use std::collections::BTreeMap;
use std::path::Path;

use crate::host::Root;

/// A user and the variables that an engine would be started with.
#[derive(Debug, Clone, Default)]
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

    /// `$HOME`, or what /etc/passwd says.
    pub fn home(&self, root: &Root) -> Option<String> {
        if let Some(home) = self.filled("HOME") {
            return Some(home.to_owned());
        }
        let passwd = root.read(Path::new("/etc/passwd")).ok().flatten()?;
        let text = String::from_utf8_lossy(&passwd.0).into_owned();
        text.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.get(2)?.parse() == Ok(self.uid)).then(|| (*fields.get(5).unwrap_or(&"")).to_owned())
        })
    }

    /// Where the user's run-time files are: `$XDG_RUNTIME_DIR`, or what systemd makes.
    pub(super) fn runtime_dir(&self) -> String {
        match self.filled("XDG_RUNTIME_DIR") {
            Some(dir) => dir.to_owned(),
            None => format!("/run/user/{}", self.uid),
        }
    }

    /// Expands `$UID` and other variables, as the library's `expandEnvPath` does
    /// with graphroot and runroot (and with nothing else).
    pub(super) fn expand(&self, path: &str) -> String {
        let mut out = String::new();
        let path = path.replace("$UID", &self.uid.to_string());
        let mut rest = path.as_str();
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            let (name, length) = match behind.strip_prefix('{') {
                Some(braced) => match braced.find('}') {
                    Some(end) => (&braced[..end], end + 2),
                    None => ("", 1),
                },
                None => {
                    let end = behind
                        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                        .unwrap_or(behind.len());
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
        ] {
            assert_eq!(environment.expand(path), expanded, "{path}");
        }
    }
}
