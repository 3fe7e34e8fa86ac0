//! The page as data.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::conf::Leaf;
use crate::doctor::{Crio, Diagnosis, ImageLine, Setting, Storage, StoragePlace, commands};
use crate::engine::{Origin, Profile, Sourced};
use crate::judgement::Judgement;
use crate::plan::Host;

/// The fields of `--format json`, for the man page.
pub const FIELDS: &[(&str, &str)] = &[
    ("version", "1"),
    ("engines[].name", "`podman`, `buildah`, `skopeo` or `crio`"),
    ("engines[].path", "the program"),
    ("engines[].version", "its version, or null if it does not say"),
    ("engines[].library", "the minor version of its storage library, or null"),
    ("engines[].generation", "`podman4`, `podman5`, `crio` or `podman6`"),
    ("views[].engine", "a generation"),
    ("views[].own[]", "its own storage: imagestore and graphroot"),
    ("views[].stores[]", "the additional stores that it sees"),
    ("views[].error", "why it stops, or null"),
    ("crio", "null if CRI-O is not installed"),
    ("crio.settings", "by key: value, and file and line, or null for a default"),
    ("crio.wipe_unit.state", "`missing`, `masked`, `disabled` or `enabled`: crio-wipe.service"),
    ("crio.wipe_unit.file", "the file that decides that, or null"),
    ("crio.runs", "whether it runs, or null in a tree"),
    ("crio.has_run", "whether it has started with these settings"),
    ("crio.stopped_cleanly", "whether it was stopped cleanly since"),
    ("crio.changed_since[]", "files that were changed after it had started"),
    ("storages[].path", "a directory with images"),
    ("storages[].driver", "its storage driver"),
    ("storages[].own_of[]", "the engines whose own storage it is"),
    ("storages[].listed_by[]", "the engines that see it as an additional store"),
    ("storages[].in_crio_root", "whether it is CRI-O's own storage or inside it"),
    ("storages[].in_memory", "whether its file system is in memory"),
    ("storages[].images", "how many images it has, or null if that cannot be told"),
    ("findings[].id", "a name of storagectl-check-config(1), storagectl-check-store(1) or of this page"),
    ("findings[].severity", "`error`, `warning` or `note`"),
    ("findings[].message", "what is wrong"),
    ("findings[].hint", "what helps"),
    ("findings[].stops[]", "the engines that stop because of it"),
    ("warnings.check_config", "how many warnings that command has"),
    ("warnings.check_store", "how many warnings that command has"),
    ("images[].names[]", "the image's names"),
    ("images[].id", "its id"),
    ("images[].storage", "the directory that it is in"),
    ("images[].built_on", "the storage with the layer below one of its own, or null"),
    ("images[].answer", "`survives`, `wiped`, `at-risk` or `unknown`"),
    ("images[].because", "why"),
    ("images[].setting", "what decides: name, value, file and line; or null"),
    ("images[].safe[]", "commands that make it safe; what begins with `#` is a word about them"),
    ("pin_file", "the drop-in that keeps kubelet from removing images, or null if none is needed"),
    ("pin_file.path", "where to put it"),
    ("pin_file.text", "its text"),
    ("pin_file.images[]", "the images that are not pinned"),
    ("not_looked[].id", "the name of a problem that kept from looking, see storagectl(1)"),
    ("not_looked[].message", "what could not be looked at"),
    ("not_looked[].hint", "what helps"),
];

/// Everything about a host, in the order of the page.
#[derive(Serialize)]
pub(super) struct Document {
    version: u32,
    engines: Vec<Json>,
    views: Vec<Json>,
    crio: Option<Json>,
    storages: Vec<Json>,
    findings: Vec<Json>,
    warnings: Json,
    images: Vec<Json>,
    pin_file: Option<Json>,
    not_looked: Vec<Json>,
}

/// Everything about a host.
pub(super) fn document(host: &Host, diagnosis: &Diagnosis) -> Document {
    let engines = diagnosis.programs.iter().map(|program| {
        json!({
            "name": program.name,
            "path": host.show(&program.path),
            "version": program.version.as_deref().map(|version| version.trim_start_matches('v')),
            "library": program.library,
            "generation": program.profile(),
        })
    });
    let findings = diagnosis.troubles.iter().map(|trouble| {
        json!({
            "id": trouble.id,
            "severity": trouble.severity,
            "message": trouble.message,
            "hint": trouble.hint,
            "stops": trouble.stops.list().collect::<Vec<Profile>>(),
        })
    });
    let problems = diagnosis.storages.iter().filter_map(|storage| storage.images.as_ref().err());
    let not_looked = diagnosis
        .not_looked
        .iter()
        .chain(problems)
        .map(|problem| json!({ "id": problem.id, "message": problem.message, "hint": problem.hint }));
    Document {
        version: 1,
        engines: engines.collect(),
        views: diagnosis.judgements.iter().map(|judgement| view(judgement)).collect(),
        crio: diagnosis.crio.as_ref().map(|crio| settings(host, crio)),
        storages: diagnosis.storages.iter().map(|it| storage(host, it)).collect(),
        findings: findings.collect(),
        warnings: json!({ "check_config": diagnosis.warnings.0, "check_store": diagnosis.warnings.1 }),
        images: diagnosis.images.iter().map(|image| line(host, diagnosis, image)).collect(),
        pin_file: diagnosis
            .pin_file
            .as_ref()
            .map(|file| json!({ "path": host.show(&file.path), "text": file.text, "images": file.images })),
        not_looked: not_looked.collect(),
    }
}

