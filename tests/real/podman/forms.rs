//! Every way in which the array can be written, or be absent.

use super::{Bench, assert_nothing_served, assert_served, path};
use crate::support::{run, text};

/// Whether the array stands in the form before anything is added: then adding
/// and removing a store gives back every byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Array {
    Present,
    Absent,
}
use Array::{Absent, Present};

/// One test a form, so that a failure names it and forms run in parallel.
macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident: $array:expr, $text:expr;)*) => {
        $($(#[$doc])* #[test] fn $name() { assert_podman_follows($array, $text); })*

        /// Every form with its name.
        pub(crate) fn all() -> Vec<(&'static str, String)> {
            vec![$((stringify!($name), String::from($text))),*]
        }
    };
}

const HEAD: &str = "[storage]\ndriver = \"overlay\"\nrunroot = \"@RUNROOT@\"\ngraphroot = \"@GRAPHROOT@\"\n";

/// `HEAD` with `text` behind it.
fn behind_head(text: &str) -> String {
    format!("{HEAD}\n{text}")
}

forms! {
    multi_line_with_a_trailing_comma: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  \"@OTHER@\",\n]\n");
    multi_line_without_a_trailing_comma: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  \"@OTHER@\"\n]\n");
    closing_bracket_behind_the_last_item: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [ \"@OTHER@\",\n  \"@OTHER@/.\" ]\n");
    one_line: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\"@OTHER@\"]\n");
    one_line_with_a_trailing_comma_and_spaces: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [ \"@OTHER@\", ]  # ours\n");
    empty_on_one_line: Present,
        &behind_head("[storage.options]\nadditionalimagestores = []\nmount_program = \"\"\n");
    empty_on_one_line_with_a_space: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [ ]\n");
    empty_on_two_lines: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n]\n");
    empty_but_for_a_comment: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  # none yet\n]\n");
    absent_with_its_table_present: Absent,
        &behind_head("[storage.options]\nmount_program = \"\"\n\n[storage.options.overlay]\nmountopt = \"nodev\"\n");
    its_table_empty: Absent,
        &behind_head("[storage.options]\n");
    its_table_absent: Absent,
        HEAD;
    commented_out_example: Absent,
        &behind_head("[storage.options]\n# Stores beside our own.\n# additionalimagestores = [\n#   \"/example\",\n# ]\n\n# size = \"\"\n");
    commented_out_example_on_one_line: Absent,
        &behind_head("[storage.options]\n#additionalimagestores = []\n\n[storage.options.overlay]\nmountopt = \"nodev\"\n");
    commented_out_example_and_table: Absent,
        &behind_head("#[storage.options]\n#additionalimagestores = [\n#]\n");
    dotted_keys_below_storage: Present,
        &format!("{HEAD}options.additionalimagestores = [\"@OTHER@\"]\n");
    dotted_keys_below_storage_without_the_array: Absent,
        &format!("{HEAD}options.mount_program = \"\"\n");
    dotted_keys_all_the_way: Present,
        "storage.driver = \"overlay\"\nstorage.runroot = \"@RUNROOT@\"\nstorage.graphroot = \"@GRAPHROOT@\"\nstorage.options.additionalimagestores = [\"@OTHER@\"]\n";
    dotted_keys_all_the_way_without_the_array: Absent,
        "storage.driver = \"overlay\"\nstorage.runroot = \"@RUNROOT@\"\nstorage.graphroot = \"@GRAPHROOT@\"\n";
    inline_options: Present,
        &format!("{HEAD}options = {{ additionalimagestores = [\"@OTHER@\"], mount_program = \"\" }}\n");
    inline_options_without_the_array: Absent,
        &format!("{HEAD}options = {{ mount_program = \"\" }}\n");
    inline_options_that_are_empty: Absent,
        &format!("{HEAD}options = {{}}\n");
    inline_storage: Present,
        "storage = { driver = \"overlay\", runroot = \"@RUNROOT@\", graphroot = \"@GRAPHROOT@\", options = { additionalimagestores = [] } }\n";
    inline_storage_with_dotted_options: Present,
        "storage = { driver = \"overlay\", runroot = \"@RUNROOT@\", graphroot = \"@GRAPHROOT@\", options.additionalimagestores = [ \"@OTHER@\" ] }\n";
    inline_storage_without_options: Absent,
        "storage = { driver = \"overlay\", runroot = \"@RUNROOT@\", graphroot = \"@GRAPHROOT@\" }\n";
    quoted_keys: Present,
        "[\"storage\"]\n'driver' = \"overlay\"\n\"runroot\" = \"@RUNROOT@\"\n\"graphroot\" = \"@GRAPHROOT@\"\n[\"storage\".'options']\n\"additionalimagestores\" = [\n\t\"@OTHER@\",\n]\n";
    escaped_keys: Present,
        &behind_head("[storage.\"o\\u0070tions\"]\n\"additionalimage\\u0073tores\" = []\n");
    capital_keys: Present,
        &behind_head("[storage.options]\nAdditionalImageStores = [\"@OTHER@\"]\n");
    literal_strings: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  '@OTHER@',\n]\n");
    escapes: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  \"\\u002f@OTHER@\\U0000002f\",\n]\n");
    multi_line_strings: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  \"\"\"@OTHER@\"\"\",\n  \"\"\"\\\n     @OTHER@/.\"\"\",\n  '''@OTHER@/''',\n]\n");
    bracket_and_hash_in_a_string: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [ \"@OTHER@/./././\", \"@OTHER@\" ] # ] # [\nmount_program = \"\" # additionalimagestores = [\n");
    comments_between_and_behind_items: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [ # stores\n  # the first\n  \"@OTHER@\", # first\n\n  # \"/not/this\",\n  \"@OTHER@/\" # no comma\n  # last words\n]\n");
    comma_on_a_line_of_its_own: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  \"@OTHER@\"\n  , # odd\n  \"@OTHER@/\"\n  ,\n]\n");
    tabs: Present,
        &behind_head("[storage.options]\nadditionalimagestores\t=\t[\n\t\t\"@OTHER@\",\n\t]\n");
    no_spaces_at_all: Present,
        &behind_head("[storage.options]\nadditionalimagestores=[\"@OTHER@\",\"@OTHER@/\"]\n");
    crlf: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\n  \"@OTHER@\",\n]\n").replace('\n', "\r\n");
    crlf_without_the_array: Absent,
        &HEAD.replace('\n', "\r\n");
    no_final_newline_behind_the_array: Present,
        &behind_head("[storage.options]\nadditionalimagestores = [\"@OTHER@\"]");
    no_final_newline_behind_the_table: Absent,
        &behind_head("[storage.options]");
    indented_table: Present,
        &behind_head("  [storage.options]\n    additionalimagestores = [\n      \"@OTHER@\",\n    ]\n");
    indented_table_without_the_array: Absent,
        &behind_head("\t[storage.options]\n\t\tmount_program = \"\"\n");
    overlay_before_options: Absent,
        &behind_head("[storage.options.overlay]\nmountopt = \"nodev\"\n\n[storage.options]\nmount_program = \"\"\n");
    overlay_alone: Absent,
        &behind_head("[storage.options.overlay]\nmountopt = \"nodev\"\n");
    options_before_storage: Present,
        &format!("[storage.options]\nadditionalimagestores = [\"@OTHER@\"]\n\n{HEAD}");
    empty_file: Absent, "";
    blank_lines_only: Absent, "\n\n";
    comments_only: Absent, "# Nothing here yet.\n";
    comments_only_with_examples: Absent,
        "# [storage]\n# driver = \"overlay\"\n#\n# [storage.options]\n# additionalimagestores = [\n# ]\n";
}

