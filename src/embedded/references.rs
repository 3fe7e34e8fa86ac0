//! Files that name images: one a line, or a release file of MicroShift.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use super::list::reference_fault;
use crate::conf::Fault;
use crate::images::Digest;
use crate::problem::Problem;

const ONE_A_LINE: &str = "give a file with one reference per line, or a JSON object with `images`, as MicroShift's release files have it";

/// The references in `text`: the values of `images` if it is a JSON object, else the
/// lines. A line that starts with `#` is a comment, and so is what stands behind ` #`.
///
/// # Errors
/// `document`, `reference-invalid` with its place, or `no-references`.
pub fn references_in(text: &str, file: &Path) -> Result<Vec<String>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let references =
        if text.trim_start().starts_with('{') { of_release(text, file)? } else { of_lines(text, file)? };
    if references.is_empty() {
        let message = format!("`{}` names no image", file.display());
        return Err(Problem::new("no-references", message, ONE_A_LINE));
    }
    Ok(references)
}

/// Whether `reference` can be embedded.
///
/// # Errors
/// `reference-invalid`.
pub fn check_reference(reference: &str) -> Result<(), Problem> {
    let hint = "give it in full, such as `registry.example.com/app:1` or `registry.example.com/app@sha256:…`";
    let wrong = |why: &str| {
        Err(Problem::new(
            "reference-invalid",
            format!("the reference `{}` {why}", reference.escape_debug()),
            hint,
        ))
    };
    if let Err(why) = reference_fault(reference) {
        return wrong(why);
    }
    if reference.contains("://") {
        return wrong("starts with a transport; it is fetched from a registry");
    }
    match reference.split_once('@') {
        Some((_, digest)) if Digest::parse(digest).is_none() => {
            wrong("has a digest that is not `sha256:` and 64 hexadecimal digits")
        }
        _ => Ok(()),
    }
}

fn of_lines(text: &str, file: &Path) -> Result<Vec<String>, Problem> {
    let mut references = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.split(" #").next().unwrap_or_default();
        let content = if content.starts_with('#') { "" } else { content.trim() };
        if !content.is_empty() {
            let offset = start + (line.len() - line.trim_start().len());
            checked(content, file, text, offset..offset + content.len())?;
            references.push(content.to_owned());
        }
        start += line.len();
    }
    Ok(references)
}

fn checked(reference: &str, file: &Path, text: &str, span: Range<usize>) -> Result<(), Problem> {
    check_reference(reference).map_err(|problem| {
        let fault = Fault { id: problem.id, message: problem.message, hint: problem.hint, span };
        Problem::at(fault, file.to_owned(), text)
    })
}

fn of_release(text: &str, file: &Path) -> Result<Vec<String>, Problem> {
    let wrong = |why: String| Problem::new("document", format!("`{}` {why}", file.display()), ONE_A_LINE);
    let release: Value = serde_json::from_str(text)
        .map_err(|error| wrong(format!("starts like JSON but is malformed: {error}")))?;
    let images = match release.get("images") {
        Some(Value::Object(images)) => images,
        Some(_) => return Err(wrong("has `images` that is not an object".to_owned())),
        None => return Err(wrong("is JSON without `images`".to_owned())),
    };
    let mut references = Vec::new();
    for (name, reference) in images {
        let Some(reference) = reference.as_str() else {
            return Err(wrong(format!("has `images.{}` that is not a string", name.escape_debug())));
        };
        check_reference(reference).map_err(|problem| Problem {
            message: format!("`{}`: {}", file.display(), problem.message),
            ..problem
        })?;
        references.push(reference.to_owned());
    }
    Ok(references)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, Problem> {
        references_in(text, Path::new("images"))
    }

    #[test]
    fn a_file_has_one_reference_a_line_or_is_a_release_file() {
        let lines = "\u{feff}# all of them\r\nexample.com/a:1\r\n\n  example.com/b # the other\n  # x";
        assert_eq!(read(lines).unwrap(), ["example.com/a:1", "example.com/b"]);
        let release = r#" {"release": {"base": "4.20"}, "images": {"etcd": "example.com/b:2", "cli": "example.com/a@sha256:0000000000000000000000000000000000000000000000000000000000000000"}}"#;
        assert_eq!(read(release).unwrap().len(), 2);
    }

    #[test]
    fn what_cannot_be_embedded_is_told_with_its_place() {
        for (text, id) in [
            ("", "no-references"),
            ("# nothing\n", "no-references"),
            ("{}", "document"),
            ("{", "document"),
            (r#"{"images": {}}"#, "no-references"),
            (r#"{"images": ["a"]}"#, "document"),
            (r#"{"images": {"a": 1}}"#, "document"),
            (r#"{"images": {"a": "x,y"}}"#, "reference-invalid"),
            ("docker://example.com/a", "reference-invalid"),
            ("example.com/a@sha256:12", "reference-invalid"),
        ] {
            assert_eq!(read(text).unwrap_err().id, id, "{text}");
        }
        let problem = read("# x\n  example.com/a,b\n").unwrap_err();
        assert_eq!((problem.id, problem.place.unwrap().position()), ("reference-invalid", Some((2, 3))));
    }
}
