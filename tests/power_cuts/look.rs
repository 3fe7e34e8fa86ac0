//! What is on the disk after a cut: it is mounted in namespaces of its own, in the machine's own
//! system, with tests/machine/power-cuts/enter.sh.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::state::State;

/// Where to look.
pub(crate) struct Look<'a> {
    pub(crate) record: &'a Path,
    pub(crate) image: &'a Path,
    pub(crate) file_system: &'a str,
}

/// What is promised to be whole, and what deep checks call an error.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) state: State,
    pub(crate) errors: Vec<String>,
}

/// What was seen.
pub(crate) struct Looked {
    pub(crate) first: Seen,
    /// What deep checks call an error in the control's store.
    pub(crate) control: Vec<String>,
    /// How the command ended when it was run again, what it said, and what was seen then.
    pub(crate) again: Option<(i32, String, Seen)>,
}

impl Look<'_> {
    /// Looks; `again` is a command that is run then.
    ///
    /// # Errors
    /// What was said, if the disk cannot be mounted or looked at.
    pub(crate) fn at(&self, again: Option<&str>) -> Result<Looked, String> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/power-cuts");
        let mut command = Command::new(scripts.join("enter.sh"));
        command.arg(self.record.join("root")).arg(self.record.join("tree")).arg(self.image);
        command.arg(self.file_system).arg("check.sh").args(again);
        let output = command.output().unwrap();
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return Err(format!("it cannot be looked at: {}: {}", output.status, errors.trim()));
        }
        let mut looked = Looked { first: Seen::default(), control: Vec::new(), again: None };
        for part in said.split("== ").skip(1) {
            let (name, text) = part.split_once('\n').unwrap_or((part, ""));
            let seen = looked.again.as_mut().map_or(&mut looked.first, |(_, _, seen)| seen);
            match name {
                "state" => seen.state = State::parse(text),
                "stores" | "embedded" => seen.errors.extend(errors_of(text)),
                "skopeo" => looked.control = errors_of(text),
                "again" => {
                    let (status, said) = text.split_once('\n').unwrap();
                    looked.again = Some((status.parse().unwrap(), said.trim().to_owned(), Seen::default()));
                }
                other => panic!("`{other}` is not known"),
            }
        }
        assert_eq!(looked.again.is_some(), again.is_some(), "{said}");
        Ok(looked)
    }
}

/// The errors of a document of check-store or verify-images, and what could not be looked at.
fn errors_of(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return vec![format!("no answer: {text}")];
    };
    let all = |list: &str| document[list].as_array().cloned().unwrap_or_default();
    let errors = all("findings").into_iter().filter(|finding| finding["severity"] == "error");
    let errors = errors.map(|it| format!("{}: {}: {}", it["store"], it["id"], it["message"]));
    errors.chain(all("not_looked").iter().map(ToString::to_string)).collect()
}
