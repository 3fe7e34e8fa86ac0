//! Rules about the storage driver and its options.
//!
//! Engines hand options to the driver that they use, and it stops on those that
//! it does not know: `parseOptions` in drivers/overlay, drivers/btrfs and
//! drivers/zfs, `Init` in drivers/vfs. The modern generation leaves out those
//! that are in another driver's table.

use std::path::Path;

use super::finding::{Found, Sink};
use super::input::Input;
use super::keys::known_keys;
use crate::conf::schema::{self, Known};
use crate::conf::{Leaf, Splice, clean};
use crate::engine::Engines;
use crate::engine::Profile;

pub(super) fn unknown_driver(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        let Some((key, name)) = file.string("storage.driver") else {
            continue;
        };
        if name.is_empty() || name == "overlay2" || schema::DRIVERS.contains(&name) {
            continue;
        }
        let message = format!("no engine has a storage driver `{name}`");
        let hint = match schema::nearest(name, schema::DRIVERS.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of `{}`", schema::DRIVERS.join("`, `")),
        };
        sink.at(file, &key.span, Found::stops(input.counts(file, key), message, hint));
    }
}

pub(super) fn old_driver_name(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        if let Some((key, "overlay2")) = file.string("storage.driver") {
            let engines = file.engines;
            let effect = engines.verb("warns and uses `overlay`", "warn and use `overlay`");
            let message = "`overlay2` is an old name of the driver `overlay`";
            let found = Found::new(engines, message, effect, "write `driver = \"overlay\"`");
            // The value alone: its quotes stay.
            let digit = key.span.end - 2..key.span.end - 1;
            let plain = file.text.get(digit.clone()) == Some("2");
            sink.at(file, &key.span, if plain { found.with_fix(vec![Splice::delete(digit)]) } else { found });
        }
    }
}

/// Whether a driver takes an option, for those that engines hand to drivers.
fn takes(driver: &str, known: &Known, modern: bool) -> Option<bool> {
    let table = known.table.strip_prefix("storage.options.");
    let option = match (table, known.name) {
        (None, "additionalimagestores") if known.table == "storage.options" => "imagestore",
        (None, "additionallayerstores") if known.table == "storage.options" => "additionallayerstore",
        (
            None,
            "size" | "mount_program" | "skip_mount_home" | "ignore_chown_errors" | "force_mask" | "mountopt",
        ) => known.name,
        (Some(table), name) if table == driver => name,
        _ => return None,
    };
    Some(match driver {
        "overlay" => true,
        // `sync` is compared with its prefix on, which has been cut off by then.
        "vfs" => matches!(option, "imagestore" | "ignore_chown_errors"),
        "btrfs" => option == "min_space" || (option == "size" && modern),
        "zfs" => matches!(option, "fsname" | "mountopt"),
        _ => return None,
    })
}

pub(super) fn rejected_option(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        for (known, key) in known_keys(file) {
            let set = match &key.value {
                Leaf::String(text) => !text.is_empty(),
                Leaf::Integer(number) => *number != 0,
                Leaf::Array(items) => items.iter().any(|item| matches!(item, Leaf::String(_))),
                _ => false,
            };
            // The legacy generation hands an option to the driver of its own file.
            let rejects = |profile: Profile| {
                let knows = Engines::by_version(|version| known.is_known_to(version)).has(profile);
                let driver = input.driver(profile);
                knows && driver.and_then(|driver| takes(driver, known, profile.is_modern())) == Some(false)
            };
            if set {
                let engines = input.counts(file, key).and(Engines::which(rejects));
                let driver =
                    engines.list().next().and_then(|profile| input.driver(profile)).unwrap_or_default();
                let message = format!("the storage driver `{driver}` does not take `{}`", key.dotted());
                let hint = format!(
                    "remove it, or use a driver that takes it; `{driver}` is set by `storage.driver`"
                );
                sink.at(file, &key.key, Found::stops(engines, message, hint));
            }
        }
    }
}

/// Library 1.62 and before print the mask as `-rwxr-xr-x` and cannot read it back.
pub(super) fn force_mask_integer(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        let Some(key) = file.key("storage.options.force_mask") else {
            continue;
        };
        let Leaf::Integer(mask @ 1..) = key.value else {
            continue;
        };
        let overlay = Engines::which(|profile| input.driver(profile) == Some("overlay"));
        // The table's own setting comes first.
        let hidden =
            file.string("storage.options.overlay.force_mask").is_some_and(|(_, mask)| !mask.is_empty());
        let engines = input.counts(file, key).and(Engines::LEGACY).and(overlay);
        if !hidden {
            let message = "`storage.options.force_mask` is an integer, which engines before podman 6 garble";
            let hint = format!("write `force_mask = \"{mask:04o}\"` in `[storage.options.overlay]` instead");
            sink.at(file, &key.span, Found::stops(engines, message, hint));
        }
    }
}

