//! What a power cut now would do to an image: the table of rules, without a look at
//! the disk.
//!
//! After a reboot `crio wipe` (crio-wipe.service; internal/criocli/wipe.go) removes
//! CRI-O's root with everything in it, and all images of its imagestore, if its
//! version file is gone and it was not stopped cleanly. `internal_wipe` has no part in
//! that. When CRI-O starts after an unclean stop and `internal_repair` is set, it
//! checks its storage (internal/lib/container_server.go): what it takes for damaged
//! goes, and if the check itself fails, all. The check takes a layer for damaged if the
//! layer below it is in an additional store. tests/real/doctor.rs has a real CRI-O do
//! all of that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::crio::{Crio, WIPE_UNIT};
use super::unit::UnitState;
use crate::conf::Leaf;
use crate::engine::{Sourced, ValueOrigin};

/// What becomes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It would be removed, or is in memory.
    Wiped,
    /// It may be lost or unusable.
    AtRisk,
    /// That cannot be told.
    Unknown,
    /// It would be there afterwards.
    Survives,
}

impl Fate {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Wiped => "would be wiped",
            Self::AtRisk => "at risk",
            Self::Unknown => "unknown",
            Self::Survives => "survives",
        }
    }
}

/// What decides.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A key of CRI-O's configuration.
    Key {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: Leaf,
        /// Where it comes from.
        origin: ValueOrigin,
    },
    /// Whether crio-wipe.service runs at boot.
    WipeUnit(UnitState),
}

impl Setting {
    fn text(name: &'static str, value: &Sourced<String>) -> Self {
        Self::Key { name, value: Leaf::String(value.value.clone()), origin: value.origin.clone() }
    }

    fn flag(name: &'static str, value: &Sourced<bool>) -> Self {
        Self::Key { name, value: Leaf::Boolean(value.value), origin: value.origin.clone() }
    }

    /// The name of the key or unit.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Key { name, .. } => name,
            Self::WipeUnit(_) => WIPE_UNIT,
        }
    }
}

/// An answer, why, and what helps.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// What becomes of the image.
    pub answer: Fate,
    /// Why, as a sentence without a full stop.
    pub because: String,
    /// The setting that decides it.
    pub setting: Option<Setting>,
    /// What would make it safe.
    pub remedy: Option<Remedy>,
}

/// What would make an image safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A copy in a store of its own on a disk, or that CRI-O keeps its storage.
    CopyOrKeep,
    /// That CRI-O keeps its storage.
    Keep,
    /// A copy in a store of its own on a disk.
    Copy,
    /// The store belongs elsewhere.
    Move,
    /// CRI-O must not mend what is sound.
    NoRepair,
    /// This store must be mended or taken off the list.
    Mend(PathBuf),
    /// What is written must reach the disk.
    Sync,
    /// What is wrong must be mended; this helps.
    Hint(String),
}

/// What is known of CRI-O.
#[derive(Debug, Clone, Copy)]
pub struct Wiper<'a> {
    /// Its settings and state; `None` if it is not installed.
    pub crio: Option<&'a Crio>,
    /// Why it does not start, if it does not.
    pub stops: Option<&'a str>,
    /// A store whose layers it cannot read, so that its check fails.
    pub unreadable: Option<&'a Path>,
}

/// Where an image is, from CRI-O's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoragePlace {
    /// Its own storage.
    Own,
    /// An additional store inside its root.
    Inside,
    /// Its own storage is elsewhere.
    Apart,
}

/// What is known of an image.
#[derive(Debug, Clone, Copy)]
pub struct ImageFacts<'a> {
    /// Where it is.
    pub place: StoragePlace,
    /// Whether that is another engine's own storage.
    pub is_other_main: bool,
    /// Whether its file system is in memory.
    pub in_memory: bool,
    /// What is wrong with it, and what helps.
    pub damage: Option<(&'a str, &'a str)>,
    /// The store with the layer below one of its own.
    pub built_on: Option<&'a Path>,
    /// How long ago it was written, if nobody has synced it since.
    pub unsynced: Option<Duration>,
}

/// What CRI-O does to its own storage.
enum Wipe {
    Removes(String, Setting, Remedy),
    Waits(String, Setting),
    Keeps(String, Option<Setting>),
}

