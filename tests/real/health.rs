//! Health that machines watch: metrics as Prometheus' own checker reads them, units that the real
//! systemd runs, checks that greenboot's own runner runs.

mod greenboot;
mod metrics;
mod units;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{finish, text};

/// The samples of a document, by the name with its labels.
fn samples(document: &str) -> std::collections::BTreeMap<String, f64> {
    let lines = document.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}

/// What Prometheus' own checker says of a document; nothing if it is as it should be.
fn promtool(document: &str) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, document.as_bytes()).unwrap();
    let mut command = Command::new("promtool");
    command
        .args(["check", "metrics"])
        .stdin(Stdio::from(fs_err::File::open(file.path()).unwrap().into_parts().0));
    let output = finish(&mut command);
    if output.status.success() && output.stderr.is_empty() { String::new() } else { text(&output) }
}

fn example(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/scriptlets/examples")).join(name)
}
