//! Pieces of shell scripts, for what sets a node up by running one.

use super::layout::Layout;
use super::model::{Model, Store};
use super::units::shell;

/// Where SELinux keeps which paths are labelled like which others.
const SUBS: &str = "/etc/selinux/targeted/contexts/files/file_contexts.subs";

/// The stores that a node has to have already, since its document makes none of them.
pub(super) fn brought<'a>(model: &'a Model, layout: &'a Layout) -> impl Iterator<Item = &'a str> {
    let made = |path: &&str| model.created().any(|store| store.path == **path);
    layout.stores.iter().map(String::as_str).filter(move |path| !made(path))
}

/// Stops if a store is missing that should be there: better now than on every node,
/// where no engine would start.
pub(super) fn check(path: &str) -> String {
    let says = format!("{path} is missing: no engine would start");
    format!("[ -d {} ] || {{ echo {} >&2; exit 1; }}", shell(path), shell(&says))
}

/// Makes the directory of a store.
pub(super) fn make(store: &Store) -> String {
    format!("install -d -m {:04o} {}", store.mode, shell(&store.path))
}

/// Has SELinux label the stores as the engines' own storage, as `semanage fcontext -e`
/// would, which few systems have; nothing if that is not asked for, or there are none.
/// Several lines, which may run again.
pub(super) fn label(model: &Model) -> Option<String> {
    let stores: Vec<&Store> = model.created().filter(|_| model.selinux).collect();
    if stores.is_empty() {
        return None;
    }
    let graphroot = model.graphroot();
    let rule = |store: &&Store| {
        let rule = shell(&format!("{} {graphroot}", store.path));
        let add = format!("  grep -qxF {rule} {SUBS} 2>/dev/null || printf '%s\\n' {rule} >>{SUBS}\n");
        add + &format!("  restorecon -RF {} || :\n", shell(&store.path))
    };
    let rules: String = stores.iter().map(rule).collect();
    Some(format!("if [ -d {} ]; then\n{rules}fi\n", SUBS.trim_end_matches("/file_contexts.subs")))
}

/// The line that [`label`] adds for a store, and the file that it belongs into.
pub(super) fn label_rule(model: &Model, store: &Store) -> (&'static str, String) {
    (SUBS, format!("{} {}", store.path, model.graphroot()))
}
