//! A section of a kickstart file: anaconda runs it in the new system, when all its
//! packages are installed.

use super::layout::{Directories, NodeLayout};
use super::model::NodeModel;
use super::script;
use crate::problem::{Problem, shell_word};

/// A model as a section `%post`, to stand in a kickstart file or be included by one.
///
/// # Errors
/// As [`NodeLayout::of`].
pub fn write(model: &NodeModel, made_by: &str) -> Result<String, Problem> {
    let layout = NodeLayout::of(model, Directories::Made)?;
    let mut out = format!(
        "{made_by}# anaconda runs this in the new system; an error stops the installation.\n\
         %post --erroronfail\nset -eu\numask 022\n"
    );
    for path in script::brought(model, &layout) {
        out += &format!("{}\n", script::check(path));
    }
    for store in model.created() {
        out += &format!("{}\n", script::make(store));
    }
    for file in &layout.files {
        out += &write_file(&file.path, &file.text);
    }
    out += &script::label(model, true).unwrap_or_default();
    for unit in &layout.units {
        if unit.name == super::units::LABEL {
            // It is done by this script.
            continue;
        }
        out += &write_file(&format!("/etc/systemd/system/{}", unit.name), &unit.text);
        out += &format!("systemctl enable {}\n", unit.name);
    }
    Ok(out + "%end\n")
}

/// Replaces a file, also if it is a symlink.
fn write_file(path: &str, text: &str) -> String {
    let dir = path.rsplit_once('/').map_or("/", |(dir, _)| dir);
    let word = shell_word(path);
    let content = if is_plain(text) {
        let end = delimiter(text);
        format!("cat >{word} <<'{end}'\n{text}{end}\n")
    } else {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        format!("base64 -d >{word} <<'END'\n{}\nEND\n", BASE64_STANDARD.encode(text))
    };
    format!("mkdir -p {}\nrm -f {word}\n{content}chmod 0644 {word}\n", shell_word(dir))
}

/// Whether a text comes out of a here-document of a kickstart file as it is: whole
/// lines, none of which ends the section, and nothing that Python takes for the end of
/// a line.
fn is_plain(text: &str) -> bool {
    let splits =
        |it: char| (it.is_control() && !matches!(it, '\n' | '\t')) || matches!(it, '\u{2028}' | '\u{2029}');
    text.ends_with('\n')
        && !text.contains(splits)
        && !text.lines().any(|line| line.trim_start().starts_with('%'))
}

/// A line that is not in the text.
fn delimiter(text: &str) -> String {
    let mut end = "END".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    end
}
