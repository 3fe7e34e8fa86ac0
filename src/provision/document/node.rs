//! A document with the place of everything in it.

use std::ops::Range;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its bytes. Those of a block in YAML end with the last value in it.
    pub span: Range<usize>,
    /// What it is.
    pub kind: NodeKind,
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub struct MappingKey {
    /// Its name.
    pub name: String,
    /// Its bytes, with quotes.
    pub span: Range<usize>,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A string, number, boolean or nothing.
    Scalar {
        /// Its text, without quotes and escapes.
        text: String,
        /// Whether it stands without quotes, so that it may be something else than a string.
        plain: bool,
    },
    /// A sequence.
    List {
        /// Its items.
        items: Vec<Node>,
        /// Whether it stands in brackets.
        flow: bool,
    },
    /// A mapping.
    Map {
        /// Its pairs, in the order of the text.
        pairs: Vec<(MappingKey, Node)>,
        /// Whether it stands in braces.
        flow: bool,
    },
}

impl Node {
    /// The value of a key; of one that stands twice, the first.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.pairs().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The value at the end of these keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The pairs, none if it is not a mapping.
    pub fn pairs(&self) -> &[(MappingKey, Node)] {
        match &self.kind {
            NodeKind::Map { pairs, .. } => pairs,
            _ => &[],
        }
    }

    /// The items, none if it is not a sequence.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::List { items, .. } => items,
            _ => &[],
        }
    }

    /// A string. What stands without quotes counts too, unless it is nothing, a number
    /// or a boolean.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, plain } => {
                let other = *plain && (self.is_null() || self.boolean().is_some() || self.number().is_some());
                (!other).then_some(text.as_str())
            }
            _ => None,
        }
    }

    /// The text of a string, number or boolean.
    pub fn raw(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A boolean.
    pub fn boolean(&self) -> Option<bool> {
        match &self.kind {
            NodeKind::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number. As in Go's reader of YAML, a leading `0` or `0o` makes it octal.
    pub fn number(&self) -> Option<i64> {
        let NodeKind::Scalar { text, plain: true } = &self.kind else {
            return None;
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(octal) =
            text.strip_prefix("0o").or_else(|| text.strip_prefix('0')).filter(|it| digits(it))
        {
            return i64::from_str_radix(octal, 8).ok();
        }
        if let Some(hex) = text.strip_prefix("0x") {
            return i64::from_str_radix(hex, 16).ok();
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        digits(unsigned).then(|| text.parse().ok()).flatten()
    }

    /// Whether it is nothing: `null`, `~`, or a key without a value.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// Whether both hold the same, wherever it stands.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.kind, &other.kind) {
            (NodeKind::Scalar { .. }, NodeKind::Scalar { .. }) => {
                let all = |node: &Node| (node.is_null(), node.boolean(), node.number());
                all(self) == all(other)
                    && (self.is_null() || self.number().is_some() || self.raw() == other.raw())
            }
            (NodeKind::List { items, .. }, NodeKind::List { items: others, .. }) => {
                items.len() == others.len() && items.iter().zip(others).all(|(one, other)| one.same(other))
            }
            (NodeKind::Map { pairs, .. }, NodeKind::Map { pairs: others, .. }) => {
                pairs.len() == others.len()
                    && pairs
                        .iter()
                        .zip(others)
                        .all(|((key, one), (other_key, other))| key.name == other_key.name && one.same(other))
            }
            _ => false,
        }
    }

    /// The same, `by` bytes further on.
    #[must_use]
    pub fn moved(mut self, by: usize) -> Self {
        let far = |span: &Range<usize>| span.start + by..span.end + by;
        self.span = far(&self.span);
        match &mut self.kind {
            NodeKind::Scalar { .. } => {}
            NodeKind::List { items, .. } => {
                *items = std::mem::take(items).into_iter().map(|item| item.moved(by)).collect();
            }
            NodeKind::Map { pairs, .. } => {
                let moved = |(key, node): (MappingKey, Self)| {
                    (MappingKey { span: far(&key.span), name: key.name }, node.moved(by))
                };
                *pairs = std::mem::take(pairs).into_iter().map(moved).collect();
            }
        }
        self
    }

    /// The same with other values of some keys.
    #[must_use]
    pub fn with_values(&self, mut value: impl FnMut(&str, &Self) -> Self) -> Self {
        let mut node = self.clone();
        if let NodeKind::Map { pairs, .. } = &mut node.kind {
            for (key, node) in pairs {
                *node = value(&key.name, node);
            }
        }
        node
    }

    /// The same with other items.
    #[must_use]
    pub fn with_items(&self, item: impl FnMut(&Self) -> Self) -> Self {
        let mut node = self.clone();
        if let NodeKind::List { items, .. } = &mut node.kind {
            *items = items.iter().map(item).collect();
        }
        node
    }

    /// A key that stands twice in one mapping, anywhere below.
    pub fn key_twice(&self) -> Option<&MappingKey> {
        let mut seen = Vec::new();
        for (key, node) in self.pairs() {
            if seen.contains(&&key.name) {
                return Some(key);
            }
            seen.push(&key.name);
            if let Some(found) = node.key_twice() {
                return Some(found);
            }
        }
        self.items().iter().find_map(Node::key_twice)
    }
}