impl Wiper<'_> {
    fn wipe(&self) -> Wipe {
        let Some(crio) = self.crio else {
            return Wipe::Keeps(
                "CRI-O is not installed, and no other engine wipes its storage".to_owned(),
                None,
            );
        };
        let clean = &crio.clean_shutdown_file;
        let by_clean = || Setting::text("clean_shutdown_file", clean);
        let keeps = |because: &str, setting| Wipe::Keeps(because.to_owned(), Some(setting));
        if clean.value.is_empty() {
            return keeps("CRI-O does not check whether it was stopped cleanly", by_clean());
        }
        if !crio.has_run {
            let because = format!("CRI-O has not started here yet: `{}.supported` is missing", clean.value);
            return keeps(&because, by_clean());
        }
        if crio.stopped_cleanly {
            return keeps("CRI-O is stopped, and was stopped cleanly", by_clean());
        }
        let wipes = match (&crio.wipe_unit, crio.version_file_goes) {
            (UnitState::Enabled(_), true) if !crio.version_file.value.is_empty() => {
                let because = format!(
                    "after a reboot without a clean stop {WIPE_UNIT} removes all of CRI-O's own storage"
                );
                Ok((because, by_clean(), Remedy::CopyOrKeep))
            }
            (UnitState::Enabled(_), _) => Err((
                "CRI-O does not notice a reboot by this version file, so that nothing is wiped",
                Setting::text("version_file", &crio.version_file),
            )),
            _ => Err((
                "`crio wipe` does not run when this host boots",
                Setting::WipeUnit(crio.wipe_unit.clone()),
            )),
        };
        let wipes = match (wipes, self.unreadable) {
            (Err(_), Some(store)) if crio.internal_repair.value => {
                let because = format!(
                    "CRI-O's check after an unclean stop fails on the layers of `{}`, and then it removes all of its own storage",
                    store.display()
                );
                let setting = Setting::flag("internal_repair", &crio.internal_repair);
                Ok((because, setting, Remedy::Mend(store.to_owned())))
            }
            (wipes, _) => wipes,
        };
        match (wipes, self.stops) {
            (Ok((_, setting, _)), Some(why)) => Wipe::Waits(
                format!("CRI-O does not start ({why}); once it does, it wipes its own storage"),
                setting,
            ),
            (Ok((because, setting, remedy)), None) => Wipe::Removes(because, setting, remedy),
            (Err((because, setting)), _) => keeps(because, setting),
        }
    }

    /// Whether CRI-O looks for damage when it starts the next time.
    fn mends(&self) -> Option<&Crio> {
        let unclean = |crio: &&Crio| crio.mends() && crio.has_run && !crio.stopped_cleanly;
        self.crio.filter(unclean)
    }
}

