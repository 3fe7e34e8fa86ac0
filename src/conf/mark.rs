//! The comment behind an entry that storagectl owns.

/// What all of them start with.
const START: &str = "storagectl:";

/// The comment behind an entry that storagectl owns: `# storagectl: NAME`, or
/// `# storagectl: NAME (COMMENT)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The declaration that the entry comes from: letters, digits and `._@+-`.
    pub name: String,
    /// What the declaration says about it, on one line.
    pub comment: Option<String>,
}

impl Mark {
    /// A mark with `comment` as one line: TOML allows no control character in a
    /// comment, so each becomes a space. An empty one is none.
    pub fn new(name: &str, comment: Option<&str>) -> Self {
        let line = |text: &str| text.replace(char::is_control, " ").trim().to_owned();
        let comment = comment.map(line).filter(|comment| !comment.is_empty());
        Self { name: name.to_owned(), comment }
    }

    /// The mark as a TOML comment.
    pub fn text(&self) -> String {
        let Self { name, comment } = Self::new(&self.name, self.comment.as_deref());
        match comment {
            Some(comment) => format!("# {START} {name} ({comment})"),
            None => format!("# {START} {name}"),
        }
    }

    /// Reads a TOML comment; `None` if it is not a mark.
    pub fn parse(comment: &str) -> Option<Self> {
        let text = comment.trim().strip_prefix('#')?.trim_start().strip_prefix(START)?.trim_start();
        let (name, rest) = match text.split_once([' ', '\t']) {
            Some((name, rest)) => (name, rest.trim_start()),
            None => (text, ""),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return None;
        }
        if rest.is_empty() {
            return Some(Self::new(name, None));
        }
        let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
        Some(Self::new(name, Some(inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for mark in [
            Mark::new("app", None),
            Mark::new("10-app_1.2@x+y", Some("the demo images")),
            Mark::new("app", Some("(of (brackets)")),
            Mark::new("app", Some("a\nb\tc\u{7f}# d")),
        ] {
            assert_eq!(Mark::parse(&mark.text()), Some(mark));
        }
        assert_eq!(Mark::new("app", Some("a\nb")).text(), "# storagectl: app (a b)");
        assert_eq!(Mark::new("app", Some(" \n")).text(), "# storagectl: app");
    }

    #[test]
    fn other_comments_are_no_marks() {
        for comment in [
            "# app",
            "# storagectl",
            "# storagectl:",
            "# storagectl: missing at boot: \"/a\",",
            "# storagectl: app of ours",
            "# storagectl: app (open",
            "# storagectl: a/b",
            "# our storagectl: app",
        ] {
            assert_eq!(Mark::parse(comment), None, "{comment}");
        }
    }
}
