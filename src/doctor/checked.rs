//! What `check-config` and `check-store` find, as far as it concerns this host's engines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::absent::Absent;
use super::crio::Crio;
use super::cure::{CopyRoute, Cure};
use super::problems::{self, problem};
use super::storage::HostStorage;
use crate::declare::SEALED_STORES;
use crate::engine::{Engines, Profile};
use crate::lint::{self, LintInput};
use crate::plan::{self, ApplyOptions, CommitMode, Host, StoreResult};
use crate::problem::{Problem, Severity, shell_word};
use crate::sealed;
use crate::store::check::{self, CheckRequest, Progress, Scope, StoreFinding};

/// What the checks found.
#[derive(Debug, Default)]
pub(super) struct CheckFindings {
    pub(super) problems: Vec<Problem>,
    /// What cures them.
    pub(super) cures: Vec<Cure>,
    /// What is not where engines look for it.
    pub(super) absent: Absent,
    /// What is wrong with an image, and what helps, by its store and what it is called there.
    damaged: HashMap<(PathBuf, String), (String, String)>,
    /// The same of all images of a store.
    spoilt: HashMap<PathBuf, (String, String)>,
    /// How many of the problems are of the configuration, which come first.
    of_config: usize,
    /// The findings of each kind in a store: where the first is told, and how many more there are.
    more: HashMap<(PathBuf, &'static str), (usize, usize)>,
    /// A store whose layers CRI-O cannot read.
    pub(super) unreadable: Option<PathBuf>,
    /// How many warnings `check-config` has.
    pub(super) config_warnings: usize,
    /// How many warnings `check-store` has.
    pub(super) store_warnings: usize,
    /// All that `check-config` found.
    pub(super) config_findings: Vec<Problem>,
    /// All that `check-store` found.
    pub(super) store_findings: Vec<StoreFinding>,
}

impl CheckFindings {
    pub(super) fn new(absent: Absent) -> Self {
        Self { absent, ..Self::default() }
    }

    /// What is wrong with an image that is called `title` in `store`, and what helps.
    pub(super) fn damage(&self, store: &Path, title: &str) -> Option<(&str, &str)> {
        let of_image = self.damaged.get(&(store.to_owned(), title.to_owned()));
        let (what, hint) = of_image.or_else(|| self.spoilt.get(store))?;
        Some((what, hint))
    }

    /// What `check-config` finds that concerns these engines: errors, and how many warnings.
    pub(super) fn configuration(
        &mut self,
        host: &Host,
        engines: Engines,
        not_looked: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        let input = LintInput::read(host, Some(engines).filter(|_| host.knows_engines()))?;
        let report = lint::check(&input, &[]);
        let fixable = || report.findings.iter().filter(|finding| finding.is_fixable());
        // A user repairs what is theirs.
        let is_theirs = |file: &Path| host.root.may(file, rustix::fs::Access::WRITE_OK);
        let repairs = !plan::is_managed(host)
            && (!host.is_rootless() || fixable().all(|finding| finding.file().is_none_or(is_theirs)));
        for finding in &report.findings {
            if finding.engines.and(engines).is_empty() {
                continue;
            }
            let mut problem = finding.problem.clone();
            if finding.is_fixable() && repairs {
                problem.hint = Cure::FixConfig.hint("repairs it");
                self.cures.push(Cure::FixConfig);
            }
            self.config_findings.push(problem.clone());
            if finding.severity != Severity::Error {
                self.config_warnings += 1;
                continue;
            }
            self.problems.push(Problem {
                message: format!("{}{}", finding.message, line(finding)),
                stops: finding.stops.and(engines),
                ..problem
            });
        }
        not_looked.extend(report.not_looked);
        self.of_config = self.problems.len();
        Ok(())
    }

    /// What `check-store` finds in all storages that concerns these engines.
    pub(super) fn stores(
        &mut self,
        host: &Host,
        storages: &[HostStorage],
        engines: Engines,
        not_looked: &mut Vec<Problem>,
    ) {
        let mut drivers: Vec<&str> = storages.iter().map(|storage| storage.driver.as_str()).collect();
        drivers.sort_unstable();
        drivers.dedup();
        for driver in drivers {
            let with = |holds: &dyn Fn(&HostStorage) -> bool| {
                let chosen = storages.iter().filter(|storage| storage.driver == driver && holds(storage));
                chosen.map(|storage| storage.path.clone()).collect::<Vec<_>>()
            };
            let request = CheckRequest {
                listed: with(&|storage| !storage.listed_by.is_empty()),
                own: with(&|storage| !storage.own_of.is_empty()),
                engines,
                ..CheckRequest::quick(with(&|_| true), driver)
            };
            let report = check::check(&host.root, &request, &Progress::default());
            for finding in report.findings {
                self.store_finding(host, finding);
            }
            not_looked.extend(report.not_looked);
        }
        self.count_more(host);
    }

