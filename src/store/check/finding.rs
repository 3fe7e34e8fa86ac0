//! What is wrong with a store, and what engines do because of it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::budget::RoundProgress;
use super::rules::rule;
use super::store_set::UsingImages;
use crate::engine::Engines;
use crate::limits;
use crate::problem::{Problem, Severity};
use crate::sys::Root;

/// How far a damage reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every command fails, and CRI-O does not start.
    All,
    /// Every command that looks at a layer fails: listing images, run, pull, build.
    Layers,
    /// Listing images fails, and the images concerned cannot be used.
    Listing,
    /// The images concerned cannot be used.
    Image,
    /// The images concerned run, but cannot be pushed or saved.
    Saving,
    /// No engine says anything.
    Silent,
}

impl Scope {
    /// All of them, the furthest-reaching first, with what each means.
    pub const MEANINGS: &[(Self, &str)] = &[
        (Self::All, "every command fails, and CRI-O does not start"),
        (Self::Layers, "every command that looks at a layer fails: listing, run, pull, build"),
        (Self::Listing, "listing images fails, and the affected images cannot be used"),
        (Self::Image, "the affected images cannot be used"),
        (Self::Saving, "the affected images run, but cannot be pushed or saved"),
        (Self::Silent, "engines report no error, but images are missing or containers get wrong files"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Layers => "layers",
            Self::Listing => "listing",
            Self::Image => "image",
            Self::Saving => "saving",
            Self::Silent => "silent",
        }
    }
}

/// What some engines do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamageEffect {
    /// Which.
    pub engines: Engines,
    /// How far it reaches there.
    pub scope: Scope,
    /// If nothing is said: what happens all the same, as the end of a sentence about
    /// several engines.
    pub silently: &'static str,
}

impl DamageEffect {
    /// Engines fail.
    pub(super) fn fails(engines: Engines, scope: Scope) -> Self {
        Self { engines, scope, silently: "" }
    }

    /// Engines say nothing, and do this: "see no image of this store".
    pub(super) fn silently(engines: Engines, what: &'static str) -> Self {
        Self { engines, scope: Scope::Silent, silently: what }
    }
}

/// Something that is wrong in a store.
#[derive(Debug, Clone)]
pub struct StoreFinding {
    /// What it is; mostly as bad as the rule says. Its place and what comes of it are filled in
    /// when all is found.
    pub problem: Problem,
    /// The store, inside the tree.
    pub store: PathBuf,
    /// The file or directory in it.
    pub path: Option<PathBuf>,
    /// The layer, by its id.
    pub layer: Option<String>,
    /// The images concerned: a name of each, or the start of its id.
    pub images: Vec<String>,
    /// Whether there are more than these.
    pub more_images: bool,
    /// Files in the layer, if it is about some: the first of them.
    pub files: Vec<String>,
    /// What engines do because of it, the furthest-reaching first. Empty if nothing.
    pub effects: Vec<DamageEffect>,
    /// Whether that is so for the engines of normal users only.
    pub for_users: bool,
}

impl std::ops::Deref for StoreFinding {
    type Target = Problem;

    fn deref(&self) -> &Problem {
        &self.problem
    }
}

