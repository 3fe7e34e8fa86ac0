//! Cluster configurations of Oracle Cloud Native Environment: Butane as a string in
//! `extraIgnitionInline`.
//!
//! OCNE parses it with Ignition 3.4 and makes an error of every warning
//! (pkg/cluster/ignition in its repository).

use super::butane::{self, Dialect, Machine};
use super::document::{Value, map, text, to_yaml};
use super::ignition::SpecVersion;
use super::layout::NodeLayout;
use crate::problem::Problem;

/// The newest specification that OCNE takes.
pub const NEWEST: SpecVersion = SpecVersion(4);
/// The key.
pub const KEY: &str = "extraIgnitionInline";
/// That of a file, or a directory of files, which come before.
pub const EXTRA: &str = "extraIgnition";

/// A layout as a configuration.
pub fn value(layout: &NodeLayout, dialect: Dialect, machine: &Machine) -> Value {
    let inner = butane::write(layout, dialect, machine, "");
    map([(KEY, text(inner))])
}

/// A layout as text.
pub fn write(layout: &NodeLayout, dialect: Dialect, machine: &Machine, made_by: &str) -> String {
    format!("{made_by}{}", to_yaml(&value(layout, dialect, machine), 0))
}

/// Refuses what OCNE does.
///
/// # Errors
/// A [`Problem`] if the dialect becomes a specification that is too new, or no Ignition
/// for a node.
pub fn check(dialect: Dialect) -> Result<(), Problem> {
    if dialect.spec <= NEWEST && !dialect.is_openshift() {
        return Ok(());
    }
    Err(Problem::new(
        "spec",
        format!(
            "OCNE accepts Ignition up to {NEWEST}, which excludes Butane's `{}` {}",
            dialect.variant, dialect.version
        ),
        "use `--variant fcos --variant-version 1.5.0` or older",
    ))
}
