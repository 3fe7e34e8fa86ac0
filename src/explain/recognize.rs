//! Which messages are in a text; pure.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::messages::{EngineMessage, messages};
use super::pattern::{Pattern, PatternMatch};
use super::words;

/// How many messages of one text are told: a journal repeats itself.
const TOLD: usize = 20;

/// A message in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecognizedMessage {
    /// Its row in the table.
    pub message: &'static EngineMessage,
    /// The words of the text that are it.
    pub said: String,
    /// What it names, by what that is: `store`, `layer`, `image`.
    pub named: Vec<(&'static str, String)>,
    /// The whole line.
    pub line: String,
}

impl RecognizedMessage {
    /// What it names.
    pub fn named(&self, what: &str) -> Option<&str> {
        self.named.iter().find(|(name, _)| *name == what).map(|(_, named)| named.as_str())
    }
}

/// The messages of a text, each once, in the order of the text.
pub fn recognize(text: &str) -> Vec<RecognizedMessage> {
    let lines = words::lines(text);
    let mut found: Vec<RecognizedMessage> = Vec::new();
    for line in of_lines(&lines) {
        let is_new =
            !found.iter().any(|other| other.message.id == line.message.id && other.named == line.named);
        // It says once more what the line before has said better.
        let follows = line.message.follows && found.last().is_some_and(|before| !before.message.follows);
        if is_new && !follows {
            found.push(line);
        }
        if found.len() == TOLD {
            break;
        }
    }
    if found.is_empty() && lines.len() > 1 {
        found = of_lines(&[words::joined(&lines)]);
    }
    found
}

/// The innermost message of each line that has one: the one that ends last, and says most of what
/// is there. Each pattern is looked for in all lines at once, however many there are.
fn of_lines(lines: &[String]) -> Vec<RecognizedMessage> {
    let whole = lines.join("\n").to_ascii_lowercase();
    let mut starts = vec![0];
    starts.extend(memchr::memchr_iter(b'\n', whole.as_bytes()).map(|newline| newline + 1));
    let mut best: BTreeMap<usize, (&'static EngineMessage, PatternMatch<'static>)> = BTreeMap::new();
    for (message, pattern) in patterns() {
        for start in pattern.starts(&whole) {
            let index = starts.partition_point(|&line| line <= start) - 1;
            let line = &whole[starts[index]..][..lines[index].len()];
            let Some(found) = pattern.at(line, start - starts[index]) else { continue };
            let rank = |found: &PatternMatch<'_>| (found.at.end, found.words);
            if best.get(&index).is_none_or(|(_, other)| rank(other) < rank(&found)) {
                best.insert(index, (message, found));
            }
        }
    }
    best.into_iter().map(|(index, (message, found))| recognized(message, found, &lines[index])).collect()
}

fn recognized(
    message: &'static EngineMessage,
    found: PatternMatch<'static>,
    line: &str,
) -> RecognizedMessage {
    let mut named: Vec<(&'static str, String)> = Vec::new();
    for (name, at) in found.names {
        if !named.iter().any(|(other, _)| *other == name) {
            named.push((name, line[at].to_owned()));
        }
    }
    let said = line[found.at].trim_end_matches([':', ' ']).to_owned();
    RecognizedMessage { message, said, named, line: line.to_owned() }
}

/// A pattern, and whose it is.
type KnownMessage = (&'static EngineMessage, Pattern<'static>);

/// Every pattern with its message, read once.
fn patterns() -> &'static [KnownMessage] {
    static PATTERNS: OnceLock<Vec<KnownMessage>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let of = |message: &'static EngineMessage| {
            message.says.iter().map(move |says| (message, Pattern::new(says)))
        };
        messages().flat_map(of).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<&'static str> {
        recognize(text).iter().map(|it| it.message.id).collect()
    }

    /// A pattern with something in it that may stand there.
    fn example(pattern: &str) -> String {
        let mut example = pattern.to_owned();
        for name in Pattern::new(pattern).names() {
            let thing = match name {
                "store" | "path" => "/srv/app",
                "layer" | "digest" => "0123abcd",
                "number" | "line" => "7",
                _ => "x",
            };
            example = example.replacen(&format!("{{{name}}}"), thing, 1);
        }
        if example.ends_with(' ') { example + "why" } else { example }
    }

    /// Engines set owners in several threads: which file is met first, and so what is said, varies.
    #[test]
    fn whatever_setting_owners_fails_with_is_one_message() {
        for why in [
            "mapping host ID pair idtools.IDPair{UID:3000000, GID:3000001} for \"usr/lib\" to container: host ID 3000001 cannot be mapped to a container ID: exit status 1",
            "link usr/bin/a usr/bin/b: file exists: exit status 1",
        ] {
            assert_eq!(
                ids(&format!(
                    "Error: creating an ID-mapped copy of layer \"0123abcd\": error during chown: {why}"
                )),
                ["layer-owners"],
                "{why}"
            );
        }
    }

    #[test]
    fn every_pattern_is_found_as_its_own_message_alone_and_wrapped() {
        for message in messages() {
            for pattern in message.says {
                let example = example(pattern);
                assert_eq!(ids(&example), [message.id], "{example}");
                let wrapped =
                    format!("E1127 rpc error: code = Unknown desc = \"creating container: {example}\"");
                assert_eq!(ids(&wrapped), [message.id], "{wrapped}");
            }
        }
    }

    #[test]
    fn patterns_are_in_lower_case_without_quotes_and_start_with_words() {
        for pattern in messages().flat_map(|message| message.says) {
            assert_eq!(**pattern, pattern.to_ascii_lowercase());
            assert!(!pattern.contains(['"', '`', '\\']) && pattern.len() > 5, "{pattern}");
            assert!(!pattern.starts_with('{'), "{pattern}");
        }
    }

    #[test]
    fn the_innermost_cause_is_the_one_that_counts() {
        let text = "Error: configure storage: overlay: can't stat imageStore dir /srv/gone: stat /srv/gone: no such file or directory";
        let found = &recognize(text)[0];
        assert_eq!((found.message.id, found.named("store")), ("store-missing", Some("/srv/gone")));
        let text = "level=error msg=\"Image localhost/app:2 exists in local storage but may be corrupted (remove the image to resolve the issue): loading additional layer stores: open /s/overlay-layers/layers.lock: open /s/overlay-layers/layers.lock: read-only file system\"\nError: localhost/app:2: image not known";
        assert_eq!(ids(text), ["lock-read-only"], "what follows from it is not told");
        assert_eq!(
            recognize("Error: localhost/app:2: image not known")[0].named("image"),
            Some("localhost/app:2")
        );
    }

    #[test]
    fn what_a_terminal_has_broken_is_put_together() {
        assert_eq!(
            ids("Error: read-only image store assigns the\nsame name to multiple images"),
            ["image-names-twice"]
        );
        assert!(ids("all is well\nreally").is_empty() && ids("").is_empty());
    }

    #[test]
    fn a_message_is_told_once_and_not_too_many_are() {
        assert_eq!(ids(&"layer not known\n".repeat(50)).len(), 1);
        let many: String =
            (0..100).map(|index| format!("image path /s{index} must be a directory\n")).collect();
        assert_eq!(ids(&many).len(), TOLD);
    }
}