impl StoreFinding {
    /// A finding of the rule `id` about the store at `store`.
    pub(super) fn new(
        id: &'static str,
        store: impl Into<PathBuf>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            problem: Problem::found(id, rule(id).severity, message, hint),
            store: store.into(),
            path: None,
            layer: None,
            images: Vec::new(),
            more_images: false,
            files: Vec::new(),
            effects: Vec::new(),
            for_users: false,
        }
    }

    /// A finding about a store that these engines, with the rights of this process, may not
    /// read: this far it reaches.
    pub fn unreadable(
        store: impl Into<PathBuf>,
        message: impl Into<String>,
        hint: impl Into<String>,
        engines: Engines,
        scope: Scope,
    ) -> Self {
        Self::new("store-unreadable", store, message, hint).fails(engines, scope)
    }

    pub(super) fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(super) fn of_layer(mut self, layer: &str, images: impl Into<UsingImages>) -> Self {
        self.layer = Some(layer.to_owned());
        self.concerns(images)
    }

    pub(super) fn of_image(self, image: String) -> Self {
        self.concerns(UsingImages { names: vec![image], more: false })
    }

    pub(super) fn concerns(mut self, images: impl Into<UsingImages>) -> Self {
        let users = images.into();
        (self.images, self.more_images) = (users.names, users.more);
        self
    }

    /// Takes in more images.
    pub(super) fn join(&mut self, images: UsingImages) {
        self.more_images |= images.more;
        for name in images.names {
            if self.images.len() == limits::SHOWN_FINDINGS {
                self.more_images = true;
                return;
            }
            if !self.images.contains(&name) {
                self.images.push(name);
            }
        }
    }

    fn users(self) -> UsingImages {
        UsingImages { names: self.images, more: self.more_images }
    }

    pub(super) fn fails(self, engines: Engines, scope: Scope) -> Self {
        self.with(DamageEffect::fails(engines, scope))
    }

    pub(super) fn silently(self, engines: Engines, what: &'static str) -> Self {
        self.with(DamageEffect::silently(engines, what))
    }

    pub(super) fn with(mut self, effect: DamageEffect) -> Self {
        if !effect.engines.is_empty() {
            self.effects.push(effect);
            self.effects.sort_by_key(|effect| effect.scope);
        }
        self
    }

    pub(super) fn severity(mut self, severity: Severity) -> Self {
        self.problem.severity = severity;
        self
    }

    /// How far it reaches with the engine that it hits hardest.
    pub fn scope(&self) -> Scope {
        self.effects.first().map_or(Scope::Silent, |effect| effect.scope)
    }

    /// Which engines it concerns.
    pub fn engines(&self) -> Engines {
        self.effects.iter().fold(Engines::NONE, |all, effect| all.or(effect.engines))
    }

    /// Leaves out what other engines than these do. Returns whether anything is left.
    pub(super) fn restrict(&mut self, engines: Engines) -> bool {
        let concerned = !self.effects.is_empty();
        for effect in &mut self.effects {
            effect.engines = effect.engines.and(engines);
        }
        self.effects.retain(|effect| !effect.engines.is_empty());
        !concerned || !self.effects.is_empty()
    }

    /// Says in the problem where it is and what comes of it.
    pub(super) fn complete(&mut self, root: &Root) {
        let stop = self.effects.iter().filter(|effect| effect.scope == Scope::All);
        let stop = stop.map(|effect| effect.engines).collect();
        let (stops, stops_users) = if self.for_users { (Engines::NONE, stop) } else { (stop, Engines::NONE) };
        let place = root.show(self.path.as_ref().unwrap_or(&self.store));
        let problem = self.problem.clone().about(place).because(self.effect());
        self.problem = Problem { engines: self.engines(), stops, stops_users, ..problem };
    }

    /// What engines do because of it, as a sentence.
    fn effect(&self) -> String {
        if self.effects.is_empty() {
            return "none now".to_owned();
        }
        let images = match self.images.as_slice() {
            [] => "its images".to_owned(),
            [one] => format!("`{one}`"),
            [one, other] => format!("`{one}` and `{other}`"),
            [one, rest @ ..] => {
                let more = if self.more_images { "more than " } else { "" };
                format!("`{one}` and {more}{} other images", rest.len())
            }
        };
        let say = |effect: &DamageEffect| {
            let engines = effect.engines;
            match effect.scope {
                Scope::All => engines.stop(),
                Scope::Layers => format!("{engines} cannot list, run, pull or build any image"),
                Scope::Listing => format!("{engines} cannot list any image, and cannot use {images}"),
                Scope::Image => format!("{engines} cannot use {images}"),
                Scope::Saving => format!("{engines} cannot push or save {images}"),
                Scope::Silent => {
                    let verb = engines.verb(&singular(effect.silently), effect.silently);
                    format!(
                        "{verb}, and {}",
                        if engines.list().count() == 1 { "reports no error" } else { "report no error" }
                    )
                }
            }
        };
        let said = self.effects.iter().map(say).collect::<Vec<_>>().join("; ");
        if self.for_users { format!("as a normal user, {said}") } else { said }
    }
}

/// A sentence about several, "see no image", about one: "sees no image".
fn singular(sentence: &str) -> String {
    match sentence.split_once(' ') {
        Some(("do", rest)) => format!("does {rest}"),
        Some(("cannot", _)) | None => sentence.to_owned(),
        Some((verb, rest)) => format!("{verb}s {rest}"),
    }
}

/// What became of things of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Every byte of them is what it should be.
    pub verified: usize,
    /// They are not.
    pub damaged: usize,
    /// Nobody knows; a finding says why.
    pub not_verified: usize,
}

