//! What is wrong with a document: a table of rules, each with a stable id.
//!
//! The programs that apply such documents check their own syntax, and little of it: a
//! warning in one is an error in another, and none knows what a container engine does
//! with a file. These rules do both, over a document as it is read, and over the node
//! that comes out.

mod blueprint;
mod contents;
mod entries;
mod finding;
mod objects;
mod quadlets;
mod rules;
mod stores;
mod texts;
mod units;

pub(super) use contents::concerns_stores;
pub use finding::ExpectedNode;
pub(super) use objects::is_rendered;
pub use rules::{ProvisionRule, RULES};
pub use stores::Maker;
pub(super) use stores::{listed, maker, may_list_stores};

use std::path::Path;
use std::rc::Rc;

use super::ExistingDocument;
use super::ocne;
use super::read::{DocumentFormat, ParsedDocument};
use super::sources::{FilesBeside, FollowedDocument};
use crate::problem::Problem;
use finding::{ProvisionFinding, ProvisionFindings, TextSpan};

/// Applies every rule to a document in `file` that shall be of `format`, and to what it is made of.
pub fn check(
    document: &ExistingDocument,
    format: DocumentFormat,
    file: &Path,
    expected: &ExpectedNode,
    beside: &dyn FilesBeside,
) -> Vec<Problem> {
    find(document, format, expected, beside).into_iter().map(|found| found.within(file)).collect()
}

fn find(
    document: &ExistingDocument,
    format: DocumentFormat,
    expected: &ExpectedNode,
    beside: &dyn FilesBeside,
) -> Vec<ProvisionFinding> {
    let mut findings = ProvisionFindings::new(&document.text);
    let read = match &document.parsed {
        Ok(read) => read,
        Err(unread) => {
            texts::unread(&document.text, format, unread, &mut findings);
            return findings.finish();
        }
    };
    if read.format != format {
        texts::other_kind(read, format, &mut findings);
        return findings.finish();
    }
    texts::duplicate_key(read, &mut findings);
    objects::check(read, expected, &mut findings);
    if let Some(config) = &read.config {
        let followed = FollowedDocument::of(read, beside);
        findings.enter(config);
        findings.parts.clone_from(&followed.parts);
        let written = std::iter::once(config).chain(followed.parts.iter().map(|part| &part.written));
        for config in written {
            match read.format {
                DocumentFormat::Blueprint => blueprint::check(&config.node, &mut findings),
                _ => {
                    texts::spec(read, config, &mut findings);
                    texts::keys(config, &mut findings);
                }
            }
        }
        let whole = followed.read.config.as_ref().expect("there is one if the document has one");
        let alone = followed.own.iter().chain(followed.parts.iter().map(|part| &part.config));
        for config in alone {
            entries::check(read, config, expected, &mut findings);
            contents::check(read, config, &mut findings);
        }
        if !followed.parts.is_empty() {
            // A hash or a compression of one may be said of the content of another.
            contents::check(read, whole, &mut findings);
        }
        contents::unfollowed(&followed.unfollowed, &mut findings);
        units::check(whole, &mut findings);
        stores::check(read, whole, followed.lacks_configurations(), expected, &mut findings);
        quadlets::check(whole, &mut findings);
    }
    let mut findings = findings.finish();
    if read.config.as_ref().is_some_and(|config| config.is_inner) {
        outside(read, &mut findings);
    }
    findings.sort_by_key(|finding| {
        finding
            .place
            .as_ref()
            .map_or((usize::MAX, 0), |place| (place.part.is_some().into(), place.span.start))
    });
    findings
}

/// Moves places in the string of a configuration to where they stand in the whole, if
/// the string is a literal block.
fn outside(read: &ParsedDocument, findings: &mut [ProvisionFinding]) {
    let text = &read.doc.text;
    let Some(span) = read.doc.root.get(ocne::KEY).map(|node| node.span.clone()) else {
        return;
    };
    let block = &text[span.clone()];
    let Some(body) = block.find('\n').filter(|_| block.starts_with('|')).map(|end| span.start + end + 1)
    else {
        return;
    };
    let first = text[body..].lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let indent = first.len() - first.trim_start().len();
    let moved = |inner: &str, at: usize| {
        let line = inner[..at].matches('\n').count();
        let column = at - inner[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let start: usize = text[body..].split_inclusive('\n').take(line).map(str::len).sum();
        (body + start + indent + column).min(text.len())
    };
    let whole: Rc<str> = text.as_str().into();
    for finding in findings {
        let Some(spot) = finding.place.as_mut().filter(|spot| spot.is_inner && spot.part.is_none()) else {
            continue;
        };
        let (start, end) = (moved(&spot.text, spot.span.start), moved(&spot.text, spot.span.end));
        if text.is_char_boundary(start) && text.is_char_boundary(end) {
            *spot =
                TextSpan { text: whole.clone(), is_inner: false, part: None, span: start..end.max(start) };
        }
    }
}
