//! The platform that a document is for: the one place that decides it.

use super::ExistingDocument;
use super::check::{listed, maker};
use super::preset::{PRESETS, Preset};
use super::request::DocumentKind;
use super::unit_words::of_script;

/// A platform, and what says that it is this one.
#[derive(Debug, Clone)]
pub struct DocumentPlatform {
    /// What is known of it.
    pub preset: &'static Preset,
    evidence: Evidence,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Evidence {
    /// It was asked for.
    Asked,
    /// The comment of the run that made the document, where others of its kind are for another one.
    Mark,
    /// Butane's variant.
    Variant(String),
    /// Its kind, which no other platform reads.
    Kind,
    /// Its kind, which others read, too.
    Most,
    /// A store that only this platform's image has, and that the document lists and does not make.
    Store(&'static str),
    /// Nothing does, or there is no document yet.
    Nothing,
}

impl DocumentPlatform {
    /// The one that is asked for.
    pub fn asked(preset: &'static Preset) -> Self {
        Self { preset, evidence: Evidence::Asked }
    }

    /// That of documents of a kind, if Butane's variant is this, or that of one that exists.
    pub fn of(kind: DocumentKind, variant: &str, document: Option<&ExistingDocument>) -> Self {
        let usual = Preset::named(kind.usual_preset(variant)).expect("kinds name known presets");
        let mark = document.and_then(|it| marked(&it.text)).filter(|preset| preset.name != usual.name);
        let evidence = match kind {
            _ if document.is_none() || usual.name == "none" => Evidence::Nothing,
            DocumentKind::Butane if document.is_some_and(has_usual_variant) => {
                Evidence::Variant(variant.to_owned())
            }
            DocumentKind::Blueprint => Evidence::Most,
            _ => Evidence::Kind,
        };
        let (preset, evidence) = match (mark, &evidence) {
            (Some(preset), _) => (preset, Evidence::Mark),
            (None, Evidence::Nothing) => document
                .and_then(listing)
                .map_or((usual, evidence), |(preset, store)| (preset, Evidence::Store(store))),
            (None, _) => (usual, evidence),
        };
        Self { preset, evidence }
    }

    /// The platform of another document where nothing says which this one's is.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        if self.evidence == Evidence::Nothing { other.clone() } else { self }
    }

    /// What there is to know if that was concluded, and decides what is found in a document.
    pub fn note(&self) -> Option<String> {
        let decides = |it: &Preset| (it.stores, it.has_main, it.podman6, it.platform_versions());
        let why = match &self.evidence {
            Evidence::Asked | Evidence::Kind | Evidence::Nothing => return None,
            Evidence::Mark => "as the run that made it was told".to_owned(),
            Evidence::Variant(_) | Evidence::Most if decides(self.preset) == decides(Preset::none()) => {
                return None;
            }
            Evidence::Variant(variant) => format!("since its variant is `{variant}`"),
            Evidence::Most => "as most of its kind are".to_owned(),
            Evidence::Store(store) => format!("since it lists `{store}`"),
        };
        let name = self.preset.name;
        Some(format!("the document is taken for one of `{name}`, {why}; `--preset` names another"))
    }
}

/// Whether a document is Butane of a known variant that is not OpenShift's own.
fn has_usual_variant(document: &ExistingDocument) -> bool {
    document.dialect().is_some_and(|dialect| !dialect.is_openshift())
}

/// The preset of the command in the comment that a document starts with.
fn marked(document: &str) -> Option<&'static Preset> {
    let mut comments = document.lines().take_while(|line| line.starts_with('#') || *line == "---");
    let command = comments.find_map(|line| line.strip_prefix("# Made by `storagectl generate "))?;
    let words = of_script(command.rsplit_once('`')?.0);
    let next = words.iter().position(|word| word == "--preset").and_then(|at| words.get(at + 1));
    let name = words.iter().find_map(|word| word.strip_prefix("--preset=")).or(next.map(String::as_str))?;
    Preset::named(name)
}

