//! The same transactions with the scriptlets that packages had before, and with
//! the macros: docs/sed-comparison.md is what came of them.

use super::packages::{Hooks, Packages};
use super::transactions;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sed-comparison.md");

/// With this variable set the table is written instead of compared.
const UPDATE: &str = "STORAGECTL_UPDATE";

#[test]
fn the_comparison_with_sed_is_as_the_table_says() {
    // Builds them once for all cases.
    let _packages = Packages::shared();
    let mut table = "| Transaction | sed scriptlets | storagectl |\n| --- | --- | --- |\n".to_owned();
    for case in transactions::all() {
        let [sed, storagectl] = [Hooks::Sed, Hooks::Storagectl].map(|hooks| case.verdict(hooks));
        table += &format!("| {} | {sed} | {storagectl} |\n", case.name);
    }
    if std::env::var_os(UPDATE).is_some() {
        fs_err::create_dir_all(std::path::Path::new(TABLE).parent().unwrap()).unwrap();
        fs_err::write(TABLE, &table).unwrap();
    }
    let committed = fs_err::read_to_string(TABLE).unwrap_or_default();
    assert_eq!(table, committed, "`{UPDATE}=1 cargo test --test real comparison` writes the table");
}
