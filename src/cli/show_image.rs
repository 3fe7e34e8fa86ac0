//! `show-image`: which image of which store each engine uses for a reference.

use clap::Args;
use serde::Serialize;

use super::counted::counted;
use super::output::Output;
use super::readers_json::{ReadersJson, ShadowJson};
use super::terminal_text::line;
use super::{Common, Status};
use crate::engine::Reason;
use crate::inventory::{
    self, EngineAnswer, HostLayers, HostStores, ImageAt, Reference, ShownImage, ShownReference,
};
use crate::judgement::{Identity, Reader, names};
use crate::plan::Host;
use crate::problem::{Engines, Problem, Profile, Severity, size};
use crate::store::short_id;

/// Show which store serves an image
///
/// Engines look in their own storage first and then in the additional stores, in the
/// order of the list, and use the first image that fits. show-image follows each engine
/// of this host, for root and for normal users, and shows every image that the reference
/// means, with what shares its layers and what shadows it. It reads records and starts no
/// engine. The exit status is 1 if no store has such an image.
///
/// A name without a registry is completed if one image alone fits it.
#[derive(Debug, Args)]
pub(super) struct ShowImage {
    /// The image: a name with a tag or a digest, or an id or its first digits
    #[arg(value_name = "REF")]
    reference: String,
}

#[derive(Serialize)]
struct ShowImageJson<'a> {
    version: u32,
    reference: &'a str,
    engines: Vec<AnswerJson<'a>>,
    images: Vec<UsedImageJson<'a>>,
    not_looked: &'a [Problem],
}

#[derive(Serialize)]
struct AnswerJson<'a> {
    engine: Profile,
    user: Identity,
    store: Option<String>,
    id: Option<&'a str>,
    digest: Option<&'a str>,
    stop: Option<Problem>,
}

#[derive(Serialize)]
struct UsedImageJson<'a> {
    store: String,
    own: bool,
    driver: &'a str,
    id: Option<&'a str>,
    digest: Option<&'a str>,
    names: &'a [String],
    created: Option<String>,
    bytes: Option<u64>,
    shared: u64,
    #[serde(flatten)]
    readers: ReadersJson,
    shadowed_by: Vec<ShadowJson<'a>>,
    layers: Vec<LayerJson<'a>>,
    shares_with: Vec<SharingJson<'a>>,
}

#[derive(Serialize)]
struct LayerJson<'a> {
    id: &'a str,
    digest: Option<&'a str>,
    bytes: Option<u64>,
    store: String,
}

#[derive(Serialize)]
struct SharingJson<'a> {
    store: String,
    id: Option<&'a str>,
    names: &'a [String],
    layers: usize,
    bytes: u64,
}

impl ShowImage {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let stores = HostStores::read(&host);
        let layers = HostLayers::read(&host, &stores);
        let reference = Reference::among(&self.reference, stores.images().map(|(_, image)| image));
        let reference = match reference {
            Err(problem) if problem.id == "image-missing" => Reference::Name(self.reference.clone()),
            reference => reference?,
        };
        let shown = inventory::show(&stores, &layers, &reference);
        let not_looked: Vec<Problem> = stores.not_looked.iter().chain(&layers.not_looked).cloned().collect();
        if output.json {
            output.print_json(&document(&host, &stores, &reference, &shown, &not_looked))?;
        } else {
            for problem in &not_looked {
                output.warning(&format!("{}; {}", problem.message, problem.hint));
            }
            page(&host, &reference, &shown, output)?;
        }
        if shown.images.is_empty() {
            let message = format!("no store has an image `{}`", reference.as_str());
            let hint = "`storagectl list-images --store` shows the images of all stores";
            output.problem(&Problem::new("image-missing", message, hint));
        }
        Ok(match (not_looked.is_empty(), shown.images.is_empty()) {
            (false, _) => Status::Failed,
            (true, true) => Status::No,
            (true, false) => Status::Done,
        })
    }
}

fn page(
    host: &Host,
    reference: &Reference,
    shown: &ShownReference<'_>,
    output: &Output,
) -> anyhow::Result<()> {
    for (index, it) in shown.images.iter().enumerate() {
        let rows = rows(host, it).into_iter();
        let rows = rows.map(|(label, value)| format!("  {label:<8}  {}\n", line(&value)));
        let gap = if index == 0 { "" } else { "\n" };
        output.print_lines(&format!("{gap}{}\n{}", line(reference.as_str()), rows.collect::<String>()))?;
    }
    for answer in &shown.answers {
        let who = names(std::slice::from_ref(&answer.reader));
        match answer.stop {
            Some(stop) => output.warning(&format!("{who} uses no image: {}; {}", stop.message, stop.hint)),
            None if answer.image.is_none() && !shown.images.is_empty() => {
                output.warning(&format!("{who} finds no such image"));
            }
            None => {}
        }
    }
    Ok(())
}

