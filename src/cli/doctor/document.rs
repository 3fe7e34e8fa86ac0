//! The page as data.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::conf::Leaf;
use crate::doctor::{Crio, Diagnosis, HostStorage, ImageLine, Setting, StoragePlace, commands};
use crate::engine::{Profile, Sourced, ValueOrigin};
use crate::judgement::Judgement;
use crate::plan::Host;
use crate::problem::Problem;

/// Everything about a host, in the order of the page.
#[derive(Serialize)]
pub(super) struct DoctorJson<'a> {
    version: u32,
    engines: Vec<Json>,
    views: Vec<Json>,
    crio: Option<Json>,
    storages: Vec<Json>,
    findings: &'a [Problem],
    fixes: Vec<Json>,
    warnings: Json,
    images: Vec<Json>,
    pin_file: Option<Json>,
    not_looked: Vec<&'a Problem>,
}

/// Everything about a host.
///
/// `fixes` are the steps that were done about it, or are offered.
pub(super) fn document<'a>(host: &Host, diagnosis: &'a Diagnosis, fixes: Vec<Json>) -> DoctorJson<'a> {
    let engines = diagnosis.programs.iter().map(|program| {
        json!({
            "name": program.name,
            "path": host.show(&program.path),
            "version": program.version.as_deref().map(|version| version.trim_start_matches('v')),
            "library": program.library,
            "generation": program.profile(),
        })
    });
    let problems = diagnosis.storages.iter().filter_map(|storage| storage.images.as_ref().err());
    DoctorJson {
        version: 1,
        engines: engines.collect(),
        views: diagnosis.judgements.iter().map(|judgement| view(judgement)).collect(),
        crio: diagnosis.crio.as_ref().map(|crio| settings(host, crio)),
        storages: diagnosis.storages.iter().map(|it| storage(host, it)).collect(),
        findings: &diagnosis.problems,
        fixes,
        warnings: json!({ "check_config": diagnosis.warnings.0, "check_store": diagnosis.warnings.1 }),
        images: diagnosis.images.iter().map(|image| line(host, diagnosis, image)).collect(),
        pin_file: diagnosis
            .pin_file
            .as_ref()
            .map(|file| json!({ "path": host.show(&file.path), "text": file.text, "images": file.images })),
        not_looked: diagnosis.not_looked.iter().chain(problems).collect(),
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

fn storage(host: &Host, storage: &HostStorage) -> Json {
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
fn place(origin: &ValueOrigin) -> (Option<&std::path::Path>, Option<usize>) {
    match origin {
        ValueOrigin::File(site) => (Some(&site.file), Some(site.line)),
        ValueOrigin::Environment(_) | ValueOrigin::Default => (None, None),
    }
}