/// What became of everything, with `--deep`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Layers, by id.
    pub layers: Tally,
    /// Images: those whose layers are all verified.
    pub images: Tally,
    /// Files of records.
    pub records: Tally,
}

impl Verification {
    /// Whether there is nothing that is not verified.
    pub fn is_complete(&self) -> bool {
        [self.layers, self.images, self.records].iter().all(|tally| tally.not_verified == 0)
    }
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct StoreReport {
    /// The stores that were looked at, inside the tree, in the order of the engines.
    pub stores: Vec<PathBuf>,
    /// How many images they hold.
    pub images: usize,
    /// How many layers they hold.
    pub layers: usize,
    /// How many artifacts they hold.
    pub artifacts: usize,
    /// How many layers were assembled again, and how many bytes that was.
    pub assembled: (usize, u64),
    /// What became of everything; nothing if not every byte was read.
    pub verification: Option<Verification>,
    /// The layers that were verified, by id.
    pub verified: BTreeSet<String>,
    /// Those that are not damaged, as far as is known, and were not verified.
    pub not_verified: BTreeSet<String>,
    /// What is wrong, by store.
    pub findings: Vec<StoreFinding>,
    /// What could not be looked at.
    pub not_looked: Vec<Problem>,
    /// How far the round of a check with a budget is.
    pub round: Option<RoundProgress>,
    /// Of each rule and store, how many findings there are.
    counts: HashMap<(&'static str, PathBuf), usize>,
    /// What stands for those that are not told one by one.
    rest: HashMap<(&'static str, PathBuf), (StoreFinding, usize)>,
    /// Where the finding is that tells something of several images.
    shared: HashMap<(&'static str, String), usize>,
}

impl StoreReport {
    /// How many findings of this severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Why what was checked must not be carried on as sound without a word.
    pub fn unverified(&self) -> Option<Problem> {
        let finding = self.findings.iter().find(|finding| finding.id == "not-verified")?;
        (finding.severity != Severity::Note).then(|| {
            Problem::new("not-verified", finding.message.clone(), "give `--unverified` to accept it as it is")
        })
    }

    pub(super) fn add(&mut self, finding: StoreFinding) {
        let of = (finding.id, finding.store.clone());
        let count = self.counts.entry(of.clone()).or_default();
        *count += 1;
        if *count <= limits::SHOWN_FINDINGS {
            self.findings.push(finding);
            return;
        }
        match self.rest.get_mut(&of) {
            Some((rest, count)) => {
                for effect in &finding.effects {
                    if !rest.effects.contains(effect) {
                        *rest = rest.clone().with(*effect);
                    }
                }
                rest.problem.severity = rest.severity.min(finding.severity);
                rest.join(finding.users());
                *count += 1;
            }
            None => {
                let rest = StoreFinding { path: None, layer: None, files: Vec::new(), ..finding };
                self.rest.insert(of, (rest, 1));
            }
        }
    }

    /// The same for what several images have in common, which is told once for all of them.
    pub(super) fn add_shared(&mut self, finding: StoreFinding) {
        let key = (finding.id, finding.message.clone());
        match self.shared.get(&key) {
            Some(index) => self.findings[*index].join(finding.users()),
            None => {
                let index = self.findings.len();
                self.add(finding);
                if index < self.findings.len() {
                    self.shared.insert(key, index);
                }
            }
        }
    }

    /// Puts what stands for findings that are not told one by one.
    pub(super) fn add_rest(&mut self) {
        for (mut rest, count) in std::mem::take(&mut self.rest).into_values() {
            let findings = if count == 1 { "finding" } else { "findings" };
            rest.problem.message = format!("{count} more {findings} of this kind");
            self.findings.push(rest);
        }
    }

    pub(super) fn could_not_look(&mut self, problem: Problem) {
        if self.not_looked.len() < limits::SHOWN_FINDINGS && !self.not_looked.contains(&problem) {
            self.not_looked.push(problem);
        }
    }

    pub(super) fn sort(&mut self) {
        let place = |finding: &StoreFinding| {
            self.stores.iter().position(|store| *store == finding.store).unwrap_or(self.stores.len())
        };
        let mut findings = std::mem::take(&mut self.findings);
        findings.sort_by_cached_key(|finding| {
            (
                place(finding),
                finding.severity,
                finding.scope(),
                finding.id,
                finding.path.clone(),
                finding.message.clone(),
            )
        });
        self.findings = findings;
    }
}
