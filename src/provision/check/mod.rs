//! What is wrong with a document: a table of rules, each with a stable id.
//!
//! The programs that apply such documents check their own syntax, and little of it: a
//! warning in one is an error in another, and none knows what a container engine does
//! with a file. These rules do both, over a document as it is read, and over the node
//! that comes out.

mod contents;
mod entries;
mod finding;
mod objects;
mod rules;
mod stores;
mod texts;
mod units;

pub use finding::{Expected, Finding, Severity};
pub use rules::{RULES, Rule};

use super::read::{Format, Read};
use finding::Sink;

/// Applies every rule to a document that shall be of `format`.
pub fn check(text: &str, format: Format, expected: &Expected) -> Vec<Finding> {
    let mut sink = Sink::new(text);
    let read = match Read::parse(text) {
        Ok(read) => read,
        Err(unread) => {
            texts::unread(text, format, &unread, &mut sink);
            return sink.findings;
        }
    };
    if read.format != format {
        texts::other_kind(&read, format, &mut sink);
        return sink.findings;
    }
    texts::duplicate_key(&read, &mut sink);
    objects::check(&read, expected, &mut sink);
    if let Some(config) = &read.config {
        sink.enter(config);
        texts::spec(&read, config, &mut sink);
        texts::keys(config, &mut sink);
        entries::check(&read, config, &mut sink);
        contents::check(&read, config, &mut sink);
        units::check(config, &mut sink);
        stores::check(&read, config, expected, &mut sink);
    }
    sink.findings.sort_by_key(|finding| finding.place.as_ref().map_or(usize::MAX, |place| place.span.start));
    sink.findings
}
