//! Pieces of shell scripts, for what sets a node up by running one.

use super::layout::NodeLayout;
use super::model::{NodeModel, NodeStore};
use crate::problem::shell_word;

/// Where SELinux keeps how paths are labelled.
pub(super) const LABELS: &str = "/etc/selinux/targeted/contexts/files";
/// The file there that says which paths are labelled like which others.
pub(super) const SUBS: &str = "file_contexts.subs";

/// The stores that a node has to have already, since its document makes none of them.
pub(super) fn brought<'a>(model: &'a NodeModel, layout: &'a NodeLayout) -> impl Iterator<Item = &'a str> {
    let made = |path: &&str| model.created().any(|store| store.path == **path);
    layout.stores.iter().map(String::as_str).filter(move |path| !made(path))
}

/// Stops if a store is missing that should be there: better now than on every node,
/// where no engine would start.
pub(super) fn check(path: &str) -> String {
    let says = format!("{path} is missing, and no engine starts without: make it, or use another --preset");
    format!("[ -d {} ] || {{ echo {} >&2; exit 1; }}", shell_word(path), shell_word(&says))
}

/// Makes the directory of a store.
pub(super) fn make(store: &NodeStore) -> String {
    format!("install -d -m {:04o} {}", store.mode, shell_word(&store.path))
}

/// Has SELinux label the stores as the engines' own storage, as `semanage fcontext -e`
/// would, which few systems have; nothing if that is not asked for, or there are none.
/// Several lines, which may run again; `relabel` is for directories that are there already.
pub(super) fn label(model: &NodeModel, relabel: bool) -> Option<String> {
    let stores: Vec<&NodeStore> = model.labelled().collect();
    if stores.is_empty() {
        return None;
    }
    let mut out = format!("if [ -d {LABELS} ]; then\n  cd {LABELS}\n");
    for store in stores {
        let rule = shell_word(&label_rule(model, store));
        let add = format!("printf '%s\\n' {rule} >>{SUBS}");
        let add = match relabel {
            true => format!("{{ {add}; restorecon -RF {} || :; }}", shell_word(&store.path)),
            false => add,
        };
        out += &format!("  grep -qxF {rule} {SUBS} 2>/dev/null || {add}\n");
    }
    Some(out + "fi\n")
}

/// The line that says how a store is labelled.
pub(super) fn label_rule(model: &NodeModel, store: &NodeStore) -> String {
    format!("{} {}", store.path, model.graphroot())
}
