//! What RPM, engines and the spec allow in a value.

use std::ffi::OsStr;

use crate::images::{Name, Platform};
use crate::store::store_path;

/// A value that is not allowed, and what helps.
pub(super) type Refusal = (String, String);

/// Architectures of RPM that container images are built for, with Go's name and variant.
const ARCHITECTURES: [(&str, &str, Option<&str>); 7] = [
    ("x86_64", "amd64", None),
    ("aarch64", "arm64", None),
    ("ppc64le", "ppc64le", None),
    ("s390x", "s390x", None),
    ("riscv64", "riscv64", None),
    ("armv7hl", "arm", Some("v7")),
    ("i686", "386", None),
];

/// Directories that belong to the system, or to storagectl.
const SYSTEM: [&str; 22] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/share",
    "/var",
    "/var/lib",
];

/// Directories in which nothing can be shipped.
const VOLATILE: [&str; 6] = ["/dev/", "/proc/", "/run/", "/sys/", "/tmp/", "/var/tmp/"];

fn refusal<T>(message: String, hint: &str) -> Result<T, Refusal> {
    Err((message, hint.to_owned()))
}

/// The name of a package (`ALLOWED_CHARS_NAME` in rpm's build/parsePreamble.c, less
/// macros).
pub(super) fn package_name(name: &str) -> Result<(), Refusal> {
    let letter = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_' | '+');
    let starts = name.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_');
    if starts && name.chars().all(letter) && name.len() <= 128 {
        return Ok(());
    }
    refusal(
        format!("RPM does not allow the name `{}`", name.escape_debug()),
        "use letters, digits and `._+-`, a letter or digit first",
    )
}

/// A version or release (`ALLOWED_CHARS_VERREL`, less macros).
pub(super) fn version(what: &str, text: &str) -> Result<(), Refusal> {
    let letter = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '+' | '~' | '^');
    if !text.is_empty() && text.chars().all(letter) && !text.contains("..") && text.len() <= 128 {
        return Ok(());
    }
    refusal(
        format!("RPM does not allow the {what} `{}`", text.escape_debug()),
        "use letters, digits and `._+~^`, without two dots together",
    )
}

/// A text on one line.
pub(super) fn line(what: &str, text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return refusal(format!("the {what} is empty"), "write something, or leave the key out");
    }
    if text.trim().chars().any(char::is_control) {
        return refusal(
            format!("the {what} has more than one line, or a control character"),
            "write it on one line",
        );
    }
    Ok(())
}

/// A description: no line of it may be one that RPM reads.
pub(super) fn description(text: &str) -> Result<(), Refusal> {
    if text.chars().any(|it| it.is_control() && it != '\n' && it != '\t') {
        return refusal("the description has a control character".to_owned(), "remove it");
    }
    let directive = |line: &str| {
        line.trim_start()
            .strip_prefix('%')
            .is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_alphabetic()))
    };
    if let Some(line) = text.lines().find(|line| directive(line)) {
        return refusal(
            format!("RPM would read a line of the description as its own: `{}`", line.trim().escape_debug()),
            "begin the line with anything but `%`",
        );
    }
    Ok(())
}

/// The address of a page.
pub(super) fn url(text: &str) -> Result<(), Refusal> {
    let is_plain = text.chars().all(|it| it.is_ascii_graphic());
    if is_plain && (text.starts_with("https://") || text.starts_with("http://")) {
        return Ok(());
    }
    refusal(format!("`{}` is not a web address", text.escape_debug()), "write it with `https://`")
}

/// What a package requires, as RPM writes it.
pub(super) fn requirement(text: &str) -> Result<(), Refusal> {
    let is_plain =
        !text.trim().is_empty() && text.chars().all(|it| it == ' ' || (it.is_ascii_graphic() && it != '%'));
    if is_plain {
        return Ok(());
    }
    refusal(
        format!("`{}` is not a requirement that RPM knows", text.escape_debug()),
        "write it as in a spec, such as `microshift >= 4.16`",
    )
}

/// A directory that a package may bring. Returns it cleaned.
pub(super) fn directory(text: &str) -> Result<String, Refusal> {
    let path = store_path(OsStr::new(text)).map_err(|problem| (problem.message, problem.hint))?;
    let letter = |it: char| it.is_ascii_alphanumeric() || "/._-+@~^".contains(it);
    if !path.chars().all(letter) {
        return refusal(
            format!(
                "the path `{}` has a character that RPM would read as something else",
                path.escape_debug()
            ),
            "use letters, digits and `._-+@~^`",
        );
    }
    if SYSTEM.contains(&path.as_str()) {
        return refusal(
            format!("`{path}` belongs to the system"),
            "give a directory of the package's own, such as `/usr/lib/APPLICATION/containers`",
        );
    }
    let below = format!("{path}/");
    if VOLATILE.iter().any(|dir| below.starts_with(dir)) {
        return refusal(
            format!("a package cannot ship anything in `{path}`: it is empty after a boot"),
            "give a directory in `/usr/lib`",
        );
    }
    Ok(path)
}

/// An architecture, by RPM's name.
pub(super) fn architecture(name: &str) -> Result<Platform, Refusal> {
    let Some((_, go, variant)) = ARCHITECTURES.iter().find(|(rpm, ..)| *rpm == name) else {
        let known: Vec<&str> = ARCHITECTURES.iter().map(|(rpm, ..)| *rpm).collect();
        return Err((
            format!("`{}` is not an architecture of packages with images", name.escape_debug()),
            match ARCHITECTURES.iter().find(|(_, go, _)| *go == name) {
                Some((rpm, ..)) => format!("RPM calls it `{rpm}`; `image_arch` takes `{name}`"),
                None => format!("known are `{}`", known.join("`, `")),
            },
        ));
    };
    Ok(Platform::asked(go, *variant))
}

/// An architecture of images, by the name of Go or of RPM, with a variant behind a slash.
pub(super) fn image_architecture(text: &str) -> Result<Platform, Refusal> {
    let (arch, variant) = match text.split_once('/') {
        Some((arch, variant)) => (arch, Some(variant)),
        None => (text, None),
    };
    if let Ok(platform) = architecture(arch)
        && variant.is_none()
    {
        return Ok(platform);
    }
    if ARCHITECTURES.iter().any(|(_, go, _)| *go == arch) {
        return Ok(Platform::asked(arch, variant));
    }
    let known: Vec<&str> = ARCHITECTURES.iter().map(|(_, go, _)| *go).collect();
    Err((
        format!("`{}` is not an architecture of images", text.escape_debug()),
        format!("known are `{}`", known.join("`, `")),
    ))
}

/// A reference of an image.
pub(super) fn reference(text: &str) -> Result<(), Refusal> {
    match Name::parse(text) {
        Ok(_) => Ok(()),
        Err(problem) => Err((problem.message, problem.hint)),
    }
}

/// RPM's architectures with images.
pub(in crate::pack) fn architectures() -> impl Iterator<Item = &'static str> {
    ARCHITECTURES.iter().map(|(rpm, ..)| *rpm)
}
