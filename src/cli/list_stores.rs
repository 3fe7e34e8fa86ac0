//! `list-stores`: the stores that are listed, and what is there.

use clap::Args;
use serde::Serialize;

use super::Common;
use super::output::Output;
use super::painted::line;
use crate::engine::Profile;
use crate::plan::{ListedStore, list_stores};

/// List the image stores in storage.conf
///
/// In the order in which engines search them, with what each directory is and where
/// it is listed.
#[derive(Debug, Args)]
pub(super) struct ListStores {}

#[derive(Serialize)]
struct ListStoresJson {
    version: u32,
    file: Option<String>,
    stores: Vec<ListedStore>,
}

impl ListStores {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<()> {
        let host = common.host()?;
        let (file, stores) = list_stores(&host)?;
        if output.json {
            return output.json(&ListStoresJson { version: 1, file, stores });
        }
        if stores.is_empty() {
            match file {
                Some(file) => output.status(&format!("`{file}` lists no image store")),
                None => output.status("this host has no storage.conf, so no image store is listed"),
            }
            return Ok(());
        }
        // Who sees a store is of interest where not all engines do.
        let alike = stores.iter().all(|store| store.engines.is_empty() || store.engines == Profile::ALL);
        let declared = stores.iter().any(|store| store.declared_by.is_some());
        let heads = ["STORE", "STATE", "DRIVER", "IMAGES", "SEEN BY", "DECLARED BY", "LISTED IN"];
        let shown = [true, true, true, true, !alike, declared, true];
        let mut rows = vec![heads.map(str::to_owned)];
        for store in stores {
            let images = store.images.map_or_else(|| "-".to_owned(), |count| count.to_string());
            let place = format!("{}:{}", store.file, store.line);
            rows.push([
                store.path,
                store.state.to_string(),
                store.driver,
                images,
                seen_by(&store.engines),
                store.declared_by.unwrap_or_else(|| "-".to_owned()),
                place,
            ]);
        }
        output.data(&aligned(&rows, shown))
    }
}

fn seen_by(engines: &[Profile]) -> String {
    if engines == Profile::ALL {
        return "all".to_owned();
    }
    engines.iter().map(|engine| engine.name()).collect::<Vec<_>>().join(",")
}

/// Rows as columns, two spaces apart; those columns that are `shown`.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], shown: [bool; N]) -> String {
    // As wide as what is shown of it.
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| line(cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let columns: Vec<(usize, usize)> =
        (0..N).filter(|&column| shown[column]).map(|column| (column, width(column))).collect();
    let joined = |row: &[String; N]| {
        let cells: Vec<String> =
            columns.iter().map(|&(column, width)| format!("{:width$}", row[column])).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(joined).collect()
}
