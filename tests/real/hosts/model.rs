//! What storagectl says of a host.

use std::process::Command;

use serde_json::Value;

use super::engines::paths;
use super::host::{Answer, Host, Profile, Seen, UID};
use crate::support::{finish, storagectl, text};

/// What `storagectl show-config` says that an engine of a profile sees.
pub(super) fn ask(host: &Host, profile: Profile) -> Answer {
    let tree = host.tree();
    let mut command = storagectl(&["--root"]);
    command.arg(tree.path()).args(["show-config", "--engine", profile.name(), "--format", "json"]);
    if host.is_rootless() {
        command.args(["--rootless", &UID.to_string()]);
    }
    command.env_clear().envs(host.variables());
    answer(&mut command)
}

fn answer(command: &mut Command) -> Answer {
    let output = finish(command);
    let Ok(json) = serde_json::from_slice::<Value>(&output.stdout) else {
        panic!("no JSON from {command:?}: {}", text(&output));
    };
    if let Some(error) = json.get("error") {
        assert_eq!(output.status.code(), Some(1), "{error}");
        return Err(error["message"].as_str().unwrap().to_owned());
    }
    assert_eq!(output.status.code(), Some(0), "{json}");
    let settings = &json["settings"];
    let value = |key: &str| Some(settings[key]["value"].as_str().unwrap_or_default().to_owned());
    // It shows the items as they are written; what a driver makes of each is not configuration.
    let items = settings["additionalimagestores"]["value"].as_array().into_iter().flatten();
    Ok(Seen {
        driver: value("driver"),
        graphroot: value("graphroot"),
        runroot: value("runroot"),
        imagestore: value("imagestore"),
        stores: Some(items.flat_map(|item| paths(item["value"].as_str().unwrap())).collect()),
    })
}
