//! Values of the right type that engines still cannot make sense of.

use super::finding::{Found, Sink};
use super::input::Input;
use super::keys::known_keys;
use crate::conf::Leaf;
use crate::conf::schema::{self, Kind, Known};
use crate::engine::Engines;
use crate::engine::Profile;

pub(super) fn bad_value(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        for (known, key) in known_keys(file) {
            let Leaf::String(value) = &key.value else {
                continue;
            };
            // An empty string is as good as none.
            let Some(wanted) = wanted(known, value).filter(|_| !value.is_empty()) else {
                continue;
            };
            let engines = input.counts(file, key);
            let message = format!("`{}` must be {wanted}, but is `{value}`", key.dotted());
            let hint = "write such a value, or remove the setting: there is a default";
            if schema::is_map(known.table) {
                let effect = engines.verb("takes it for `\"false\"`", "take it for `\"false\"`");
                sink.at(file, &key.span, Found::new(engines, message, effect, hint));
            } else {
                let parsing = engines.and(Engines::which(|profile| parses(input, known, profile)));
                sink.at(file, &key.span, Found::stops(parsing, message, hint));
            }
        }
    }
}

/// Whether an engine gets as far as looking at the value: it knows the key, its
/// driver is told of it, and it does not shrug off what it cannot parse.
fn parses(input: &Input<'_>, known: &Known, profile: Profile) -> bool {
    let driver = input.driver(profile).unwrap_or("overlay");
    let table = known.table.strip_prefix("storage.options.");
    let told = table.is_none_or(|table| table == driver)
        && (driver == "overlay" || known.name == "ignore_chown_errors");
    let knows = Engines::by_version(|version| known.is_known_to(version)).has(profile);
    // overlay.go of library 1.43 drops this one error.
    told && knows && !(known.name == "skip_mount_home" && profile == Profile::Podman4)
}

/// What a key wants, if `value` is not that (`parseOptions` in
/// drivers/overlay/overlay.go and `Init` in drivers/vfs/driver.go).
fn wanted(known: &Known, value: &str) -> Option<&'static str> {
    let (ok, wanted) = match known.name {
        _ if known.kind == Kind::StringBoolean && schema::is_map(known.table) => {
            (["true", "false"].contains(&value.to_lowercase().as_str()), "`\"true\"` or `\"false\"`")
        }
        // What Go's strconv.ParseBool accepts.
        _ if known.kind == Kind::StringBoolean => (
            ["1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"]
                .contains(&value),
            "`\"true\"` or `\"false\"`",
        ),
        "inodes" => (value.parse::<u64>().is_ok(), "a whole number"),
        "sync" => (["none", "filesystem"].contains(&value), "`none` or `filesystem`"),
        "force_mask" => (
            ["shared", "private"].contains(&value) || i32::from_str_radix(value, 8).is_ok(),
            "`shared`, `private` or an octal number such as `0755`",
        ),
        "size" | "min_space" => (is_size(value), "a size such as `10G`"),
        _ => return None,
    };
    (!ok).then_some(wanted)
}

/// What github.com/docker/go-units' RAMInBytes accepts.
fn is_size(value: &str) -> bool {
    let digits = value.trim_end_matches(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let unit = value[digits.len()..].trim_start_matches(' ').to_ascii_lowercase();
    let known =
        ["", "b", "k", "kb", "kib", "m", "mb", "mib", "g", "gb", "gib", "t", "tb", "tib", "p", "pb", "pib"];
    digits.parse::<f64>().is_ok_and(|number| number >= 0.0) && known.contains(&unit.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_engines_parse() {
        for size in ["10G", "10 GiB", "512", "1.5t", "7kb"] {
            assert!(is_size(size), "{size}");
        }
        for size in ["", "G", "ten", "10X", "-1G", "10 % "] {
            assert!(!is_size(size), "{size}");
        }
    }
}
