//! `list-images --store`: the images of the host's stores, and who uses them.

use std::path::Path;

use serde::Serialize;

use super::list_stores::aligned;
use super::output::Output;
use super::readers_json::{ReadersJson, ShadowJson};
use super::{Status, inside};
use crate::inventory::{self, HostLayers, HostStores, ListedImage};
use crate::judgement::names;
use crate::plan::Host;
use crate::problem::{Problem, size};
use crate::store::artifacts::StoredArtifact;
use crate::store::short_id;

#[derive(Serialize)]
struct ListStoredJson<'a> {
    version: u32,
    images: Vec<StoredImageJson<'a>>,
    artifacts: Vec<StoredArtifactJson<'a>>,
    not_looked: &'a [Problem],
}

#[derive(Serialize)]
struct StoredImageJson<'a> {
    name: Option<&'a str>,
    id: Option<&'a str>,
    digest: Option<&'a str>,
    created: Option<String>,
    bytes: Option<u64>,
    store: String,
    own: bool,
    #[serde(flatten)]
    readers: ReadersJson,
    shadowed_by: Vec<ShadowJson<'a>>,
}

#[derive(Serialize)]
struct StoredArtifactJson<'a> {
    name: Option<&'a str>,
    digest: &'a str,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    subject: Option<&'a str>,
    bytes: Option<u64>,
    store: String,
}

pub(super) fn list(host: &Host, store: Option<&Path>, output: &Output) -> anyhow::Result<Status> {
    let mut stores = HostStores::read(host);
    let only = match store {
        None => None,
        Some(path) => {
            let path = inside(host, path)?;
            let place = stores.place(host, &path, &host.driver());
            let missing = || {
                let message = format!("the store `{}` does not exist", host.show(&path));
                Problem::new("store-missing", message, "`storagectl list-stores` shows those that are listed")
            };
            Some(place.ok_or_else(missing)?)
        }
    };
    let layers = HostLayers::read(host, &stores);
    let listed = inventory::list(&stores, |place| only.is_none_or(|only| only == place));
    let not_looked: Vec<Problem> = stores.not_looked.iter().chain(&layers.not_looked).cloned().collect();
    let of_stores =
        stores.stores.iter().enumerate().filter(|(place, _)| only.is_none_or(|only| only == *place));
    let artifacts: Vec<(&Path, &StoredArtifact)> = of_stores
        .flat_map(|(_, store)| store.artifacts.iter().map(|artifact| (store.path.as_path(), artifact)))
        .collect();
    let status = if not_looked.is_empty() { Status::Done } else { Status::Failed };
    if output.json {
        let images = listed.iter().map(|it| line(host, &layers, it)).collect();
        let artifacts = artifacts.iter().map(|(store, it)| artifact_line(host, store, it)).collect();
        output.print_json(&ListStoredJson { version: 1, images, artifacts, not_looked: &not_looked })?;
        return Ok(status);
    }
    for problem in &not_looked {
        output.warning(&format!("{}; {}", problem.message, problem.hint));
    }
    for order in &stores.orders {
        if let Some(stop) = &order.stop {
            let who = names(std::slice::from_ref(&order.reader));
            output.warning(&format!("{who} uses no image: {}; {}", stop.message, stop.hint));
        }
    }
    let all = stores.orders.iter().filter(|order| order.stop.is_none()).count();
    let is_alike = |it: &ListedImage<'_>| it.visibility.serves.len() == all;
    let is_shadowed = listed.iter().any(|it| !it.visibility.shadows.is_empty());
    let shown = [true, true, true, true, !listed.iter().all(is_alike), is_shadowed];
    let heads = ["NAME", "IMAGE ID", "SIZE", "STORE", "USED BY", "SHADOWED BY"];
    let mut rows = vec![heads.map(str::to_owned)];
    for it in &listed {
        let used_by = match &it.visibility.serves[..] {
            [] => "-".to_owned(),
            _ if is_alike(it) => "all".to_owned(),
            readers => names(readers),
        };
        let shadows = it.visibility.shadows.iter().map(|shadow| host.show(&shadow.by.store.path));
        let shadows = shadows.collect::<Vec<_>>().join(",");
        rows.push([
            it.name.unwrap_or("<none>").to_owned(),
            short_id(it.at.image.id.as_deref().unwrap_or("-")).to_owned(),
            layers.size(it.at.image).map_or_else(|| "-".to_owned(), size),
            host.show(&it.at.store.path),
            used_by,
            if shadows.is_empty() { "-".to_owned() } else { shadows },
        ]);
    }
    match rows.len() {
        1 => output.status("there is no image"),
        _ => output.print_lines(&aligned(&rows, shown))?,
    }
    if !artifacts.is_empty() {
        let heads = ["ARTIFACT", "DIGEST", "SIZE", "STORE", "TYPE"];
        let mut rows = vec![heads.map(str::to_owned)];
        rows.extend(artifacts.iter().map(|(store, it)| {
            let line = artifact_line(host, store, it);
            let or = |text: Option<&str>, none: &str| text.unwrap_or(none).escape_debug().to_string();
            [
                or(line.name, "<none>"),
                short_id(line.digest.trim_start_matches("sha256:")).to_owned(),
                line.bytes.map_or_else(|| "-".to_owned(), size),
                line.store,
                or(line.kind, "damaged"),
            ]
        }));
        output.print_lines(&aligned(&rows, [true; 5]))?;
    }
    Ok(status)
}

fn artifact_line<'a>(host: &Host, store: &Path, artifact: &'a StoredArtifact) -> StoredArtifactJson<'a> {
    let manifest = artifact.manifest.as_ref().ok();
    StoredArtifactJson {
        name: artifact.name.as_deref(),
        digest: &artifact.digest,
        kind: manifest.map(|manifest| manifest.kind.as_str()),
        subject: manifest.and_then(|manifest| Some(manifest.subject.as_ref()?.as_str())),
        bytes: manifest.map(|manifest| manifest.bytes),
        store: host.show(store),
    }
}

fn line<'a>(host: &Host, layers: &HostLayers, it: &ListedImage<'a>) -> StoredImageJson<'a> {
    let image = it.at.image;
    StoredImageJson {
        name: it.name,
        id: image.id.as_deref(),
        digest: image.digest.as_deref(),
        created: image.created(),
        bytes: layers.size(image),
        store: host.show(&it.at.store.path),
        own: it.at.store.is_own,
        readers: ReadersJson::new(&it.visibility.serves),
        shadowed_by: it.visibility.shadows.iter().map(|shadow| ShadowJson::new(host, shadow)).collect(),
    }
}
