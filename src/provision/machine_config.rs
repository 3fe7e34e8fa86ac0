//! MachineConfigs: Ignition inside an object of the Machine Config Operator.
//!
//! The operator rejects directories and links, so a unit makes the directories. What a
//! file holds is not compressed: older operators do not read that.

use super::butane::Machine;
use super::document::{Value, map, text, to_yaml};
use super::ignition::{self, SpecVersion};
use super::layout::NodeLayout;

/// A layout as an object.
pub fn value(layout: &NodeLayout, spec: SpecVersion, machine: &Machine) -> Value {
    map([
        ("apiVersion", text("machineconfiguration.openshift.io/v1")),
        ("kind", text("MachineConfig")),
        ("metadata", machine.metadata()),
        ("spec", map([("config", ignition::value(layout, spec, false))])),
    ])
}

/// A layout as text.
pub fn write(layout: &NodeLayout, spec: SpecVersion, machine: &Machine, made_by: &str) -> String {
    format!("{made_by}{}", to_yaml(&value(layout, spec, machine), 0))
}

/// The name that the operator gives what it makes of a ContainerRuntimeConfig.
pub fn generated_name(role: &str) -> String {
    format!("99-{role}-generated-containerruntime")
}

/// Which of a MachineConfig of this name and a ContainerRuntimeConfig's counts, as a
/// sentence: both write storage.conf, and the one with the later name wins
/// (`MergeMachineConfigs` in the operator's pkg/controller/common/helpers.go; those of
/// the role worker come before those of any other).
pub fn order(machine: &Machine) -> String {
    let generated = generated_name(&machine.role);
    let name = &machine.name;
    if *name > generated {
        format!(
            "this object's storage.conf overrides what a ContainerRuntimeConfig for `{}` sets, since `{name}` sorts after `{generated}`",
            machine.role
        )
    } else {
        format!(
            "a ContainerRuntimeConfig for `{}` overrides this object's storage.conf, since `{generated}` sorts after `{name}`",
            machine.role
        )
    }
}
