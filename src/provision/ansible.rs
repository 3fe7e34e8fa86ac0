//! A playbook with one play. Run again it changes nothing.
//!
//! It uses nothing but `ansible.builtin`, so that it runs wherever it is given, or the project's
//! own collection (`ansible/`), which needs storagectl on the hosts and edits what they have.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::document::{Value, map, text, to_yaml};
use super::layout::{Directories, NodeLayout, NodeUnit};
use super::model::{Generations, NodeModel, NodeStore};
use super::script;
use crate::conf::Position;
use crate::problem::{Problem, series};

/// What the handlers listen to.
const CHANGED: &str = "The stores have changed";

/// The collection's module.
const MODULE: &str = "storagectl.storagectl.image_store";

/// The mode of the directories that storagectl makes.
const USUAL_MODE: u32 = 0o755;

/// A model as a playbook that needs nothing on the hosts.
///
/// # Errors
/// As [`NodeLayout::of`].
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    let layout = NodeLayout::of(model, Directories::Made)?;
    let mut tasks: Vec<Value> = script::brought(model, &layout).map(look).collect();
    tasks.extend(model.created().map(|store| directory(&store.path, store.mode)));
    tasks.extend(label(model));
    let mut made: Vec<&str> = Vec::new();
    for file in &layout.files {
        let dir = file.path.rsplit_once('/').map_or("/", |(dir, _)| dir);
        if !made.contains(&dir) {
            made.push(dir);
            tasks.push(directory(dir, 0o755));
        }
        tasks.push(copy(&file.path, &file.text).with("notify", text(CHANGED)));
    }
    Ok(play(&layout, tasks, made_by))
}

/// A model as a playbook of the collection's module, which edits the hosts' own files.
///
/// # Errors
/// As [`NodeLayout::of`].
pub fn write_with_collection(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    let layout = NodeLayout::of(model, Directories::Made)?;
    let odd_modes = model.created().filter(|store| store.mode != USUAL_MODE);
    let mut tasks: Vec<Value> = odd_modes.map(|store| directory(&store.path, store.mode)).collect();
    let mut position = model.position.clone();
    // One task lists all or none, but only some may be made where they are missing.
    for stores in model.stores.chunk_by(|one, next| one.create == next.create) {
        tasks.push(list(model, stores, &position));
        let last = stores.last().expect("a chunk has at least one store");
        position = Position::After(last.path.clone());
    }
    tasks.extend(label(model));
    Ok(play(&layout, tasks, made_by))
}

/// Has storagectl list stores.
fn list(model: &NodeModel, stores: &[NodeStore], position: &Position) -> Value {
    let paths: Vec<Value> = stores.iter().map(|store| literal(&store.path)).collect();
    let place = match position {
        Position::Any => None,
        Position::First => Some(("position", text("first"))),
        Position::Last => Some(("position", text("last"))),
        Position::Before(store) => Some(("before", literal(store))),
        Position::After(store) => Some(("after", literal(store))),
    };
    let init = stores.iter().all(|store| store.create).then_some(("init", Value::Bool(true)));
    let engine = match model.generations {
        Generations::All => None,
        Generations::Legacy => Some(("engine", text("legacy"))),
        Generations::Modern => Some(("engine", text("modern"))),
    };
    let options = [place, init, engine].into_iter().flatten();
    let options = options.fold(map([("path", Value::List(paths))]), |map, (key, value)| map.with(key, value));
    let names: Vec<&str> = stores.iter().map(|store| store.path.as_str()).collect();
    let named = map([("name", literal(&format!("List {}", series(&names)))), (MODULE, options)]);
    named.with("notify", text(CHANGED))
}

/// The play, with the units of a layout behind `tasks`.
fn play(layout: &NodeLayout, mut tasks: Vec<Value>, made_by: &str) -> String {
    let mut handlers = restart();
    // Labels are made above.
    for unit in layout.units.iter().filter(|unit| unit.name != super::units::LABEL) {
        tasks.extend(enable(unit));
        handlers.push(start(unit));
    }
    let play = map([
        ("name", text("Additional image stores")),
        ("hosts", text("all")),
        ("become", Value::Bool(true)),
        ("gather_facts", Value::Bool(false)),
        // Else a host on which a later task fails keeps a CRI-O with the old list.
        ("force_handlers", Value::Bool(true)),
        ("tasks", Value::List(tasks)),
        ("handlers", Value::List(handlers)),
    ]);
    format!("{made_by}{}", to_yaml(&Value::List(vec![play]), 0))
}

