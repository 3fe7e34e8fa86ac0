//! A piece of a Containerfile for images that are booted.
//!
//! It needs nothing of ours in the image, and only what every builder understands:
//! here-documents came with buildah 1.33. /var of an image is not what a booted host
//! has, and `bootc container lint` says so; tmpfiles.d makes the stores at boot.

use super::layout::{Directories, NodeLayout, NodeUnit};
use super::model::NodeModel;
use super::{script, tmpfiles};
use crate::problem::{Problem, shell_word, single_quoted};

/// Directories that a booted host can make: in /var, where these links point too.
const WRITABLE: [&str; 3] = ["/var/", "/srv/", "/opt/"];

/// A model as instructions.
///
/// # Errors
/// As [`NodeLayout::of`], and for stores that a booted host cannot make.
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    for store in model.created() {
        if !WRITABLE.iter().any(|dir| store.path.starts_with(dir)) {
            return Err(Problem::new(
                "kind-lacks",
                format!("a host that is booted from an image cannot create the store `{}`", store.path),
                "give one below /var; or create it in the image, and add `--no-create`",
            ));
        }
    }
    let layout = NodeLayout::of(model, Directories::Made)?;
    let mut out = format!(
        "{made_by}# Behind what installs the engines, and last: a host makes its /var when it boots,\n\
         # and until then an engine in the build does not find its stores.\n"
    );
    for path in script::brought(model, &layout) {
        out += &format!("RUN {}\n", script::check(path));
    }
    let lines: String = model.created().map(tmpfiles::directory).collect();
    if !lines.is_empty() {
        out += &put("/usr/lib/tmpfiles.d/storagectl-stores.conf", &lines);
    }
    // The directories get their labels when they are made.
    if let Some(script) = script::label(model, false) {
        let lines: Vec<&str> = script.lines().collect();
        out += &format!("RUN {}\n", lines.join("; \\\n    ").replace("then;", "then"));
    }
    for file in &layout.files {
        out += &put(&file.path, &file.text);
    }
    for unit in layout.units.iter().filter(|unit| unit.name != super::units::LABEL) {
        out += &enable(unit);
    }
    Ok(out)
}

/// An instruction that replaces a file. Each line is a word of its own, since a line of
/// an instruction that starts with `#` is a comment.
fn put(path: &str, text: &str) -> String {
    let (lines, rest) = text.rsplit_once('\n').map_or((None, text), |(lines, rest)| (Some(lines), rest));
    let mut prints = Vec::new();
    if let Some(lines) = lines {
        let words: String =
            lines.split('\n').map(|line| format!("\\\n        {} ", single_quoted(line))).collect();
        prints.push(format!("printf '%s\\n' {words}\\\n        "));
    }
    if !rest.is_empty() {
        prints.push(format!("printf %s {} ", single_quoted(rest)));
    }
    let dir = path.rsplit_once('/').map_or("/", |(dir, _)| dir);
    let path = shell_word(path);
    let mut out = format!("RUN mkdir -p {} && rm -f {path} && \\\n", shell_word(dir));
    for (index, print) in prints.iter().enumerate() {
        let into = if index == 0 { ">" } else { ">>" };
        out += &format!("    {print}{into}{path} && \\\n");
    }
    out + &format!("    chmod 0644 {path}\n")
}

/// Instructions that add a unit, and enable it as `systemctl enable` would.
fn enable(unit: &NodeUnit) -> String {
    const UNITS: &str = "/usr/lib/systemd/system";
    let name = &unit.name;
    let wants = "/etc/systemd/system/multi-user.target.wants";
    put(&format!("{UNITS}/{name}"), &unit.text)
        + &format!("RUN mkdir -p {wants} && ln -sf {UNITS}/{name} {wants}/\n")
}
