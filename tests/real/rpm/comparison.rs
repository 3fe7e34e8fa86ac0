//! The same transactions with the scriptlets that packages had before, and with
//! the macros: docs/sed-comparison.md is what came of them.

use super::packages::{Hooks, Packages, SED_POST, SED_POSTUN};
use super::transactions;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sed-comparison.md");

/// What stands above the table.
const INTRODUCTION: &str = "\
# What becomes of storage.conf

Real packages, built by rpmbuild, go through real rpm transactions: once with the
sed scriptlets that such packages usually have, once with the macros. After each
step real podman has to start, and the right stores have to be listed, each once.
Where and how sed writes an entry is not judged, but what it leaves behind is:
after an erase the file has to be the one before the install. For storagectl every
byte is compared with what is expected after every step. A cell says what is first
wrong, and after which step.

`tests/real/rpm` runs this; `STORAGECTL_UPDATE=1 cargo test --test real comparison`
writes this file.

The sed scriptlets:

```sh
SCRIPTLETS```

";

/// With this variable set the table is written instead of compared.
const UPDATE: &str = "STORAGECTL_UPDATE";

#[test]
fn the_comparison_with_sed_is_as_the_table_says() {
    // Builds them once for all cases.
    let _packages = Packages::shared();
    let scriptlets =
        format!("%post\n{SED_POST}%postun\n{SED_POSTUN}").replace("%{stores}", "/opt/app/images");
    let mut table = INTRODUCTION.replace("SCRIPTLETS", &scriptlets);
    table += "| Transaction | sed scriptlets | storagectl |\n| --- | --- | --- |\n";
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
