//! Transactions, and what each has to leave behind.

use std::process::Output;

use toml_edit::Document;

use super::machine::{Machine, image};
use super::packages::Hooks;
use crate::support::text;

/// The file that engines read first.
pub(crate) const CONF: &str = "/etc/containers/storage.conf";

/// The one that they read instead if the first is not there.
pub(crate) const VENDOR_CONF: &str = "/usr/share/containers/storage.conf";

/// A host and the transactions that it goes through.
pub(crate) struct Case {
    /// What the case is called in the table.
    pub(crate) name: &'static str,
    before: Option<String>,
    vendor: Option<String>,
    ostree: bool,
    steps: Vec<Step>,
}

/// One transaction, and what is so when it is over.
struct Step {
    name: &'static str,
    act: Act,
    /// The bytes of /etc/containers/storage.conf, `None` if it is not there.
    conf: Option<String>,
    /// What the transaction has to say.
    says: &'static str,
    /// Whether engines start. They do not if nobody had a chance to see to it.
    engines_start: bool,
}

enum Act {
    Rpm(&'static [&'static str]),
    /// The packages of a repository, and what dnf does with it.
    Dnf(&'static [&'static str], &'static [&'static str]),
    Other(fn(&Machine)),
}

impl Case {
    /// A host with this storage.conf.
    pub(crate) fn new(name: &'static str, conf: &str) -> Self {
        Self { name, before: Some(conf.to_owned()), vendor: None, ostree: false, steps: Vec::new() }
    }

    /// A host that has at most the vendor's storage.conf.
    pub(crate) fn without_conf(name: &'static str, vendor: Option<&str>) -> Self {
        Self { before: None, vendor: vendor.map(str::to_owned), ..Self::new(name, "") }
    }

    /// The transactions run as under rpm-ostree.
    pub(crate) fn under_ostree(self) -> Self {
        Self { ostree: true, ..self }
    }