/// podman lists the store's image as read-only after `add-store`, and nothing
/// after `remove-store`; bytes come back where the array was there before.
fn assert_podman_follows(array: Array, form: &str) {
    let bench = Bench::new(form);
    let store = bench.store();
    let original = bench.bytes();

    run(&mut bench.storagectl(&["add-store", path(&store)]));
    let added = bench.bytes();
    assert_served(&bench.images(), &format!("added:\n{}", String::from_utf8_lossy(&added)));

    run(&mut bench.storagectl(&["add-store", path(&store)]));
    assert_eq!(bench.bytes(), added, "adding twice changes the file");

    run(&mut bench.storagectl(&["remove-store", path(&store)]));
    let removed = bench.bytes();
    let shown = String::from_utf8_lossy(&removed);
    assert_nothing_served(&bench.images(), &format!("removed:\n{shown}"));
    if array == Present {
        assert_eq!(shown, String::from_utf8_lossy(&original), "the bytes did not come back");
    }
}

/// podman 4's TOML reader stops at a byte order mark, before and after; that is
/// the only reason why this form is not among the others.
#[test]
fn a_byte_order_mark_stops_podman_4_no_more_than_before() {
    let bench =
        Bench::new(&format!("\u{feff}{HEAD}[storage.options]\nadditionalimagestores = [\"@OTHER@\"]\n"));
    let store = bench.store();
    let original = bench.bytes();
    let before = bench.images();
    assert!(!before.status.success(), "{}", text(&before));

    run(&mut bench.storagectl(&["add-store", path(&store)]));
    let after = bench.images();
    assert_eq!(reason(&before), reason(&after));

    // Without the mark the very same bytes are fine, so the mark is the reason.
    let marked = bench.bytes();
    let bare = marked.strip_prefix("\u{feff}".as_bytes()).expect("the mark is still there");
    std::fs::write(bench.conf(), bare).expect("the scratch directory is writable");
    assert_served(&bench.images(), "without the mark");

    std::fs::write(bench.conf(), &marked).expect("the scratch directory is writable");
    run(&mut bench.storagectl(&["remove-store", path(&store)]));
    assert_eq!(bench.bytes(), original);
    assert_eq!(reason(&before), reason(&bench.images()));
}

/// The last line on standard error without its time stamp.
fn reason(output: &std::process::Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let line = stderr.lines().last().unwrap_or_default();
    line.split_once("msg=").map_or(line, |(_, message)| message).to_owned()
}
