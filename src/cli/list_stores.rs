//! `list-stores`: the stores that are listed, what is there, and which are not listed and why.

use clap::Args;
use serde::Serialize;

use super::Common;
use super::output::Output;
use super::status::Status;
use super::terminal_text::line;
use crate::conf::clean;
use crate::engine::Profile;
use crate::plan::{self, ApplyOptions, CommitMode, Host, ListedStore, StoreResult, list_stores};
use crate::problem::Problem;
use crate::sealed;

/// List the image stores in storage.conf
///
/// In the order in which engines search them, with what each directory is and where
/// it is listed. Then those that are declared and not listed, or set aside since their
/// directory was missing at boot, and why.
#[derive(Debug, Args)]
pub(super) struct ListStores {}

#[derive(Serialize)]
struct ListStoresJson {
    version: u32,
    file: Option<String>,
    stores: Vec<ListedStore>,
    unlisted: Vec<UnlistedStore>,
    not_looked: Vec<Problem>,
}

/// A store that is declared, or was listed, and is not listed now.
#[derive(Serialize)]
struct UnlistedStore {
    path: String,
    /// Why, as a name.
    result: &'static str,
    /// Why, as a sentence.
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared_by: Option<String>,
}

impl ListStores {
    pub(super) fn run(&self, common: &Common, output: &Output) -> anyhow::Result<Status> {
        let host = common.host()?;
        let (file, stores) = list_stores(&host)?;
        let mut not_looked = Vec::new();
        let (unlisted, problems) = match unlisted(&host, &stores) {
            Ok(found) => found,
            // Engines go on with what cannot be edited, and so not be compared with declarations.
            Err(error) => {
                not_looked.push(error.downcast::<Problem>()?);
                Default::default()
            }
        };
        problems.iter().for_each(|problem| output.problem(problem));
        let status = if not_looked.is_empty() { Status::Done } else { Status::Failed };
        if output.json {
            output.print_json(&ListStoresJson { version: 1, file, stores, unlisted, not_looked })?;
            return Ok(status);
        }
        print(file, stores, unlisted, output)?;
        not_looked.iter().for_each(|problem| output.problem(problem));
        Ok(status)
    }
}

fn print(
    file: Option<String>,
    stores: Vec<ListedStore>,
    unlisted: Vec<UnlistedStore>,
    output: &Output,
) -> anyhow::Result<()> {
    if stores.is_empty() {
        match file {
            Some(file) => output.status(&format!("`{file}` lists no image store")),
            None => output.status("this host has no storage.conf, so no image store is listed"),
        }
        return print_unlisted(unlisted, output);
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
    output.print_lines(&aligned(&rows, shown))?;
    if !unlisted.is_empty() {
        output.print_lines("\n")?;
    }
    print_unlisted(unlisted, output)
}

fn print_unlisted(unlisted: Vec<UnlistedStore>, output: &Output) -> anyhow::Result<()> {
    if unlisted.is_empty() {
        return Ok(());
    }
    let mut rows = vec![["NOT LISTED", "DECLARED BY", "WHY"].map(str::to_owned)];
    let declared = unlisted.iter().any(|store| store.declared_by.is_some());
    for store in unlisted {
        rows.push([store.path, store.declared_by.unwrap_or_else(|| "-".to_owned()), store.reason]);
    }
    output.print_lines(&aligned(&rows, [true, declared, true]))
}

/// The stores that are declared, or were listed, and are not among those that are: by what `apply`
/// would do, and what it has set aside. Also what is wrong with declarations.
fn unlisted(host: &Host, listed: &[ListedStore]) -> anyhow::Result<(Vec<UnlistedStore>, Vec<Problem>)> {
    if host.config.is_some() {
        return Ok((Vec::new(), Vec::new()));
    }
    let declarations = host.declarations()?;
    let (outcome, _) = sealed::apply(host, &declarations, ApplyOptions::default(), CommitMode::DryRun)?;
    let aside = plan::set_aside(host)?;
    let mut unlisted: Vec<UnlistedStore> = Vec::new();
    let results = outcome.plan.stores.into_iter();
    let set_aside = aside.iter().map(|path| (path.clone(), StoreResult::SetAside));
    for (path, result) in results.chain(set_aside) {
        let is_aside = aside.contains(&path);
        let (result, reason) = match result {
            StoreResult::PutBack if is_aside => {
                ("set-aside", "it was set aside and is back: `storagectl apply` lists it again".to_owned())
            }
            StoreResult::SetAside if is_aside => {
                ("set-aside", "set aside: its directory is missing".to_owned())
            }
            StoreResult::Added => ("pending", "`storagectl apply` lists it".to_owned()),
            StoreResult::Skipped { reason, .. } => ("skipped", reason),
            StoreResult::Unmet { reason } => ("unmet", format!("it is not wanted here: {reason}")),
            StoreResult::AtBoot { sealed } => {
                ("at-boot", format!("`{sealed}` is mounted there, and it is listed, when the system starts"))
            }
            _ => continue,
        };
        let is_listed = listed.iter().any(|store| clean(&store.path) == path);
        if !is_listed && unlisted.iter().all(|other| other.path != path) {
            let mut declared = declarations.stores.iter().chain(declarations.unmet.iter().map(|(it, _)| it));
            let declared_by = declared.find(|it| it.path == path).map(|it| it.name.clone());
            unlisted.push(UnlistedStore { path, result, reason, declared_by });
        }
    }
    Ok((unlisted, declarations.problems))
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