    fn store_finding(&mut self, host: &Host, mut finding: StoreFinding) {
        let is_own = |path: &Path| self.absent.without_layers.contains(path);
        let of_lost_layers = matches!(finding.id, "image-layer-unknown" | "layer-parent-unknown");
        // What is lost with a store is told of the whole storage, with what removes it.
        let is_told = of_lost_layers && is_own(&finding.store);
        self.embedded_helps(host, &mut finding);
        self.init_helps(host, &mut finding);
        self.apply_helps(&mut finding);
        if !is_told {
            self.store_findings.push(finding.clone());
        }
        match finding.severity {
            Severity::Error => {}
            Severity::Warning => {
                self.store_warnings += 1;
                return;
            }
            Severity::Note => return,
        }
        // What normal users' engines meet is not root's.
        if finding.for_users && !host.is_rootless() {
            self.store_warnings += 1;
            return;
        }
        let scope = finding.scope();
        if scope <= Scope::Image {
            let what = (finding.message.clone(), finding.hint.clone());
            if finding.images.is_empty() {
                self.spoilt.entry(finding.store.clone()).or_insert(what);
            } else {
                for image in &finding.images {
                    let key = (finding.store.clone(), image.clone());
                    self.damaged.entry(key).or_insert_with(|| what.clone());
                }
            }
        }
        if scope == Scope::Layers && finding.engines().has(Profile::Crio) {
            self.unreadable.get_or_insert_with(|| finding.store.clone());
        }
        // `check-config` has told of what stands in its way.
        let names = [host.show(&finding.store), finding.store.display().to_string()];
        let is_it =
            |problem: &Problem| names.iter().any(|name| problem.message.contains(&format!("`{name}`")));
        let of_config = &self.problems[..self.of_config];
        if is_told || of_config.iter().any(|problem| problem.id == finding.id && is_it(problem)) {
            return;
        }
        let kind = (finding.store.clone(), finding.id);
        if let Some((_, more)) = self.more.get_mut(&kind) {
            *more += 1;
            return;
        }
        self.more.insert(kind, (self.problems.len(), 0));
        self.problems.push(Problem {
            message: format!("`{}`: {}", host.show(&finding.store), finding.message),
            stops: finding.stops.or(finding.stops_users),
            ..finding.problem
        });
    }

    /// Says how many more findings of a kind there are in a store, of which the first is told.
    fn count_more(&mut self, host: &Host) {
        for ((store, _), (place, more)) in self.more.drain().filter(|(_, (_, more))| *more > 0) {
            let store = shell_word(&host.show(&store));
            let message = &mut self.problems[place].message;
            *message += &format!(", and {more} more like it, see `storagectl check-store {store}`");
        }
    }

    /// An image that is damaged is copied again from the embedded one, if there is one.
    fn embedded_helps(&mut self, host: &Host, finding: &mut StoreFinding) {
        let is_embedded = |image: &String| self.absent.embedded.contains_key(image);
        if finding.images.is_empty() || !finding.images.iter().all(is_embedded) || finding.more_images {
            return;
        }
        if finding.severity != Severity::Error || host.root.is_read_only(&finding.store).unwrap_or(true) {
            return;
        }
        let is_own = host
            .own_readers()
            .iter()
            .any(|reader| reader.judge(&host.view()).own_storage().parts().any(|part| part == finding.store));
        let copies = &self.absent.embedded[&finding.images[0]];
        let store = (!is_own).then(|| finding.store.clone());
        let cure = Cure::CopyImages(CopyRoute { store, ..copies.clone() });
        finding.problem.hint = cure.hint("writes it again, from the embedded image");
        self.cures.push(cure);
    }

    /// Lock files that nobody could create are created by whoever may.
    fn init_helps(&mut self, host: &Host, finding: &mut StoreFinding) {
        let may = || {
            !host.root.is_read_only(&finding.store).unwrap_or(true)
                && host.root.may(&finding.store, rustix::fs::Access::WRITE_OK)
        };
        if finding.id == "lock-missing" && may() {
            let cure = Cure::InitStore(finding.store.clone());
            finding.problem.hint = cure.hint("creates it");
            // `check-config` tells of it, too.
            let store = format!("`{}`", host.show(&finding.store));
            let told = self.problems.iter_mut().chain(&mut self.config_findings);
            for problem in told.filter(|it| it.id == "lock-missing" && it.message.contains(&store)) {
                problem.hint.clone_from(&finding.problem.hint);
            }
            self.cures.push(cure);
        }
    }

    /// A sealed store that waits for its mount is mounted as those are that nothing waits for.
    fn apply_helps(&mut self, finding: &mut StoreFinding) {
        if finding.id == "not-mounted" && finding.store.starts_with(SEALED_STORES) {
            finding.problem.hint = Cure::Apply.hint("has systemd mount it");
            self.cures.push(Cure::Apply);
        }
    }

    /// Why an engine stops, if it does.
    pub(super) fn stops(&self, profile: Profile) -> Option<&str> {
        let problem = self.problems.iter().find(|problem| problem.stops.has(profile))?;
        Some(&problem.message)
    }

