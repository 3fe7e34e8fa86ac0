//! Reading YAML with places, from saphyr's events.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::Unreadable;
use super::node::{Key, Kind, Node};
use crate::limits;

/// Deeper documents are refused: nobody writes them, and reading is recursive.
const DEEPEST: usize = 100;

/// Reads the only document of a text.
pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    // saphyr counts characters.
    let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bytes.push(text.len());
    let mut events = Vec::new();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unreadable {
            message: error.info().to_owned(),
            at: bytes[error.marker().index().min(bytes.len() - 1)],
        })?;
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    let at = bytes[span.start.index().min(bytes.len() - 1)];
                    return Err(Unreadable { message: "a second document starts here".to_owned(), at });
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => {
                // A list has two events, and so has a pair.
                if events.len() > 2 * limits::VALUES {
                    return Err(super::too_many(bytes[span.start.index().min(bytes.len() - 1)]));
                }
                events.push((event, span));
            }
        }
    }
    let mut reader = Reader { text, bytes, events: events.into_iter(), anchors: BTreeMap::new(), count: 0 };
    match reader.events.next() {
        Some((event, span)) => reader.node(event, span, 0),
        None => Ok(Node { span: 0..0, kind: Kind::Scalar { text: String::new(), plain: true } }),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: Vec<usize>,
    events: std::vec::IntoIter<(Event<'a>, Span)>,
    anchors: BTreeMap<usize, (Node, usize)>,
    count: usize,
}

impl<'a> Reader<'a> {
    fn byte(&self, index: usize) -> usize {
        self.bytes[index.min(self.bytes.len() - 1)]
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Unreadable> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        self.count += 1;
        let before = self.count;
        if depth > DEEPEST {
            return Err(Unreadable { message: "this document is nested too deeply".to_owned(), at: start });
        }
        if self.count > limits::VALUES {
            return Err(super::too_many(start));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let string = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !string;
                // A block's place starts with its header, and no value's ends with blanks.
                let header = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.text[..start].rfind(['|', '>']),
                    _ => None,
                };
                let start = header.unwrap_or(start);
                let blanks = match header {
                    // The indentation of what follows is not the block's.
                    Some(_) => end - self.text[..end].trim_end_matches([' ', '\t']).len(),
                    None => blanks_before(self.text, start..end),
                };
                let end = end - blanks;
                (Node { span: start..end, kind: Kind::Scalar { text: text.into_owned(), plain } }, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(Unreadable { message: "an alias of nothing".to_owned(), at: start });
                };
                self.count += size;
                // It stands here, and what is in it where it was written.
                return Ok(Node { span: start..end, kind: node.kind.clone() });
            }
            Event::SequenceStart(anchor, _) => {
                let mut items: Vec<Node> = Vec::new();
                // A bracket closes a flow list; nothing closes a block.
                let mut flow = false;
                let end = loop {
                    match self.events.next() {
                        Some((Event::SequenceEnd, span)) => {
                            flow = !span.is_empty();
                            break self.byte(span.end.index());
                        }
                        Some((event, span)) => items.push(self.node(event, span, depth + 1)?),
                        None => break self.text.len(),
                    }
                };
                let last = items.last().map_or(start, |item| item.span.end);
                // A list at the indentation of its key is said to start behind its dash.
                let dash =
                    items.first().filter(|_| !flow).and_then(|item| self.text[..item.span.start].rfind('-'));
                let start = dash.unwrap_or(start);
                let span = start..if flow { end } else { last };
                (Node { span, kind: Kind::List { items, flow } }, anchor)
            }
            Event::MappingStart(anchor, _) => {
                let mut flow = false;
                let mut pairs: Vec<(Key, Node)> = Vec::new();
                let end = loop {
                    let (event, span) = match self.events.next() {
                        Some((Event::MappingEnd, span)) => {
                            flow = !span.is_empty();
                            break self.byte(span.end.index());
                        }
                        Some(pair) => pair,
                        None => break self.text.len(),
                    };
                    let key = self.node(event, span, depth + 1)?;
                    let Kind::Scalar { text: name, .. } = key.kind else {
                        return Err(Unreadable {
                            message: "a key must be a string".to_owned(),
                            at: key.span.start,
                        });
                    };
                    let Some((event, span)) = self.events.next() else {
                        break self.text.len();
                    };
                    let value = self.node(event, span, depth + 1)?;
                    pairs.push((Key { name, span: key.span }, value));
                };
                // A key may have neither value nor colon: `? key`.
                let colon = |key: &Key| usize::from(self.text[key.span.end..].starts_with(':'));
                let last =
                    pairs.last().map_or(start, |(key, node)| node.span.end.max(key.span.end + colon(key)));
                let span = start..if flow { end } else { last };
                (Node { span, kind: Kind::Map { pairs, flow } }, anchor)
            }
            _ => return Err(Unreadable { message: "an unexpected end".to_owned(), at: start }),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.count - before));
        }
        Ok(node)
    }
}

/// How many blanks a place ends with.
fn blanks_before(text: &str, span: std::ops::Range<usize>) -> usize {
    let value = &text[span];
    value.len() - value.trim_end_matches([' ', '\t', '\n', '\r']).len()
}