    /// Calls rpm; afterwards storage.conf is this.
    pub(crate) fn rpm<'a>(
        self,
        name: &'static str,
        arguments: &'static [&'static str],
        conf: impl Into<Option<&'a str>>,
    ) -> Self {
        self.step(name, Act::Rpm(arguments), conf.into())
    }

    /// Calls dnf with a repository of some packages; afterwards storage.conf is this.
    pub(super) fn dnf<'a>(
        self,
        name: &'static str,
        (packages, arguments): (&'static [&'static str], &'static [&'static str]),
        conf: impl Into<Option<&'a str>>,
    ) -> Self {
        self.step(name, Act::Dnf(packages, arguments), conf.into())
    }

    /// Does something else to the host; afterwards storage.conf is this.
    pub(crate) fn meanwhile<'a>(
        self,
        name: &'static str,
        act: fn(&Machine),
        conf: impl Into<Option<&'a str>>,
    ) -> Self {
        self.step(name, Act::Other(act), conf.into())
    }

    fn step(mut self, name: &'static str, act: Act, conf: Option<&str>) -> Self {
        let conf = conf.map(str::to_owned);
        self.steps.push(Step { name, act, conf, says: "", engines_start: true });
        self
    }

    /// The last step says this.
    pub(crate) fn says(mut self, words: &'static str) -> Self {
        self.steps.last_mut().unwrap().says = words;
        self
    }

    /// After the last step engines do not start, and it is not its fault.
    pub(crate) fn engines_are_stopped(mut self) -> Self {
        self.steps.last_mut().unwrap().engines_start = false;
        self
    }

    /// Goes through all transactions with packages that use the macros, and
    /// asserts what is so after each.
    #[track_caller]
    pub(crate) fn holds(&self) {
        self.holds_on(&self.machine(Hooks::Storagectl));
    }

    /// The same on a host that was made otherwise.
    #[track_caller]
    pub(crate) fn holds_on(&self, machine: &Machine) {
        self.prepare(machine);
        for step in &self.steps {
            let said = self.act(machine, step).map_or_else(String::new, |output| {
                assert!(output.status.success(), "{}: {}", step.name, text(&output));
                String::from_utf8_lossy(&output.stderr).into_owned()
            });
            assert_eq!(machine.read(CONF), step.conf, "after {}, which said: {said}", step.name);
            assert!(said.contains(step.says), "{} said: {said}", step.name);
            let others: Vec<String> = machine.list("/etc/containers").into_iter().collect();
            // Beside it at most what keeps users from stores and directories that are not theirs;
            // without stores, the latter, if the vendor's file has root's.
            let users = "storage.rootless.conf.d";
            let stays = || {
                let names = machine.list(&format!("/etc/containers/{users}"));
                names.iter().all(|name| name == "00-storagectl.conf")
            };
            let goes = |name: &str| {
                name == "storage.conf" || (name == users && (step.conf != self.before || stays()))
            };
            let drop_ins = machine.list(&format!("/etc/containers/{users}"));
            assert!(others.iter().all(|name| goes(name)), "after {}: {others:?}, {drop_ins:?}", step.name);
            let expected = if step.engines_start { Ok(self.images(machine, step)) } else { Err(()) };
            let seen = machine.images();
            assert_eq!(seen.clone().map_err(drop), expected, "after {}: {seen:?}", step.name);
        }
        if self.steps.last().is_some_and(|step| step.conf == self.before) {
            assert_eq!(machine.list("/usr/lib/sysimage/storagectl"), [""; 0], "a record was left behind");
        }
    }

    /// Goes through all transactions and says in a few words what was first wrong.
    pub(crate) fn verdict(&self, hooks: Hooks) -> String {
        let machine = self.machine(hooks);
        self.prepare(&machine);
        for step in &self.steps {
            let output = self.act(&machine, step);
            let failed = output.filter(|output| !output.status.success());
            let wrong =
                self.finding(&machine, step, hooks).or(failed.map(|_| "the transaction fails".to_owned()));
            if let Some(wrong) = wrong {
                return format!("{}: {wrong}", step.name);
            }
        }
        "ok".to_owned()
    }

    fn machine(&self, hooks: Hooks) -> Machine {
        Machine::new(hooks)
    }

    fn prepare(&self, machine: &Machine) {
        for (path, text) in [(CONF, &self.before), (VENDOR_CONF, &self.vendor)] {
            if let Some(text) = text {
                machine.write(path, text);
            }
        }
    }

    fn act(&self, machine: &Machine, step: &Step) -> Option<Output> {
        match step.act {
            Act::Rpm(arguments) if self.ostree => Some(machine.rpm_ostree(arguments)),
            Act::Rpm(arguments) => Some(machine.rpm(arguments)),
            Act::Dnf(packages, arguments) => Some(machine.dnf(packages, arguments)),
            Act::Other(act) => {
                act(machine);
                None
            }
        }
    }

    /// The stores that engines read about with this in /etc.
    fn listed(&self, conf: Option<&String>) -> Vec<String> {
        stores(conf.or(self.vendor.as_ref()).map_or("", String::as_str))
    }

    /// The images that podman has to list: one for each store that shall be listed
    /// and holds it.
    fn images(&self, machine: &Machine, step: &Step) -> Vec<String> {
        let holds = |path: &String| machine.has(&format!("{path}/overlay-images/images.json"));
        let listed = self.listed(step.conf.as_ref());
        let mut images: Vec<String> =
            listed.iter().filter(|path| holds(path)).map(|path| image(path)).collect();
        images.sort();
        images
    }

    /// What is not as it should be. Where sed puts an entry and how it indents it
    /// is its own business; which stores are listed is not, and neither is what
    /// it leaves when it has taken the entry off again.
    fn finding(&self, machine: &Machine, step: &Step, hooks: Hooks) -> Option<String> {
        let seen = machine.images();
        if let (true, Err(why)) = (step.engines_start, &seen) {
            return Some(format!("engines stop ({})", reason(why)));
        }
        let conf = machine.read(CONF);
        if step.engines_start {
            let (listed, expected) = (self.listed(conf.as_ref()), self.listed(step.conf.as_ref()));
            let count = |path: &String| listed.iter().filter(|other| *other == path).count();
            if expected.iter().any(|path| count(path) == 0) {
                return Some("store not listed".to_owned());
            }
            if listed.iter().any(|path| !expected.contains(path)) {
                return Some("store still listed".to_owned());
            }
            if listed.iter().any(|path| count(path) > 1) {
                return Some("store listed twice".to_owned());
            }
            if seen != Ok(self.images(machine, step)) {
                return Some("images not as expected".to_owned());
            }
        }
        let exactly = hooks == Hooks::Storagectl || step.conf == self.before;
        (exactly && conf != step.conf).then(|| "file not as before".to_owned())
    }
}

/// Why podman stopped, in two words.
fn reason(output: &str) -> &'static str {
    if output.contains("can't stat imageStore dir") {
        "missing directory"
    } else if output.contains("toml") {
        "invalid TOML"
    } else {
        "for another reason"
    }
}

/// The stores that a storage.conf lists.
fn stores(conf: &str) -> Vec<String> {
    let doc = Document::parse(conf).unwrap();
    let options = doc.get("storage").and_then(|storage| storage.get("options"));
    let array = options.and_then(|options| options.get("additionalimagestores")?.as_array().cloned());
    array.unwrap_or_default().iter().map(|path| path.as_str().unwrap().to_owned()).collect()
}
