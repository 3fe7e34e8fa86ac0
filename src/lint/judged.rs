//! What the judgement says, as findings: why engines stop or do less than they should.
//!
//! Nothing is decided here. What is added is which engines and users it is about, and the
//! fix, where there is one right answer.

use std::path::Path;

use super::essentials;
use super::finding::{LintFindings, RuleHit};
use super::input::{LintFile, LintInput};
use crate::conf::Splice;
use crate::engine::{Effect, Engines, FileRole, Reason, Site};
use crate::judgement::{Reader, sentence};
use crate::problem::Problem;

/// Every reason with this id.
pub(super) fn check(input: &LintInput<'_>, id: &str, findings: &mut LintFindings<'_, '_>) {
    let mut all: Vec<(Reason, Vec<Reader>)> = Vec::new();
    for (reader, judgement) in input.judged() {
        for reason in judgement.reasons.iter().filter(|reason| reason.id == id) {
            gather_by_place(&mut all, reader, reason);
        }
    }
    // One finding for what is the same and has several effects.
    let mut told: Vec<usize> = Vec::new();
    for index in 0..all.len() {
        if told.contains(&index) {
            continue;
        }
        let (reason, _) = &all[index];
        let same = |other: &Reason| other.message == reason.message && other.place == reason.place;
        let group: Vec<usize> = (index..all.len()).filter(|&other| same(&all[other].0)).collect();
        let effects: Vec<String> = group.iter().map(|&at| sentence(&all[at].1, all[at].0.effect)).collect();
        let stopped = |users: bool| -> Engines {
            let stop = group.iter().filter(|&&at| all[at].0.effect == Effect::Stops);
            let readers = stop.flat_map(|&at| &all[at].1);
            readers.filter(|reader| reader.is_of_users() == users).map(|reader| reader.profile).collect()
        };
        let with_it: Vec<&Reader> = group.iter().flat_map(|&at| &all[at].1).collect();
        let engines = with_it.iter().map(|reader| reader.profile).collect();
        let found = RuleHit::new(engines, &reason.message, effects.join("; "), &reason.hint);
        let found = RuleHit {
            problem: Problem { stops: stopped(false), stops_users: stopped(true), ..found.problem },
            may_not_concern: input.may_not_concern(reason, &with_it),
            fix: fix(input, reason),
        };
        put(input, reason, found, findings);
        told.extend(group);
    }
}

/// As [`crate::judgement::gather`], but what stands in two places is told of both.
fn gather_by_place(all: &mut Vec<(Reason, Vec<Reader>)>, reader: &Reader, reason: &Reason) {
    match all.iter_mut().find(|(other, _)| other.is_like(reason) && other.place == reason.place) {
        Some((_, readers)) => readers.push(reader.clone()),
        None => all.push((reason.clone(), vec![reader.clone()])),
    }
}

fn put(input: &LintInput<'_>, reason: &Reason, found: RuleHit, findings: &mut LintFindings<'_, '_>) {
    let Some(site) = &reason.place else {
        return findings.add_elsewhere(None, found);
    };
    match input.files.iter().find(|file| file.path == site.file) {
        Some(file) if site.span.is_empty() && site.span.start == 0 => findings.add_for_file(file, found),
        Some(file) => findings.add(file, &site.span, found),
        None => match text_of(input, &site.file) {
            Some(text) => findings.add_in_text(&site.file, text, &site.span, found),
            None => findings.add_elsewhere(Some(site.file.clone()), found),
        },
    }
}

/// The text of a file that is none of storage.conf's.
fn text_of<'i>(input: &'i LintInput<'_>, path: &Path) -> Option<&'i str> {
    let files = input.judged().flat_map(|(_, judgement)| &judgement.reading.files);
    files.into_iter().find(|file| file.path == path).map(|file| file.text.as_ref())
}

/// The one right answer.
fn fix(input: &LintInput<'_>, reason: &Reason) -> Option<Vec<Splice>> {
    let site = reason.place.as_ref()?;
    let file = input.files.iter().find(|file| file.path == site.file)?;
    let text = file.text.get(site.span.clone())?;
    match reason.id {
        "byte-order-mark" => Some(vec![Splice::delete(site.span.clone())]),
        "native-boolean" => Some(vec![Splice { range: site.span.clone(), text: format!("\"{text}\"") }]),
        "quoted-boolean" => {
            let bare = text.trim_matches(['"', '\'']);
            ["true", "false"]
                .contains(&bare)
                .then(|| vec![Splice { range: site.span.clone(), text: bare.to_owned() }])
        }
        "append-in-main" => append_in_main(input, file, site),
        "missing-runroot" | "missing-graphroot" => essentials::fix(input, file),
        _ => None,
    }
}

/// `append` is sticky: that of a main file means the drop-ins behind it.
fn append_in_main(input: &LintInput<'_>, file: &LintFile, site: &Site) -> Option<Vec<Splice>> {
    let doc = file.doc.as_ref().ok()?;
    let mut left: Vec<&crate::conf::SetKey> = file.keys.iter().collect();
    while let Some(key) = left.pop() {
        left.extend(&key.inner);
        let Some(index) = key.items.iter().position(|span| *span == site.span) else {
            continue;
        };
        let name = key.dotted();
        let means_others =
            input.files.iter().any(|other| other.kind != FileRole::Main && other.key(&name).is_some());
        return (!means_others).then(|| doc.without_item(key, index));
    }
    None
}