/// What a power cut now would do to an image.
pub fn forecast(wiper: &Wiper<'_>, image: &ImageFacts<'_>) -> Forecast {
    let forecast = |answer, because: String| Forecast { answer, because, setting: None, remedy: None };
    if image.in_memory {
        let because = "its file system is in memory and is empty after a reboot".to_owned();
        return Forecast { remedy: Some(Remedy::Copy), ..forecast(Fate::Wiped, because) };
    }
    let elsewhere = image.place == StoragePlace::Apart && !image.is_other_main;
    if let Some(crio) = wiper.crio.filter(|crio| crio.options_decide && !elsewhere) {
        let file = crio.options_file.as_deref().unwrap_or(Path::new("its unit")).display();
        return forecast(
            Fate::Unknown,
            format!("`{file}` gives CRI-O arguments that decide about its storage and are not read"),
        );
    }
    let wipe = wiper.wipe();
    if image.place != StoragePlace::Apart {
        match &wipe {
            Wipe::Removes(because, setting, remedy) => {
                let remedy = match image.place {
                    StoragePlace::Inside => Remedy::Move,
                    _ => remedy.clone(),
                };
                let because = match image.place {
                    StoragePlace::Inside => format!("the store is inside CRI-O's root, and {because}"),
                    _ => because.clone(),
                };
                let setting = Some(setting.clone());
                return Forecast { setting, remedy: Some(remedy), ..forecast(Fate::Wiped, because) };
            }
            Wipe::Waits(because, setting) => {
                let setting = Some(setting.clone());
                return Forecast {
                    setting,
                    remedy: Some(Remedy::Keep),
                    ..forecast(Fate::AtRisk, because.clone())
                };
            }
            Wipe::Keeps(..) => {}
        }
    }
    let mends = wiper.mends().filter(|_| image.place == StoragePlace::Own && wiper.stops.is_none());
    if let Some((what, hint)) = image.damage {
        let removed = if mends.is_some() { "; CRI-O removes what it finds damaged" } else { "" };
        let remedy = Some(Remedy::Hint(hint.to_owned()));
        return Forecast { remedy, ..forecast(Fate::AtRisk, format!("{what}{removed}")) };
    }
    if let (Some(crio), Some(store)) = (mends, image.built_on) {
        let because = format!(
            "it is built on an image of `{}`, and CRI-O's repair after an unclean stop treats such an image as damaged",
            store.display()
        );
        let setting = Some(Setting::flag("internal_repair", &crio.internal_repair));
        return Forecast { setting, remedy: Some(Remedy::NoRepair), ..forecast(Fate::Wiped, because) };
    }
    if let Some(age) = image.unsynced {
        let because =
            format!("it was written {} seconds ago, and engines do not sync what they write", age.as_secs());
        return Forecast { remedy: Some(Remedy::Sync), ..forecast(Fate::AtRisk, because) };
    }
    match (image.place, wipe) {
        (StoragePlace::Apart, _) if image.is_other_main => {
            let because = match wiper.crio {
                Some(_) => "it is in podman's own storage, which is not CRI-O's, and podman wipes nothing",
                None => "CRI-O is not installed, and no other engine wipes its storage",
            };
            let setting = wiper.crio.map(|crio| Setting::text("root", &crio.root));
            Forecast { setting, ..forecast(Fate::Survives, because.to_owned()) }
        }
        (_, Wipe::Keeps(because, setting)) if image.place != StoragePlace::Apart => {
            Forecast { setting, ..forecast(Fate::Survives, because) }
        }
        _ => forecast(Fate::Survives, "no engine wipes an additional store".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRI-O that runs, with its defaults and the unit that wipes.
    fn crio() -> Crio {
        let text = |value: &str| Sourced { value: value.to_owned(), origin: ValueOrigin::Default };
        let flag = |value| Sourced { value, origin: ValueOrigin::Default };
        Crio {
            program: None,
            root: text("/var/lib/containers/storage"),
            imagestore: None,
            storage_option: Vec::new(),
            clean_shutdown_file: text("/var/lib/crio/clean.shutdown"),
            internal_wipe: flag(true),
            internal_repair: flag(true),
            version_file: text("/var/run/crio/version"),
            version_file_persist: text(""),
            pinned_images: Sourced { value: Vec::new(), origin: ValueOrigin::Default },
            wipe_unit: UnitState::Enabled("/w".into()),
            has_run: true,
            stopped_cleanly: false,
            version_file_goes: true,
            runs: Some(true),
            changed_since: Vec::new(),
            options_file: None,
            options_decide: false,
        }
    }

    fn kept(place: StoragePlace) -> ImageFacts<'static> {
        ImageFacts {
            place,
            is_other_main: false,
            in_memory: false,
            damage: None,
            built_on: None,
            unsynced: None,
        }
    }

    fn wiper(crio: &Crio) -> Wiper<'_> {
        Wiper { crio: Some(crio), stops: None, unreadable: None }
    }

    /// The answer and the setting that decides.
    fn told(wiper: &Wiper<'_>, image: &ImageFacts<'_>) -> (Fate, String) {
        let forecast = forecast(wiper, image);
        (forecast.answer, forecast.setting.map_or_else(String::new, |setting| setting.name().to_owned()))
    }

    /// What becomes of CRI-O's own image with one thing changed.
    fn own(change: impl FnOnce(&mut Crio)) -> (Fate, String) {
        let mut crio = crio();
        change(&mut crio);
        told(&wiper(&crio), &kept(StoragePlace::Own))
    }

    fn says(answer: Fate, setting: &str) -> (Fate, String) {
        (answer, setting.to_owned())
    }

    #[test]
    fn the_wipe_takes_crio_s_own_storage_and_what_is_inside_it_and_nothing_else() {
        let crio = crio();
        let wiper = wiper(&crio);
        let wiped = says(Fate::Wiped, "clean_shutdown_file");
        assert_eq!(told(&wiper, &kept(StoragePlace::Own)), wiped);
        assert_eq!(told(&wiper, &kept(StoragePlace::Inside)), wiped);
        assert_eq!(told(&wiper, &kept(StoragePlace::Apart)), says(Fate::Survives, ""));
        let other = ImageFacts { is_other_main: true, ..kept(StoragePlace::Apart) };
        assert_eq!(told(&wiper, &other), says(Fate::Survives, "root"));
    }

    #[test]
    fn each_condition_of_the_wipe_keeps_everything_if_it_is_not_met() {
        let survives = |setting| says(Fate::Survives, setting);
        let clean = || survives("clean_shutdown_file");
        assert_eq!(own(|crio| crio.clean_shutdown_file.value.clear()), clean());
        assert_eq!(own(|crio| crio.has_run = false), clean());
        assert_eq!(own(|crio| crio.stopped_cleanly = true), clean());
        assert_eq!(own(|crio| crio.version_file.value.clear()), survives("version_file"));
        assert_eq!(own(|crio| crio.version_file_goes = false), survives("version_file"));
        for unit in [UnitState::Missing, UnitState::Masked("/m".into()), UnitState::Disabled("/d".into())] {
            assert_eq!(own(|crio| crio.wipe_unit = unit), survives(WIPE_UNIT));
        }
        let none = Wiper { crio: None, stops: None, unreadable: None };
        assert_eq!(told(&none, &kept(StoragePlace::Own)), survives(""));
    }

    #[test]
    fn internal_wipe_has_no_part_in_it() {
        assert_eq!(own(|crio| crio.internal_wipe.value = false), own(|_| {}));
    }

    #[test]
    fn a_store_that_breaks_the_check_costs_crio_s_own_storage() {
        let mut crio = crio();
        crio.wipe_unit = UnitState::Missing;
        let broken = |crio: &Crio| {
            let wiper = Wiper { unreadable: Some(Path::new("/store")), ..wiper(crio) };
            told(&wiper, &kept(StoragePlace::Own))
        };
        assert_eq!(broken(&crio), says(Fate::Wiped, "internal_repair"));
        crio.internal_repair.value = false;
        assert_eq!(broken(&crio), says(Fate::Survives, WIPE_UNIT));
    }

    #[test]
    fn the_repair_takes_an_image_built_on_another_store() {
        let mut crio = crio();
        crio.wipe_unit = UnitState::Missing;
        let child = ImageFacts { built_on: Some(Path::new("/store")), ..kept(StoragePlace::Own) };
        assert_eq!(told(&wiper(&crio), &child), says(Fate::Wiped, "internal_repair"));
        // It looks at its own storage alone.
        let elsewhere = ImageFacts { place: StoragePlace::Apart, ..child };
        assert_eq!(told(&wiper(&crio), &elsewhere).0, Fate::Survives);
        crio.stopped_cleanly = true;
        assert_eq!(told(&wiper(&crio), &child).0, Fate::Survives);
    }

    #[test]
    fn a_crio_that_does_not_start_wipes_later() {
        let crio = crio();
        let stopped = Wiper { stops: Some("a store is missing"), ..wiper(&crio) };
        assert_eq!(told(&stopped, &kept(StoragePlace::Own)), says(Fate::AtRisk, "clean_shutdown_file"));
        assert_eq!(told(&stopped, &kept(StoragePlace::Apart)).0, Fate::Survives);
    }

    #[test]
    fn what_arguments_decide_is_unknown() {
        let mut crio = crio();
        crio.options_decide = true;
        let wiper = wiper(&crio);
        assert_eq!(told(&wiper, &kept(StoragePlace::Own)).0, Fate::Unknown);
        let other = ImageFacts { is_other_main: true, ..kept(StoragePlace::Apart) };
        assert_eq!(told(&wiper, &other).0, Fate::Unknown);
        assert_eq!(told(&wiper, &kept(StoragePlace::Apart)).0, Fate::Survives);
    }

    #[test]
    fn damage_and_what_is_not_synced_are_risks_wherever_the_image_is() {
        let crio = crio();
        for (image, answer) in [
            (ImageFacts { damage: Some(("damaged", "mend it")), ..kept(StoragePlace::Apart) }, Fate::AtRisk),
            (
                ImageFacts { unsynced: Some(Duration::from_secs(3)), ..kept(StoragePlace::Apart) },
                Fate::AtRisk,
            ),
            (ImageFacts { in_memory: true, ..kept(StoragePlace::Apart) }, Fate::Wiped),
            // What goes for sure is not merely at risk.
            (ImageFacts { damage: Some(("damaged", "mend it")), ..kept(StoragePlace::Own) }, Fate::Wiped),
            (ImageFacts { unsynced: Some(Duration::from_secs(3)), ..kept(StoragePlace::Own) }, Fate::Wiped),
        ] {
            assert_eq!(told(&wiper(&crio), &image).0, answer, "{image:?}");
        }
    }
}
