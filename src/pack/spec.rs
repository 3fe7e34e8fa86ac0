//! The spec of a package; pure.
//!
//! One spec serves a binary package that is built here and a source package that is built
//! elsewhere, for every architecture. It names no directory, so that the source package
//! is the same wherever it is made.

use super::owners::Owners;
use super::recipe::{Package, Payload};

/// The oldest storagectl that knows what is in a package.
const NEEDED: &str = env!("CARGO_PKG_VERSION");

/// rpm refuses dates before the nineties in a changelog, so that none is earlier than
/// this, 2000-01-01.
const EARLIEST: i64 = 946_684_800;

/// How wide a description is; rpmlint takes no longer lines.
const WIDTH: usize = 79;

/// What is in the package for one architecture.
#[derive(Debug, Clone)]
pub(super) struct ArchitectureFiles {
    /// RPM's name of the architecture.
    pub(super) arch: String,
    /// Owners of files that are not root.
    pub(super) owners: Owners,
}

/// The file of the source that holds the tree of an architecture.
pub(super) fn tree_name(package: &Package, arch: &str) -> String {
    format!("{}.{arch}.tar", package.label())
}

/// The file of the source that lists the files of an architecture.
pub(super) fn list_name(package: &Package, arch: &str) -> String {
    format!("{}.{arch}.files", package.label())
}

/// The name of the spec's file.
pub(super) fn spec_name(package: &Package) -> String {
    format!("{}.spec", package.name)
}

/// The text. `time` is the newest of all, in seconds since 1970.
pub(super) fn spec(package: &Package, parts: &[ArchitectureFiles], time: i64) -> String {
    let mut text = String::from("# Made by `storagectl pack`.\n\n");
    // What is compressed already is not compressed again.
    let (binary, source) = match package.payload {
        Payload::Store if package.has_images() => ("w3T0.zstdio", "w3T0.zstdio"),
        _ if package.has_images() => ("w.ufdio", "w.ufdio"),
        _ => ("w9.gzdio", "w9.gzdio"),
    };
    text += &format!(
        "# Nothing is compiled, and no file is changed.\n\
         %global debug_package %{{nil}}\n\
         %global __os_install_post %{{nil}}\n\
         %global __arch_install_post %{{nil}}\n\
         %global _build_id_links none\n\
         %global _binary_payload {binary}\n\
         %global _source_payload {source}\n\
         # Every rpm verifies this format; before 6, none sees a signature of the next one.\n\
         %global _rpmformat 4\n\
         # The same images give the same package.\n\
         %global _buildhost reproducible\n\
         %global _srcdefattr (-,root,root)\n\
         %global use_source_date_epoch_as_buildtime 1\n\
         %global clamp_mtime_to_source_date_epoch 1\n\
         %global source_date_epoch_from_changelog 1\n\n"
    );
    let arches: Vec<&str> = parts.iter().map(|part| part.arch.as_str()).collect();
    tags(package, &arches, &mut text);
    for (index, part) in parts.iter().enumerate() {
        text += &format!("{:<18}{}\n", format!("Source{}:", 2 * index), tree_name(package, &part.arch));
        text += &format!("{:<18}{}\n", format!("Source{}:", 2 * index + 1), list_name(package, &part.arch));
    }
    for part in parts.iter().filter(|part| !part.owners.is_empty()) {
        text += &format!("%ifarch {}\n{}%endif\n", part.arch, part.owners.tags());
    }
    text += &format!("\n%description\n{}", described(&package.description));
    let label = package.label();
    text += &format!(
        "\n%prep\n\n%build\n\n%install\n\
         mkdir -p \"$RPM_BUILD_ROOT\"\n\
         %if 0%{{?storagectl_tree:1}}\n\
         mv %{{storagectl_tree}}/* \"$RPM_BUILD_ROOT\"/\n\
         %else\n\
         tar -C \"$RPM_BUILD_ROOT\" -xf \"$RPM_SOURCE_DIR/{label}.%{{_target_cpu}}.tar\"\n\
         %endif\n\
         cp \"$RPM_SOURCE_DIR/{label}.%{{_target_cpu}}.files\" files.list\n"
    );
    for part in parts.iter().filter(|part| !part.owners.is_empty()) {
        text += &format!("\n%ifarch {}\n%pre\n{}%endif\n", part.arch, part.owners.script());
    }
    text += "\n%files -f files.list\n";
    let date = date(time.max(EARLIEST));
    text += &format!(
        "\n%changelog\n* {date} storagectl pack - {}-{}\n- Packed from images\n",
        package.version, package.release
    );
    text
}

fn tags(package: &Package, arches: &[&str], text: &mut String) {
    let escaped = |value: &str| value.trim().replace('%', "%%");
    let mut tag = |name: &str, value: &str| text.push_str(&format!("{:<18}{value}\n", format!("{name}:")));
    tag("Name", &package.name);
    tag("Version", &package.version);
    tag("Release", &format!("{}%{{?dist}}", package.release));
    tag("Summary", &escaped(&package.summary));
    tag("License", &escaped(&package.license));
    if let Some(url) = &package.url {
        tag("URL", &escaped(url));
    }
    tag("ExclusiveArch", &arches.join(" "));
    tag("AutoReqProv", "no");
    if package.has_images() {
        // Not only while the package is installed: storagectl must not go before it.
        tag("Requires", &format!("storagectl >= {NEEDED}"));
        for when in ["post", "preun", "postun"] {
            tag(&format!("Requires({when})"), "storagectl");
        }
    }
    for requirement in &package.requires {
        tag("Requires", requirement);
    }
}

/// A description whose lines are short enough, with blank lines and indented lines as they
/// are.
fn described(text: &str) -> String {
    let mut out = String::new();
    for line in text.trim_end().lines() {
        let line = line.trim_end().replace('%', "%%");
        let indent: String = line.chars().take_while(|it| it.is_whitespace()).collect();
        let mut width = 0;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if width > 0 && width + 1 + length > WIDTH {
                out.push('\n');
                width = 0;
            }
            if width == 0 {
                out.push_str(&indent);
                width = indent.chars().count();
            } else {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
        }
        out.push('\n');
    }
    if out.is_empty() { "\n".to_owned() } else { out }
}

/// A day as a changelog has it, `Tue Nov 03 2026`.
fn date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = seconds.div_euclid(86_400);
    let (year, month, of_month) = crate::store::date(day);
    let week = DAYS[usize::try_from(day.rem_euclid(7)).expect("it is less than seven")];
    let month = MONTHS[usize::try_from(month - 1).expect("it is one of twelve")];
    format!("{week} {month} {of_month:02} {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_as_wide_as_rpmlint_takes() {
        let long = "word ".repeat(30);
        let text = described(&format!("{long}\n\n  * 100% of it\n"));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.lines().count(), 4);
        assert!(text.ends_with("\n\n  * 100%% of it\n"));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(date(EARLIEST), "Sat Jan 01 2000");
        assert_eq!(date(1_648_771_200), "Fri Apr 01 2022");
    }
}