fn task<const N: usize>(name: String, module: &str, options: [(&str, Value); N]) -> Value {
    map([("name", literal(&name)), (module, map(options))])
}

/// Fails where a store is missing that the host should have.
fn look(path: &str) -> Value {
    task(format!("See that {path} is there"), "ansible.builtin.stat", [("path", literal(path))])
        .with("register", text("store"))
        .with("failed_when", text("not (store.stat.isdir | default(false))"))
}

fn directory(path: &str, mode: u32) -> Value {
    let options = [
        ("path", literal(path)),
        ("state", text("directory")),
        ("owner", text("root")),
        ("group", text("root")),
        ("mode", text(format!("{mode:04o}"))),
    ];
    task(format!("Make {path}"), "ansible.builtin.file", options)
}

fn copy(path: &str, content: &str) -> Value {
    let options = [
        ("dest", literal(path)),
        ("owner", text("root")),
        ("group", text("root")),
        ("mode", text("0644")),
        ("content", literal(content)),
    ];
    task(format!("Write {path}"), "ansible.builtin.copy", options)
}

/// Has SELinux label the stores, where it is there. `semanage` has a module in another
/// collection only.
fn label(model: &NodeModel) -> Vec<Value> {
    if model.labelled().next().is_none() {
        return Vec::new();
    }
    let there = task("Look for SELinux".to_owned(), "ansible.builtin.stat", [("path", text(script::LABELS))])
        .with("register", text("labels"));
    let rule = |store: &NodeStore| {
        let options = [
            ("path", text(format!("{}/{}", script::LABELS, script::SUBS))),
            ("line", literal(&script::label_rule(model, store))),
            ("create", Value::Bool(true)),
            ("owner", text("root")),
            ("group", text("root")),
            ("mode", text("0644")),
        ];
        let add = task(format!("Say how {} is labelled", store.path), "ansible.builtin.lineinfile", options)
            .with("when", text("labels.stat.exists"));
        let words = ["restorecon", "-RFv"].map(text).into_iter().chain([literal(&store.path)]).collect();
        let options = [("argv", Value::List(words))];
        let run = task(format!("Label {}", store.path), "ansible.builtin.command", options)
            .with("register", text("label"))
            .with("changed_when", text("label.stdout != ''"))
            .with("when", text("labels.stat.exists"));
        [add, run]
    };
    std::iter::once(there).chain(model.labelled().flat_map(rule)).collect()
}

/// Restarts CRI-O, which reads its configuration when it starts; but only if it runs.
fn restart() -> Vec<Value> {
    let look = task("Look what runs".to_owned(), "ansible.builtin.service_facts", []);
    let options = [("name", text("crio")), ("state", text("restarted"))];
    let crio = task("Restart CRI-O".to_owned(), "ansible.builtin.service", options);
    let runs = "ansible_facts.services['crio.service'].state | default('') == 'running'";
    vec![look.with("listen", text(CHANGED)), crio.with("when", text(runs)).with("listen", text(CHANGED))]
}

/// Writes a unit and has it started at boot.
fn enable(unit: &NodeUnit) -> [Value; 2] {
    let name = &unit.name;
    let write = copy(&format!("/etc/systemd/system/{name}"), &unit.text);
    let options =
        [("name", text(name)), ("enabled", Value::Bool(true)), ("daemon_reload", Value::Bool(true))];
    let enable = task(format!("Enable {name}"), "ansible.builtin.systemd_service", options);
    [write.with("notify", text(format!("Start {name}"))), enable]
}

/// Starts a unit that is new or has changed.
fn start(unit: &NodeUnit) -> Value {
    let options = [("name", text(&unit.name)), ("state", text("restarted"))];
    task(format!("Start {}", unit.name), "ansible.builtin.systemd_service", options)
}

/// A string that Ansible takes as it stands, whatever Jinja would make of it.
fn literal(content: &str) -> Value {
    if ["{{", "{%", "{#"].iter().any(|special| content.contains(special)) {
        return text(format!("{{{{ '{}' | b64decode }}}}", BASE64_STANDARD.encode(content)));
    }
    text(content)
}