pub(super) fn mount_program_missing(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        for name in ["storage.options.mount_program", "storage.options.overlay.mount_program"] {
            let Some((key, path)) = file.string(name).filter(|(_, path)| path.starts_with('/')) else {
                continue;
            };
            match input.stat(path) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let overlay =
                        Engines::which(|profile| matches!(input.driver(profile), None | Some("overlay")));
                    let engines = input.counts(file, key).and(overlay);
                    let message = format!("the mount program `{path}` does not exist");
                    let hint = "install it, or remove this setting: the kernel mounts overlays itself";
                    sink.at(file, &key.span, Found::stops(engines, message, hint));
                }
                Err(problem) => sink.could_not_look(problem),
            }
        }
    }
}

/// `LoadStoreOptions` compares the two as text. podman 4 does not know the key.
pub(super) fn imagestore_is_graphroot(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        let Some((key, path)) = file.string("storage.imagestore") else {
            continue;
        };
        let same = |profile: Profile| {
            let reading = input.reading(profile);
            profile != Profile::Podman4
                && !path.is_empty()
                && reading.graphroot.as_ref().is_some_and(|graphroot| graphroot.value == path)
        };
        let engines = input.counts(file, key).and(Engines::which(same));
        let message = format!("`imagestore` and `graphroot` are both `{path}`");
        sink.at(
            file,
            &key.span,
            Found::stops(engines, message, "remove `imagestore`: images are kept in `graphroot` anyway"),
        );
    }
}

/// podman 4's driver refuses it (`Init` in drivers/overlay/overlay.go of library
/// 1.43); later ones go without.
pub(super) fn force_mask_alone(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    let reading = input.reading(Profile::Podman4);
    let set = |name: &str| match reading.values.get(name).map(|value| &value.value) {
        Some(Leaf::String(text)) => !text.is_empty(),
        _ => false,
    };
    let program = set("storage.options.mount_program") || set("storage.options.overlay.mount_program");
    let overlay = matches!(input.driver(Profile::Podman4), None | Some("overlay"));
    for file in &input.files {
        let mask = file.string("storage.options.overlay.force_mask").filter(|(_, mask)| !mask.is_empty());
        if let (Some((key, _)), true, false) = (mask, overlay, program) {
            let message = "`force_mask` is set and `mount_program` is not";
            let hint =
                "set `mount_program` to fuse-overlayfs, which shows containers the real modes, or remove it";
            let engines = input.counts(file, key).and(Engines::PODMAN4);
            sink.at(file, &key.key, Found::stops(engines, message, hint));
        }
    }
}

/// podman 4 refuses such a graphroot, the library such an imagestore; with
/// anything else engines start, wherever that is.
pub(super) fn relative_root(input: &Input<'_>, sink: &mut Sink<'_, '_>) {
    for file in &input.files {
        for name in ["graphroot", "runroot", "imagestore"] {
            let Some((key, path)) = file.string(&format!("storage.{name}")) else {
                continue;
            };
            // Variables are expanded in these two; what comes out is not looked at here.
            let expanded = name != "imagestore" && path.starts_with('$');
            if path.is_empty() || path.starts_with('/') || expanded {
                continue;
            }
            let refuse = match name {
                "graphroot" => Engines::PODMAN4,
                "imagestore" => Engines::ALL.without(Engines::PODMAN4),
                _ => Engines::NONE,
            };
            let readers = match name {
                "imagestore" => input.counts(file, key).without(Engines::PODMAN4),
                _ => input.counts(file, key),
            };
            let (stop, others) = (readers.and(refuse), readers.without(refuse));
            let mut effects = Vec::new();
            if !stop.is_empty() {
                effects.push(stop.stop());
            }
            if !others.is_empty() {
                effects.push(others.verb(
                    "takes it to be below the directory that it is started in",
                    "take it to be below the directory that they are started in",
                ));
            }
            let message = format!("`{name}` is `{path}`, which is not absolute");
            let hint = match path.strip_prefix('~') {
                Some(rest) => format!("write `$HOME{rest}`: engines do not expand `~`"),
                None => format!(
                    "write an absolute path, such as `{}`",
                    Path::new("/").join(clean(path)).display()
                ),
            };
            let found = Found::new(readers, message, effects.join("; "), hint);
            sink.at(file, &key.span, Found { stops: stop, ..found });
        }
    }
}