/// The platform whose own store a document lists and does not make.
fn listing(document: &ExistingDocument) -> Option<(&'static Preset, &'static str)> {
    let config = document.config()?;
    let listed = listed(config);
    let has = |store: &str| listed.iter().any(|path| path == store) && maker(config, store).is_none();
    let found =
        |preset: &'static Preset| preset.stores.iter().find(|store| has(store)).map(|it| (preset, *it));
    PRESETS.iter().find_map(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: DocumentKind, variant: &str, document: &str) -> (&'static str, Evidence) {
        let platform = DocumentPlatform::of(kind, variant, Some(&ExistingDocument::parse(document)));
        (platform.preset.name, platform.evidence)
    }

    #[test]
    fn the_run_that_made_a_document_counts_more_than_its_variant_and_that_more_than_its_kind() {
        let mark = "---\n# Made by `storagectl generate butane --store '/a --preset x' --preset ocne`, and changed since\n";
        let butane = "variant: fcos\nversion: 1.3.0\n";
        let both = format!("{mark}{butane}");
        assert_eq!(of(DocumentKind::Butane, "fcos", &both), ("ocne", Evidence::Mark));
        let fcos = ("fedora", Evidence::Variant("fcos".to_owned()));
        assert_eq!(of(DocumentKind::Butane, "fcos", butane), fcos);
        // Of a newer version, or of somebody else.
        for mark in ["# Made by `storagectl generate butane --preset=new`\n", "# --preset ocne\n"] {
            assert_eq!(of(DocumentKind::Butane, "fcos", &format!("{mark}{butane}")), fcos);
        }
        assert_eq!(of(DocumentKind::MachineConfig, "fcos", ""), ("rhcos", Evidence::Kind));
    }

    #[test]
    fn an_ignition_configuration_is_for_the_platform_whose_store_it_lists_and_does_not_make() {
        let document = |directories: &str| {
            let list = "data:,%5Bstorage.options%5D%0Aadditionalimagestores%20%3D%20%5B%22%2Fusr%2Fock%2Fcontainers%22%5D%0A";
            format!(
                r#"{{"ignition": {{"version": "3.2.0"}}, "storage": {{"directories": [{directories}], "files":
                [{{"path": "/etc/containers/storage.conf", "contents": {{"source": "{list}"}}}}]}}}}"#
            )
        };
        let found = of(DocumentKind::Ignition, "fcos", &document(""));
        assert_eq!(found, ("ocne", Evidence::Store("/usr/ock/containers")));
        let made = document(r#"{"path": "/usr/ock/containers"}"#);
        assert_eq!(of(DocumentKind::Ignition, "fcos", &made), ("none", Evidence::Nothing));
    }

    #[test]
    fn what_the_kind_says_and_what_decides_nothing_is_not_told() {
        let note = |kind, variant, document: Option<&str>| {
            let document = document.map(ExistingDocument::parse);
            DocumentPlatform::of(kind, variant, document.as_ref()).note()
        };
        assert_eq!(note(DocumentKind::Ignition, "fcos", Some("")), None);
        assert_eq!(note(DocumentKind::MachineConfig, "fcos", Some("")), None);
        assert_eq!(note(DocumentKind::Butane, "openshift", Some("")), None);
        assert_eq!(note(DocumentKind::Butane, "flatcar", Some("")), None);
        assert_eq!(note(DocumentKind::Butane, "fcos", None), None);
        // Of another kind than the one that is named.
        assert_eq!(note(DocumentKind::Butane, "fcos", Some("{\"ignition\": {}}")), None);
        let butane = Some("variant: fcos\nversion: 1.3.0\n");
        let fcos = note(DocumentKind::Butane, "fcos", butane).unwrap();
        assert!(fcos.contains("`fedora`, since its variant is `fcos`"), "{fcos}");
        assert!(note(DocumentKind::Blueprint, "fcos", Some("")).is_some());
        assert_eq!(DocumentPlatform::asked(Preset::named("fedora").unwrap()).note(), None);
    }
}
