//! What on this host has an engine say what it said.

use std::cell::OnceCell;
use std::path::Path;

use super::recognize::RecognizedMessage;
use crate::doctor::{Diagnosis, diagnose_for, room_of};
use crate::engine::Engines;
use crate::inventory::{HostStores, Reference, SearchOrder};
use crate::judgement::names;
use crate::plan::Host;
use crate::problem::{Problem, Severity, shell_word};
use crate::store::check::StoreFinding;

/// How many causes of one message are told, where none is known to be the one.
const FEW: usize = 3;

/// A message with what causes it.
#[derive(Debug)]
pub struct ExplainedMessage {
    /// What was said.
    pub recognized: RecognizedMessage,
    /// What causes it on this host, the likeliest first; none if it is not so any more.
    pub causes: Vec<Problem>,
}

/// Looks for the causes of messages on a host, of which `diagnosis` is what doctor found.
///
/// Where that is nothing, any engine may have spoken: one whose configuration stops it does not say
/// which it is, and is taken for another.
pub fn explain(
    host: &Host,
    diagnosis: &Diagnosis,
    recognized: Vec<RecognizedMessage>,
) -> Vec<ExplainedMessage> {
    let of_all = OnceCell::new();
    let explained = |recognized: RecognizedMessage| {
        let mut causes = causes(host, diagnosis, &recognized);
        if causes.is_empty() {
            let of_all = of_all.get_or_init(|| diagnose_for(host, Some(Engines::ALL)).unwrap_or_default());
            causes = self::causes(host, of_all, &recognized);
        }
        ExplainedMessage { recognized, causes }
    };
    recognized.into_iter().map(explained).collect()
}

/// Something that was found, and how much of what was said it is about.
struct Candidate<'a> {
    problem: &'a Problem,
    /// What the finding is about: a store, a file, a layer, an image.
    about: usize,
    place: usize,
}

fn causes(host: &Host, diagnosis: &Diagnosis, recognized: &RecognizedMessage) -> Vec<Problem> {
    let place = |problem: &Problem| recognized.message.causes.iter().position(|id| *id == problem.id);
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    let mut put = |problem, about| {
        if let Some(place) = place(problem).filter(|_| problem.severity != Severity::Note) {
            candidates.push(Candidate { problem, about, place });
        }
    };
    for problem in diagnosis.configuration.iter().chain(&diagnosis.own) {
        put(problem, about(recognized, problem));
    }
    for finding in &diagnosis.stores {
        let about = about_store(recognized, finding);
        // A container's layer, which the message names, is what comes of the store's.
        let is_containers = finding.images.is_empty() && is_own(diagnosis, &finding.store);
        put(&finding.problem, if is_containers { about.min(1) } else { about });
    }
    // Where a store is named, it is that one.
    if recognized.named("store").is_some() {
        candidates.retain(|candidate| candidate.about > 0);
    }
    let most = candidates.iter().map(|candidate| candidate.about).max().unwrap_or_default();
    candidates.retain(|candidate| candidate.about == most);
    candidates.sort_by_key(|candidate| (candidate.place, candidate.problem.severity));
    let mut causes: Vec<Problem> = Vec::new();
    for candidate in candidates {
        // One thing that two checks found is told once.
        if !causes
            .iter()
            .any(|cause| cause.id == candidate.problem.id && most == 0 || *cause == *candidate.problem)
        {
            causes.push(candidate.problem.clone());
        }
    }
    causes.truncate(FEW);
    // Engines write elsewhere, too.
    if causes.is_empty() && recognized.message.causes.contains(&"disk-full") {
        causes.extend(recognized.named("path").and_then(|path| room_of(host, Path::new(path))));
    }
    // Where a store is broken, that is why the image is not seen.
    let is_broken = causes.iter().any(|cause| cause.severity == Severity::Error);
    if !is_broken && most == 0 && recognized.message.causes.contains(&"image-unseen") {
        let unseen = recognized.named("image").and_then(|image| unseen(host, image));
        let place = if unseen.as_ref().is_some_and(|it| it.id == "image-unseen") { 0 } else { causes.len() };
        causes.splice(place..place, unseen);
    }
    causes
}

fn is_own(diagnosis: &Diagnosis, store: &Path) -> bool {
    diagnosis.storages.iter().any(|storage| storage.path == store && !storage.own_of.is_empty())
}

/// How much of what was said a problem is about: its line, and the things in its message.
fn about(recognized: &RecognizedMessage, problem: &Problem) -> usize {
    let place = problem.place.as_deref();
    let line = place.filter(|place| place.position().is_some()).map(|place| place.line.to_string());
    let same_line = line.is_some_and(|line| recognized.named("line") == Some(line.as_str()));
    let things = problem.message.split('`').skip(1).step_by(2);
    let mut things = things.filter(|thing| thing.len() > 3);
    2 * usize::from(same_line) + usize::from(things.any(|thing| mentions(&recognized.line, thing)))
}

fn about_store(recognized: &RecognizedMessage, finding: &StoreFinding) -> usize {
    let line = &recognized.line;
    // Inside a tree, since the engine is at home there.
    let has = |path: &Path| mentions(line, &path.to_string_lossy());
    let at = finding.path.as_deref().is_some_and(has);
    let layer = finding.layer.as_deref().is_some_and(|layer| mentions(line, layer));
    let image = finding.images.iter().any(|image| mentions(line, image));
    let exactly = 4 * usize::from(at || layer) + 2 * usize::from(image);
    exactly + usize::from(has(&finding.store))
}

/// Whether a line has this name, and not only as the start of another.
fn mentions(line: &str, name: &str) -> bool {
    let goes_on = |next: char| next.is_alphanumeric() || "_-".contains(next);
    !name.is_empty()
        && line.match_indices(name).any(|(start, _)| {
            let next = line[start + name.len()..].chars().next();
            !(next.is_some_and(goes_on) || line[..start].ends_with(|c: char| c.is_alphanumeric()))
        })
}

/// Why an engine may not have found an image: no store has it, or not every engine sees the one
/// that does.
fn unseen(host: &Host, image: &str) -> Option<Problem> {
    let stores = HostStores::read(host);
    let reference = match Reference::among(image, stores.images().map(|(_, image)| image)) {
        Ok(reference) => reference,
        Err(problem) => return (problem.id == "image-missing").then_some(problem),
    };
    let (finds, misses): (Vec<_>, Vec<_>) =
        stores.orders.iter().partition(|order| !stores.search(order, &reference).is_empty());
    let readers = |orders: &[&SearchOrder]| {
        let readers: Vec<_> = orders.iter().map(|order| order.reader.clone()).collect();
        names(&readers)
    };
    let shown = reference.as_str();
    let hint = format!("`storagectl show-image {}` says where it is", shell_word(shown));
    match (finds.is_empty(), misses.is_empty()) {
        (true, _) => {
            let hint = "`storagectl copy-images` copies an embedded image; any other has to be pulled or built into a store";
            Some(Problem::new("image-missing", format!("no store has an image `{shown}`"), hint))
        }
        (false, false) => {
            let message =
                format!("`{shown}` is seen by {}, and not by {}", readers(&finds), readers(&misses));
            Some(Problem::new("image-unseen", message, hint))
        }
        (false, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mentioned_as_a_whole() {
        assert!(mentions("stat /srv/app: no such", "/srv/app"));
        assert!(mentions("open /srv/app/overlay-images/images.lock: x", "/srv/app"));
        assert!(!mentions("stat /srv/app2: no such", "/srv/app"));
        assert!(!mentions("stat /mnt/srv/app: no such", "srv/app2"));
        assert!(!mentions("anything", ""));
    }
}
