//! A control node: the collection where Ansible looks, and plays on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::provision_simple::python;
use crate::support::{STORAGECTL, copy_program, run};

/// A program of Ansible's, beside the others.
pub(super) fn python_command(program: &str) -> Command {
    let program = python(program);
    let mut command = Command::new(&program);
    let path = std::env::var("PATH").unwrap();
    let dir = program.parent().unwrap().display();
    command
        .env("PATH", format!("{dir}:{path}"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("ANSIBLE_LOCALHOST_WARNING", "0");
    command
}

/// Where ansible-test keeps what it installs, once, beside Ansible. It would fetch a pip from a site
/// of its own; that of Python does the same.
pub(super) fn ansible_test_home() -> PathBuf {
    python("ansible-test").with_file_name("../ansible-test")
}

pub(super) struct Control {
    dir: tempfile::TempDir,
}

impl Control {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("collections/ansible_collections/storagectl");
        fs_err::create_dir_all(&place).unwrap();
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/ansible");
        // ansible-test writes into it.
        run(Command::new("cp").arg("-a").arg(ours).arg(place.join("storagectl")));
        copy_program(STORAGECTL, dir.path().join("storagectl"));
        Self { dir }
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The program, where every user can run it.
    pub(super) fn program(&self) -> String {
        self.path("storagectl")
    }

    pub(super) fn task(&self, module: &str, options: &Value) -> Value {
        let mut options = options.clone();
        options["executable"] = json!(self.program());
        json!({format!("storagectl.storagectl.{module}"): options})
    }

    /// The task in check mode.
    pub(super) fn check(&self, module: &str, options: &Value) -> Value {
        let mut task = self.task(module, options);
        task["check_mode"] = json!(true);
        task
    }

    /// A run of a play with these tasks.
    pub(super) fn play(&self, tasks: &[Value], arguments: &[&str]) -> Command {
        let play = json!([{"hosts": "all", "gather_facts": false, "tasks": tasks}]);
        let file = self.path("play.yml");
        fs_err::write(&file, serde_json::to_string_pretty(&play).unwrap()).unwrap();
        let mut command = python_command("ansible-playbook");
        command.args(["--inventory", "localhost,", "--connection", "local", &file]).args(arguments);
        command.env("ANSIBLE_COLLECTIONS_PATH", self.path("collections")).env("HOME", self.dir.path());
        // That of the system: users can run it, too.
        command.env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3").env("ANSIBLE_PIPELINING", "1");
        command
    }

    /// What each task gives, in one run; those that fail do not end it.
    pub(super) fn results(&self, tasks: &[Value]) -> Vec<Value> {
        let results = Path::new(&self.path("results")).to_owned();
        let mut all = Vec::new();
        for (number, task) in tasks.iter().enumerate() {
            let mut task = task.clone();
            let settings =
                json!({"register": format!("result{number}"), "ignore_errors": true, "diff": true});
            task.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
            all.push(task);
        }
        let names: Vec<String> = (0..tasks.len()).map(|number| format!("result{number}")).collect();
        let content = format!("{{{{ [{}] | to_json }}}}", names.join(", "));
        all.push(json!({"ansible.builtin.copy": {"dest": results, "content": content, "mode": "0600"}}));
        run(&mut self.play(&all, &[]));
        serde_json::from_str(&fs_err::read_to_string(results).unwrap()).unwrap()
    }
}
