//! One declaration file: text in, stores out.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::architecture;
use crate::conf::{Fault, Position};
use crate::store::store_path;

/// Where sealed stores are mounted: in /run, since no package and no read-only /usr may
/// have anything to do with the mount points.
pub const SEALED_STORES: &str = "/run/storagectl/stores";

/// A declared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The declaration's name: its file's, without `.toml`.
    pub name: String,
    /// The store, cleaned.
    pub path: String,
    /// Where it stands among the others.
    pub position: Position,
    /// What it is, in the words of who declares it.
    pub comment: Option<String>,
    /// When it is wanted.
    pub condition: Condition,
    /// The squashfs file that is mounted there, if it is sealed in one.
    pub sealed: Option<String>,
}

/// What has to be true for a store to be wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// This path exists; with `!` in front, does not.
    pub path_exists: Option<String>,
    /// The system is for one of these architectures, in systemd's words (`x86-64`);
    /// empty if that does not matter.
    pub architectures: Vec<&'static str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclarationFile {
    #[serde(default)]
    store: Vec<Spanned<StoreTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StoreTable {
    path: Spanned<String>,
    #[serde(default)]
    position: Option<Spanned<DeclaredPlace>>,
    #[serde(default)]
    before: Option<Spanned<String>>,
    #[serde(default)]
    after: Option<Spanned<String>>,
    #[serde(default)]
    comment: Option<Spanned<String>>,
    #[serde(default)]
    condition: Conditions,
    #[serde(default)]
    sealed: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DeclaredPlace {
    First,
    Last,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Conditions {
    path_exists: Option<Spanned<String>>,
    architecture: Option<Spanned<Architectures>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
enum Architectures {
    One(String),
    Several(Vec<String>),
}

/// Reads the declaration file `name`. A file without stores declares nothing,
/// which is how an administrator may empty a package's.
///
/// # Errors
/// A [`Fault`] `declaration` for what is not a declaration: not TOML, an unknown
/// key, a wrong type, a path that engines would not take.
pub fn parse(name: &str, text: &str) -> Result<Vec<Declared>, Fault> {
    let file: DeclarationFile = toml::from_str(text).map_err(|error| {
        let message = error.message().replace('\n', "; ");
        let message = match message.strip_prefix("unknown field ") {
            Some(rest) => format!("unknown key {rest}"),
            None => message.replace("missing field", "missing key"),
        };
        fault(message, &error.span().unwrap_or(text.len()..text.len()), HINT)
    })?;
    let mut stores: Vec<Declared> = Vec::new();
    for store in file.store {
        let store = store.into_inner();
        let path = checked(&store.path)?;
        if stores.iter().any(|other| other.path == path) {
            return Err(fault(
                format!("`{path}` is declared twice in this file"),
                &store.path.span(),
                "remove one of the two",
            ));
        }
        stores.push(Declared {
            name: name.to_owned(),
            position: position(&store, &path)?,
            sealed: sealed(&store, &path)?,
            path,
            comment: store.comment.map(Spanned::into_inner).filter(|comment| !comment.is_empty()),
            condition: condition(&store.condition)?,
        });
    }
    Ok(stores)
}

const HINT: &str = "see storagectl-apply(1) for what a declaration holds; what this file had declared stays listed until then";

fn fault(message: String, span: &std::ops::Range<usize>, hint: &str) -> Fault {
    Fault { id: "declaration", message, hint: hint.to_owned(), span: span.clone() }
}

fn checked(path: &Spanned<String>) -> Result<String, Fault> {
    store_path(path.get_ref().as_ref()).map_err(|problem| Fault {
        id: problem.id,
        message: problem.message,
        hint: problem.hint,
        span: path.span(),
    })
}

fn position(store: &StoreTable, path: &str) -> Result<Position, Fault> {
    let given = [
        store.position.as_ref().map(Spanned::span),
        store.before.as_ref().map(Spanned::span),
        store.after.as_ref().map(Spanned::span),
    ];
    if let Some(second) = given.into_iter().flatten().nth(1) {
        return Err(fault(
            "a store has one place: `position`, `before` or `after`".to_owned(),
            &second,
            "keep one of them",
        ));
    }
    let beside = |other: &Spanned<String>| {
        let neighbour = checked(other)?;
        if neighbour == path {
            return Err(fault(
                format!("`{path}` cannot be placed beside itself"),
                &other.span(),
                "name another store",
            ));
        }
        Ok(neighbour)
    };
    Ok(match (&store.position, &store.before, &store.after) {
        (Some(place), ..) => match place.get_ref() {
            DeclaredPlace::First => Position::First,
            DeclaredPlace::Last => Position::Last,
        },
        (_, Some(other), _) => Position::Before(beside(other)?),
        (_, _, Some(other)) => Position::After(beside(other)?),
        (None, None, None) => Position::Any,
    })
}

/// A sealed store has its mount point where nobody else has anything, since `apply` makes
/// and removes it.
fn sealed(store: &StoreTable, path: &str) -> Result<Option<String>, Fault> {
    let Some(file) = &store.sealed else {
        return Ok(None);
    };
    if Path::new(path).parent() != Some(Path::new(SEALED_STORES)) {
        return Err(fault(
            format!("`{path}` is not a mount point of sealed stores"),
            &store.path.span(),
            "choose a name directly below `/run/storagectl/stores`",
        ));
    }
    checked(file).map(Some)
}

fn condition(given: &Conditions) -> Result<Condition, Fault> {
    let path_exists = match &given.path_exists {
        Some(path) if !path.get_ref().trim_start_matches('!').starts_with('/') => {
            return Err(fault(
                format!("`{}` is not an absolute path", path.get_ref()),
                &path.span(),
                "start it with `/`, or with `!/` if it must not exist",
            ));
        }
        path => path.as_ref().map(|path| path.get_ref().clone()),
    };
    let Some(given) = &given.architecture else {
        return Ok(Condition { path_exists, architectures: Vec::new() });
    };
    let names = match given.get_ref() {
        Architectures::One(name) => std::slice::from_ref(name),
        Architectures::Several(names) => names,
    };
    let unknown = |name: &String| {
        fault(
            format!("unknown architecture `{name}`"),
            &given.span(),
            "use a name of uname(1), Go or systemd, such as `x86_64`, `arm64` or `ppc64le`",
        )
    };
    let named = |name: &String| architecture::named(name).ok_or_else(|| unknown(name));
    let architectures = names.iter().map(named).collect::<Result<_, _>>()?;
    Ok(Condition { path_exists, architectures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_says_path_place_comment_and_condition() {
        let stores = parse(
            "app",
            "[[store]]\npath = '/usr/lib/app//images/'\nposition = 'first'\ncomment = \"App's images\"\n\
             [[store]]\npath = '/b'\nafter = '/usr/lib/app/images'\n\
             condition = { path-exists = '!/run/no', architecture = ['amd64', 'aarch64'] }\n",
        )
        .unwrap();
        assert_eq!(stores[0].path, "/usr/lib/app/images");
        assert_eq!(stores[0].position, Position::First);
        assert_eq!(stores[0].comment.as_deref(), Some("App's images"));
        assert_eq!(stores[1].position, Position::After("/usr/lib/app/images".to_owned()));
        assert_eq!(stores[1].condition.architectures, ["x86-64", "arm64"]);
        assert_eq!(parse("app", "# nothing\n"), Ok(vec![]));
        let stores = parse(
            "app",
            "[[store]]\npath = '/run/storagectl/stores/a-1'\nsealed = '/usr/lib/a/1.squashfs'\n",
        );
        assert_eq!(stores.unwrap()[0].sealed.as_deref(), Some("/usr/lib/a/1.squashfs"));
    }

    #[test]
    fn a_mistake_is_told_where_it_stands() {
        for (text, said, at) in [
            ("[[store]]\npath = '/a'\npositon = 'first'\n", "unknown key `positon`", "positon"),
            ("[[stores]]\npath = '/a'\n", "unknown key `stores`", "stores"),
            ("[[store]]\npath = 'a'\n", "is not absolute", "'a'"),
            ("[[store]]\npath = 1\n", "invalid type: integer `1`", "1"),
            ("[[store]]\npath = '/a'\nposition = 'top'\n", "unknown variant `top`", "'top'"),
            ("[[store]]\npath = '/a'\nbefore = '/a'\n", "beside itself", "'/a'\n"),
            ("[[store]]\npath = '/a'\nbefore = '/b'\nafter = '/c'\n", "one place", "'/c'"),
            (
                "[[store]]\npath = '/a'\ncondition.architecture = 'vax'\n",
                "unknown architecture `vax`",
                "'vax'",
            ),
            ("[[store]]\npath = '/a'\ncondition.path-exists = 'x'\n", "not an absolute path", "'x'"),
            ("[[store]]\npath = '/a'\n[[store]]\npath = '/a/'\n", "declared twice", "'/a/'"),
            ("[[store]]\npath = '/a'\nsealed = '/b'\n", "not a mount point", "'/a'"),
            ("[[store]]\npath = '/run/storagectl/stores/a'\nsealed = 'b'\n", "is not absolute", "'b'"),
            ("[[store]]\ncomment = 'x'\n", "missing key `path`", "[[store]]"),
            ("[[store]\n", "", "\n"),
        ] {
            let fault = parse("x", text).unwrap_err();
            assert!(fault.message.contains(said), "{text}: {}", fault.message);
            assert!(text[fault.span.start..].starts_with(at), "{text}: {:?}", fault.span);
        }
    }
}