    /// What is wrong with declared stores, and whether the configuration follows them.
    pub(super) fn declarations(&mut self, host: &Host, not_looked: &mut Vec<Problem>) {
        let could_not = |error: anyhow::Error| match error.downcast::<Problem>() {
            Ok(problem) => problem,
            Err(error) => {
                Problem::new("io", format!("{error:#}"), "fix what the system reports and try again")
            }
        };
        let mut declarations = match host.declarations() {
            Ok(declarations) => declarations,
            Err(error) => return not_looked.push(could_not(error)),
        };
        for problem in &declarations.problems {
            let message = format!("{}{}", problem.message, line(problem));
            let place = problem.place.clone();
            self.problems
                .push(Problem { place, ..problems::problem("declaration", message, problem.hint.clone()) });
        }
        // A file that cannot be read has been told of.
        for path in plan::set_aside(host).unwrap_or_default() {
            self.problems.push(problem(
                "set-aside",
                format!("`{path}` is set aside: its directory was missing"),
                format!(
                    "{}; `storagectl remove-store {path}` forgets it",
                    Cure::Apply.hint("lists it when it is there")
                ),
            ));
        }
        match sealed::unmounted(host, &declarations) {
            Ok(unmounted) => {
                for (path, image) in unmounted {
                    let message = format!("`{image}` is declared, and not mounted at `{path}`");
                    let hint = Cure::Apply.hint("has systemd mount it");
                    self.problems.push(problem("not-mounted", message, hint));
                    self.cures.push(Cure::Apply);
                }
            }
            Err(error) => not_looked.push(could_not(error)),
        }
        if let Err(error) = sealed::keep_former(host, &mut declarations) {
            return not_looked.push(could_not(error));
        }
        let outcome = plan::apply(host, &declarations, ApplyOptions::default(), CommitMode::DryRun);
        if outcome.is_ok_and(|outcome| !outcome.plan.is_empty()) {
            self.problems.push(problem(
                "not-applied",
                "the configuration does not follow what is declared, or a file that it is a copy of",
                Cure::Apply.hint("makes it follow"),
            ));
            self.cures.push(Cure::Apply);
        }
    }

    /// What helps where an entry stops engines since nothing is there: a declaration that takes it off the
    /// list, or setting it aside, where that can be done.
    pub(super) fn missing_stores(&mut self, host: &Host) {
        let is_missing =
            |problem: &&mut Problem| matches!(problem.id, "store-missing" | "store-not-directory");
        if !self.problems.iter_mut().any(|problem| is_missing(&problem)) {
            return;
        }
        if plan::is_managed(host) {
            for problem in self.problems.iter_mut().filter(is_missing) {
                "create it, or take it out of the node's MachineConfig".clone_into(&mut problem.hint);
            }
            return;
        }
        let Ok(mut declarations) = host.declarations() else { return };
        if sealed::keep_former(host, &mut declarations).is_err() {
            return;
        }
        let options = ApplyOptions { set_aside: true, ..ApplyOptions::default() };
        let Ok(outcome) = plan::apply(host, &declarations, options, CommitMode::DryRun) else { return };
        let all = self.problems.iter_mut().chain(&mut self.config_findings);
        for problem in all.filter(is_missing) {
            let is_it = |(path, _): &&(String, StoreResult)| problem.message.contains(&format!("`{path}`"));
            let (cure, does) = match outcome.plan.stores.iter().find(is_it) {
                Some((_, StoreResult::Removed)) => (Cure::Apply, "takes it off the list until then"),
                Some((_, StoreResult::SetAside)) => (Cure::SetAside, "leaves it out until then"),
                _ => continue,
            };
            let otherwise = match problem.id {
                "store-missing" => "create it, or install the package that it belongs to",
                _ => "mount it if it is an image of a store",
            };
            problem.hint = format!("{otherwise}; {}", cure.hint(does));
            self.cures.push(cure);
        }
    }

    /// What is wrong with CRI-O's own settings.
    pub(super) fn crio(&mut self, host: &Host, crio: &Crio) {
        if crio.pinned_images.value.iter().any(|pattern| pattern == "*") {
            self.problems.push(problem(
                "pinned-pattern",
                "`pinned_images` has the pattern `*`, on which CRI-O stops when it starts",
                "write `**`, which is for every image",
            ));
        }
        if !crio.changed_since.is_empty() {
            let files: Vec<String> =
                crio.changed_since.iter().map(|file| format!("`{}`", host.show(file))).collect();
            self.problems.push(problem(
                "crio-older-config",
                format!(
                    "CRI-O runs with an older configuration: {} changed since it started",
                    files.join(", ")
                ),
                "`systemctl restart crio`",
            ));
        }
        if let Some(file) = &crio.options_file {
            self.problems.push(problem(
                "crio-options",
                format!("`{}` gives CRI-O arguments, which are not read here", host.show(file)),
                "what an argument sets counts more than what a file says",
            ));
        }
    }
}

/// The file and line of a problem, as the end of a message.
fn line(problem: &Problem) -> String {
    let place = problem.place.as_ref().filter(|place| place.position().is_some());
    place.map_or_else(String::new, |place| format!(", {}:{}", place.file.display(), place.line))
}
