//! What storagectl says of a host, as JSON.

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::Value;

use super::engine::{Engine, Who};
use super::host::Host;
use crate::support::text;

/// A report with findings, and the exit status that came with it.
pub(super) struct Report {
    pub(super) status: i32,
    pub(super) json: Value,
}

impl Report {
    /// What a command says of a host, run there by `who`.
    #[track_caller]
    pub(super) fn of(host: &Host, who: Who, args: &[&str]) -> Self {
        Self::read(&host.storagectl(who, &[&["--format", "json"], args].concat()))
    }

    /// What check-config says of a host to root.
    #[track_caller]
    pub(super) fn check_config(host: &Host) -> Self {
        Self::of(host, Who::Root, &["check-config"])
    }

    #[track_caller]
    pub(super) fn read(output: &Output) -> Self {
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)));
        Self { status: output.status.code().expect("it was not killed"), json }
    }

    /// The same of what [`Host::on_each`] gives for a row; warnings may stand behind it.
    #[track_caller]
    pub(super) fn parse((status, printed): &(i32, String)) -> Self {
        let mut values = serde_json::Deserializer::from_str(printed).into_iter::<Value>();
        let json = values.next().and_then(Result::ok).unwrap_or_else(|| panic!("{printed}"));
        Self { status: *status, json }
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.json["findings"].as_array().into_iter().flatten()
    }

    /// The names of its findings.
    pub(super) fn ids(&self) -> BTreeSet<&str> {
        self.findings().filter_map(|finding| finding["id"].as_str()).collect()
    }

    /// How many of its findings are errors.
    pub(super) fn errors(&self) -> usize {
        self.findings().filter(|finding| finding["severity"] == "error").count()
    }

    /// Whether a finding says that this engine stops, whatever the command. check-store
    /// tells effects by what they are on.
    pub(super) fn stops(&self, engine: Engine) -> bool {
        let effects = |finding: &Value| finding["effects"].as_array().cloned().unwrap_or_default();
        let on_all = self.findings().flat_map(effects).filter(|effect| effect["scope"] == "all");
        let stopped =
            self.findings().map(|it| it["stops"].clone()).chain(on_all.map(|it| it["engines"].clone()));
        stopped
            .into_iter()
            .any(|names| names.as_array().is_some_and(|it| it.iter().any(|it| it == engine.name())))
    }

    /// The stores that `show-config` shows of one engine.
    pub(super) fn stores(&self) -> Vec<&str> {
        let stores = self.json["settings"]["additionalimagestores"]["value"].as_array();
        stores.into_iter().flatten().filter_map(|it| it["value"].as_str().or(it.as_str())).collect()
    }

    /// Whether any text in it holds this.
    pub(super) fn mentions(&self, what: &str) -> bool {
        self.json.to_string().contains(what)
    }
}