fn view(judgement: &Judgement) -> Json {
    let reading = &judgement.reading;
    let own = [&reading.imagestore, &reading.graphroot].into_iter().flatten();
    json!({
        "engine": reading.profile,
        "own": own.map(|root| root.value.as_str()).collect::<Vec<_>>(),
        "stores": reading.paths(),
        "error": judgement.stop().map(|reason| &reason.message),
    })
}

fn settings(host: &Host, crio: &Crio) -> Json {
    fn one<T: serde::Serialize>(value: &Sourced<T>) -> Json {
        let (file, line) = place(&value.origin);
        json!({ "value": value.value, "file": file, "line": line })
    }
    let (state, file) = crio.wipe_unit.state();
    json!({
        "settings": {
            "root": one(&crio.root),
            "imagestore": crio.imagestore.as_ref().map(one),
            "storage_option": crio.storage_option.iter().map(one).collect::<Vec<_>>(),
            "clean_shutdown_file": one(&crio.clean_shutdown_file),
            "internal_wipe": one(&crio.internal_wipe),
            "internal_repair": one(&crio.internal_repair),
            "version_file": one(&crio.version_file),
            "version_file_persist": one(&crio.version_file_persist),
            "pinned_images": one(&crio.pinned_images),
        },
        "wipe_unit": { "state": state, "file": file },
        "runs": crio.runs,
        "has_run": crio.has_run,
        "stopped_cleanly": crio.stopped_cleanly,
        "changed_since": crio.changed_since.iter().map(|file| host.show(file)).collect::<Vec<_>>(),
    })
}

fn storage(host: &Host, storage: &Storage) -> Json {
    json!({
        "path": host.show(&storage.path),
        "driver": storage.driver,
        "own_of": storage.own_of.list().collect::<Vec<Profile>>(),
        "listed_by": storage.listed_by.list().collect::<Vec<Profile>>(),
        "in_crio_root": storage.place != StoragePlace::Apart,
        "in_memory": storage.in_memory,
        "images": storage.images.as_ref().ok().map(Vec::len),
    })
}

fn line(host: &Host, diagnosis: &Diagnosis, image: &ImageLine) -> Json {
    let storage = &diagnosis.storages[image.storage];
    let forecast = &image.forecast;
    let safe = forecast.remedy.as_ref().map(|remedy| {
        let names = [image.title()];
        commands(remedy, &storage.path, &storage.driver, &names)
    });
    json!({
        "names": image.names,
        "id": image.id,
        "storage": host.show(&storage.path),
        "built_on": image.built_on.as_ref().map(|path| host.show(path)),
        "answer": forecast.answer,
        "because": forecast.because,
        "setting": forecast.setting.as_ref().map(setting),
        "safe": safe.unwrap_or_default(),
    })
}

fn setting(setting: &Setting) -> Json {
    let (value, (file, line)) = match setting {
        Setting::Key { value: Leaf::Boolean(flag), origin, .. } => (json!(flag), place(origin)),
        Setting::Key { value: Leaf::String(text), origin, .. } => (json!(text), place(origin)),
        Setting::Key { origin, .. } => (Json::Null, place(origin)),
        Setting::WipeUnit(unit) => {
            let (state, file) = unit.state();
            (json!(state), (file, None))
        }
    };
    json!({ "name": setting.name(), "value": value, "file": file, "line": line })
}

/// A file and a line in it.
fn place(origin: &Origin) -> (Option<&std::path::Path>, Option<usize>) {
    match origin {
        Origin::File(site) => (Some(&site.file), Some(site.line)),
        Origin::Environment(_) | Origin::Default => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::diagnose;
    use crate::sys::Root;

    /// The names of all fields, as the man page writes them.
    fn names(value: &Json, name: &str, found: &mut Vec<String>) {
        match value {
            Json::Object(fields) => {
                for (key, value) in fields {
                    let dot = if name.is_empty() { "" } else { "." };
                    names(value, &format!("{name}{dot}{key}"), found);
                }
            }
            Json::Array(items) => items.iter().for_each(|item| names(item, &format!("{name}[]"), found)),
            _ => found.push(name.to_owned()),
        }
    }

    #[test]
    fn every_field_is_in_the_man_page() {
        let trees = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/doctor.in");
        let mut found = Vec::new();
        for tree in ["node", "broken", "bare"] {
            let host = Host::new(Root::tree(&trees.join(tree)).unwrap(), None);
            let document = document(&host, &diagnose(&host).unwrap());
            names(&serde_json::to_value(document).unwrap(), "", &mut found);
        }
        assert!(found.len() > 50, "{found:?}");
        for name in found {
            // Some are documented together with what they are in.
            let known = |field: &&str| name == *field || name.starts_with(&format!("{field}."));
            assert!(FIELDS.iter().any(|(field, _)| known(field)), "{name}");
        }
    }
}