fn rows(host: &Host, it: &ShownImage<'_>) -> Vec<(&'static str, String)> {
    let image = it.at.image;
    let or_dash =
        |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
    let serves = Some(&it.visibility.serves).filter(|readers| !readers.is_empty());
    let total = it.size.map_or_else(|| "unknown".to_owned(), size);
    let shared = match it.shared {
        0 => String::new(),
        shared => format!(", of which other images have {}", size(shared)),
    };
    let mut rows = vec![
        ("store", host.show(&it.at.store.path)),
        ("used by", serves.map_or_else(|| "no engine".to_owned(), |readers| names(readers))),
        ("id", or_dash(image.id.clone())),
        ("digest", or_dash(image.digest.clone())),
        ("names", or_dash(image.names.as_ref().map(|names| names.join(", ")))),
        ("created", or_dash(image.created())),
        ("size", format!("{total} in {}{shared}", counted(it.layers.len(), "layer"))),
    ];
    rows.extend(it.sharing.iter().map(|sharing| {
        let what = format!("{} ({})", counted(sharing.layers, "layer"), size(sharing.bytes));
        ("shares", format!("{what} with {}", title(host, &sharing.at)))
    }));
    rows.extend(it.visibility.shadows.iter().map(|shadow| {
        // Neither says so: an older image in an earlier place is what engines use.
        let is_older = shadow.by.image.is_older_than(image);
        let age = if is_older { ", which is older" } else { "" };
        ("shadowed", format!("for {} by {}{age}", names(&shadow.readers), title(host, &shadow.by)))
    }));
    rows
}

/// An image in a sentence: its first name, or the start of its id, and its store.
fn title(host: &Host, at: &ImageAt<'_>) -> String {
    let name = at.image.names.iter().flatten().next();
    let id = short_id(at.image.id.as_deref().unwrap_or_default());
    let what = name.map_or_else(|| id.to_owned(), |name| format!("{name} ({id})"));
    format!("{what} in {}", host.show(&at.store.path))
}

fn document<'a>(
    host: &Host,
    stores: &HostStores,
    reference: &'a Reference,
    shown: &'a ShownReference<'_>,
    not_looked: &'a [Problem],
) -> ShowImageJson<'a> {
    ShowImageJson {
        version: 1,
        reference: reference.as_str(),
        engines: shown.answers.iter().map(|answer| answer_json(host, answer)).collect(),
        images: shown.images.iter().map(|it| image_json(host, stores, it)).collect(),
        not_looked,
    }
}

fn answer_json<'a>(host: &Host, answer: &'a EngineAnswer<'_>) -> AnswerJson<'a> {
    AnswerJson {
        engine: answer.reader.profile,
        user: answer.reader.identity,
        store: answer.image.map(|at| host.show(&at.store.path)),
        id: answer.image.and_then(|at| at.image.id.as_deref()),
        digest: answer.image.and_then(|at| at.image.digest.as_deref()),
        stop: answer.stop.map(|reason| stop(&answer.reader, reason)),
    }
}

fn stop(reader: &Reader, reason: &Reason) -> Problem {
    let one = Engines::one(reader.profile);
    let (stops, stops_users) = match reader.is_of_users() {
        true => (Engines::NONE, one),
        false => (one, Engines::NONE),
    };
    let problem = Problem::found(reason.id, Severity::Error, reason.message.clone(), reason.hint.clone());
    Problem { engines: one, stops, stops_users, ..problem }
}

fn image_json<'a>(host: &Host, stores: &HostStores, it: &'a ShownImage<'_>) -> UsedImageJson<'a> {
    let image = it.at.image;
    let layers = it.layers.iter().map(|layer| LayerJson {
        id: layer.id,
        digest: layer.digest,
        bytes: layer.size,
        store: host.show(&stores.stores[layer.place].path),
    });
    let shares_with = it.sharing.iter().map(|sharing| SharingJson {
        store: host.show(&sharing.at.store.path),
        id: sharing.at.image.id.as_deref(),
        names: sharing.at.image.names.as_deref().unwrap_or_default(),
        layers: sharing.layers,
        bytes: sharing.bytes,
    });
    UsedImageJson {
        store: host.show(&it.at.store.path),
        own: it.at.store.is_own,
        driver: &it.at.store.driver,
        id: image.id.as_deref(),
        digest: image.digest.as_deref(),
        names: image.names.as_deref().unwrap_or_default(),
        created: image.created(),
        bytes: it.size,
        shared: it.shared,
        readers: ReadersJson::new(&it.visibility.serves),
        shadowed_by: it.visibility.shadows.iter().map(|shadow| ShadowJson::new(host, shadow)).collect(),
        layers: layers.collect(),
        shares_with: shares_with.collect(),
    }
}
