//! Which layers of a storage engines count as mounted.

use std::path::PathBuf;

use serde::Deserialize;

use super::layout::EngineStorage;
use crate::limits;
use crate::plan::Host;
use crate::problem::Problem;

/// A record of mountpoints.json (`loadMounts` in the library's layers.go).
#[derive(Debug, Deserialize)]
struct Mount {
    #[serde(default)]
    id: String,
    #[serde(default)]
    count: i64,
}

/// The ids of the layers that are mounted, for each file that counts them.
///
/// # Errors
/// If such a file cannot be read, or is malformed: then it cannot be told.
pub(crate) fn mounted_layers(
    host: &Host,
    storage: &EngineStorage,
) -> Result<Vec<(PathBuf, Vec<String>)>, Problem> {
    let mut counted = Vec::new();
    for runroot in &storage.runroots {
        let file = runroot.join(format!("{}-layers/mountpoints.json", storage.driver));
        let read = host.root.read_up_to(&file, limits::RECORDS).map_err(host.cannot("read", &file))?;
        let Some((bytes, _)) = read.filter(|(bytes, _)| !bytes.is_empty()) else { continue };
        let mounts: Option<Vec<Mount>> = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("`{}` is malformed: {error}", host.show(&file));
            Problem::new("records-malformed", message, "reboot, which creates it again")
        })?;
        let ids = mounts.into_iter().flatten().filter(|mount| mount.count > 0).map(|mount| mount.id);
        counted.push((file, ids.collect()));
    }
    Ok(counted)
}
