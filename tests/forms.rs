//! Every form in which the array of stores can stand in a file, and what adding
//! a store makes of it. The file as a whole is the expectation.
//!
//! Bytes that cannot be seen are written as ␍ (carriage return), → (tab),
//! ‹BOM› and ‹no newline›.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use storagectl::conf::{self, Document, Essentials, Position, StoreList};

const STORE: &str = "/usr/lib/app";

/// The file after `add-store /usr/lib/app`, made visible; and the proof that
/// adding again changes nothing and that removing gives back the original.
fn added(text: &str) -> String {
    let whole = add_essentials(text, &Essentials::default(), false).unwrap();
    let stores = [STORE.to_owned()];
    let once = add(&whole, &stores, &Position::Any).unwrap();
    assert_eq!(add(&once, &stores, &Position::Any).unwrap(), once, "adding twice changes the file");
    let removed = remove(&once, |path| path == STORE).unwrap();
    let before = Document::parse(whole.as_str()).unwrap();
    if StoreList::of(&before).unwrap().is_some() {
        assert_eq!(removed, whole, "removing does not give back the original");
    }
    visible(&once)
}

fn add_essentials(text: &str, essentials: &Essentials, created: bool) -> Result<String, conf::Fault> {
    let doc = Document::parse(text)?;
    Ok(conf::add_essentials(&doc, essentials, created)?.unwrap_or(doc).text().to_owned())
}

fn add(text: &str, paths: &[String], position: &Position) -> Result<String, conf::EditError> {
    let doc = Document::parse(text)?;
    Ok(conf::add(&doc, paths, position)?.unwrap_or(doc).text().to_owned())
}

fn remove(text: &str, gone: impl Fn(&str) -> bool) -> Result<String, conf::Fault> {
    let doc = Document::parse(text)?;
    Ok(conf::remove(&doc, gone)?.unwrap_or(doc).text().to_owned())
}

fn visible(text: &str) -> String {
    let end = if text.ends_with('\n') { "" } else { "‹no newline›" };
    text.replace("\r\n", "␍\n").replace('\t', "→").replace('\u{feff}', "‹BOM›") + end
}

#[test]
fn a_list_over_several_lines_with_a_trailing_comma() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"

[storage.options]
additionalimagestores = [
  "/usr/lib/containers/storage",
]

[storage.options.overlay]
mountopt = "nodev"
"##), @r#"
    [storage]
    driver = "overlay"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/containers/storage",
      "/usr/lib/app",
    ]

    [storage.options.overlay]
    mountopt = "nodev"
    "#);
}

#[test]
fn a_list_over_several_lines_without_a_trailing_comma() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = [
    "/a",
    "/b"
]
"##), @r#"
    [storage.options]
    additionalimagestores = [
        "/a",
        "/b",
        "/usr/lib/app"
    ]
    "#);
}

#[test]
fn a_list_on_one_line() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = ["/a", "/b"] # stores
"##), @r#"
    [storage.options]
    additionalimagestores = ["/a", "/b", "/usr/lib/app"] # stores
    "#);
}

#[test]
fn a_list_on_one_line_with_spaces_and_a_trailing_comma() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = [ "/a", ]
"##), @r#"
    [storage.options]
    additionalimagestores = [ "/a", "/usr/lib/app", ]
    "#);
}

#[test]
fn an_empty_list_on_one_line() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = []
size = ""
"##), @r#"
    [storage.options]
    additionalimagestores = ["/usr/lib/app"]
    size = ""
    "#);
}

#[test]
fn an_empty_list_on_two_lines() {
    insta::assert_snapshot!(added(r##"[storage.options]
# Must be comma separated list.
additionalimagestores = [
]
"##), @r#"
    [storage.options]
    # Must be comma separated list.
    additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn an_empty_list_that_holds_a_comment() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = [
    # one a line
]
"##), @r#"
    [storage.options]
    additionalimagestores = [
        "/usr/lib/app",
        # one a line
    ]
    "#);
}

#[test]
fn no_list_in_its_table() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"

[storage.options]
size = ""

[storage.options.overlay]
mountopt = "nodev"
"##), @r#"
    [storage]
    driver = "overlay"

    [storage.options]
    size = ""
    additionalimagestores = [
      "/usr/lib/app",
    ]

    [storage.options.overlay]
    mountopt = "nodev"
    "#);
}

#[test]
fn no_list_in_an_empty_table() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"
[storage.options]

[storage.options.overlay]
"##), @r#"
    [storage]
    driver = "overlay"
    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]

    [storage.options.overlay]
    "#);
}

#[test]
fn no_table() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"

# Storage options for overlay
[storage.options.overlay]
mountopt = "nodev"
"##), @r#"
    [storage]
    driver = "overlay"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]

    # Storage options for overlay
    [storage.options.overlay]
    mountopt = "nodev"
    "#);
}

#[test]
fn no_table_and_nothing_behind() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"
"##), @r#"
    [storage]
    driver = "overlay"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn no_table_but_a_later_sibling_only() {
    insta::assert_snapshot!(added(r##"# ours
[storage.options.overlay]
mountopt = "nodev"
"##), @r#"
    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]

    # ours
    [storage.options.overlay]
    mountopt = "nodev"
    "#);
}

#[test]
fn a_commented_example_on_two_lines() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"

[storage.options]
# AdditionalImageStores is used to pass paths to additional Read/Only image stores
# Must be comma separated list.
# additionalimagestores = [
# ]

# Options controlling how storage is populated when pulling images.
size = ""
"##), @r#"
    [storage]
    driver = "overlay"

    [storage.options]
    # AdditionalImageStores is used to pass paths to additional Read/Only image stores
    # Must be comma separated list.
    # additionalimagestores = [
    # ]
    additionalimagestores = [
      "/usr/lib/app",
    ]

    # Options controlling how storage is populated when pulling images.
    size = ""
    "#);
}

#[test]
fn a_commented_example_on_one_line() {
    insta::assert_snapshot!(added(r##"[storage.options]
#additionalimagestores = ["/usr/lib/]/x"]
# mountopt = "nodev"
size = ""
"##), @r#"
    [storage.options]
    #additionalimagestores = ["/usr/lib/]/x"]
    additionalimagestores = [
      "/usr/lib/app",
    ]
    # mountopt = "nodev"
    size = ""
    "#);
}

#[test]
fn a_commented_example_under_a_commented_header() {
    insta::assert_snapshot!(added(r##"# [storage]
# driver = ""

# [storage.options]
# additionalimagestores = []

# [storage.options.overlay]
# mountopt = ""
"##), @r#"
    # [storage]
    [storage]
    # Engines before podman 5 stop without driver, runroot and graphroot.
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"
    # driver = ""

    # [storage.options]
    # additionalimagestores = []

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]

    # [storage.options.overlay]
    # mountopt = ""
    "#);
}

#[test]
fn a_commented_example_in_front_of_keys_of_another_table() {
    insta::assert_snapshot!(added(r##"[storage]
# additionalimagestores = []
driver = "overlay"
"##), @r#"
    [storage]
    # additionalimagestores = []
    driver = "overlay"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn dotted_keys_in_the_table() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"
options.additionalimagestores = ["/a"]
options.size = ""
"##), @r#"
    [storage]
    driver = "overlay"
    options.additionalimagestores = ["/a", "/usr/lib/app"]
    options.size = ""
    "#);
}

#[test]
fn dotted_keys_without_the_list() {
    insta::assert_snapshot!(added(r##"[storage]
  driver = "overlay"
  "options" . size = "" # small

[other]
"##), @r#"
    [storage]
      driver = "overlay"
      "options" . size = "" # small
      "options" . additionalimagestores = [
        "/usr/lib/app",
      ]

    [other]
    "#);
}

#[test]
fn dotted_keys_all_the_way() {
    insta::assert_snapshot!(added(r##"storage.driver = "overlay"
storage.options.overlay.size = ""
"##), @r#"
    storage.driver = "overlay"
    storage.options.overlay.size = ""
    storage.options.additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn dotted_keys_without_options() {
    insta::assert_snapshot!(added(r##"storage.driver = "overlay"
"##), @r#"
    storage.driver = "overlay"
    storage.options.additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn an_inline_table_of_options() {
    insta::assert_snapshot!(added(r##"[storage]
options = { size = "", additionalimagestores = ["/a"] }
"##), @r#"
    [storage]
    options = { size = "", additionalimagestores = ["/a", "/usr/lib/app"] }
    "#);
}

#[test]
fn an_inline_table_of_options_without_the_list() {
    insta::assert_snapshot!(added(r##"[storage]
options = { size = "" } # inline
"##), @r#"
    [storage]
    options = { size = "", additionalimagestores = ["/usr/lib/app"] } # inline
    "#);
}

#[test]
fn an_inline_table_of_everything() {
    insta::assert_snapshot!(added(r##"storage = { driver = "overlay", options = { additionalimagestores = [] } }
"##), @r#"storage = { driver = "overlay", options = { additionalimagestores = ["/usr/lib/app"] } }"#);
}

#[test]
fn an_inline_table_without_options() {
    insta::assert_snapshot!(added(r##"storage = { driver = "overlay" }
"##), @r#"storage = { driver = "overlay", options = { additionalimagestores = ["/usr/lib/app"] } }"#);
}

#[test]
fn an_inline_table_with_dotted_keys() {
    insta::assert_snapshot!(added(r##"storage = { driver = "overlay", options.size = "" }
"##), @r#"storage = { driver = "overlay", options.size = "", options.additionalimagestores = ["/usr/lib/app"] }"#);
}

#[test]
fn an_empty_inline_table() {
    insta::assert_snapshot!(added(r##"[storage]
options = {}
"##), @r#"
    [storage]
    options = { additionalimagestores = ["/usr/lib/app"] }
    "#);
}

#[test]
fn quoted_keys() {
    insta::assert_snapshot!(added(r##"["storage"."options"]
"additionalimagestores" = ["/a"]
"##), @r#"
    ["storage"."options"]
    "additionalimagestores" = ["/a", "/usr/lib/app"]
    "#);
}

#[test]
fn literal_strings() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = ['/a', '/b']
"##), @"
    [storage.options]
    additionalimagestores = ['/a', '/b', '/usr/lib/app']
    ");
}

#[test]
fn escapes() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = ["/\u0061", "/b\t"]
"##), @r#"
    [storage.options]
    additionalimagestores = ["/\u0061", "/b\t", "/usr/lib/app"]
    "#);
}

#[test]
fn strings_over_several_lines() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = ["""
/a""", '''/b''']
"##), @r#"
    [storage.options]
    additionalimagestores = ["""
    /a""", '''/b''', '/usr/lib/app']
    "#);
}

#[test]
fn comments_between_and_behind_items() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = [ # all of them
  # the platform's
  "/a", # from the OS
  # ours

  # "/off",
  "/b" # last
  # add more here
]
"##), @r#"
    [storage.options]
    additionalimagestores = [ # all of them
      # the platform's
      "/a", # from the OS
      # ours

      # "/off",
      "/b", # last
      "/usr/lib/app"
      # add more here
    ]
    "#);
}

#[test]
fn several_items_on_a_line() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = [
  "/a", "/b",
  "/c", "/d",
]
"##), @r#"
    [storage.options]
    additionalimagestores = [
      "/a", "/b",
      "/c", "/d", "/usr/lib/app",
    ]
    "#);
}

#[test]
fn a_bracket_behind_the_last_item() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = ["/a",
                         "/b"]
"##), @r#"
    [storage.options]
    additionalimagestores = ["/a",
                             "/b",
                             "/usr/lib/app"]
    "#);
}

#[test]
fn commas_first() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = [
    "/a"
  , "/b"
]
"##), @r#"
    [storage.options]
    additionalimagestores = [
        "/a"
      , "/b"
      , "/usr/lib/app"
    ]
    "#);
}

#[test]
fn tabs() {
    insta::assert_snapshot!(added("[storage.options]\n\
         \tadditionalimagestores = [\n\
         \t\t\"/a\",\n\
         \t]\n\
         "), @r#"
    [storage.options]
    →additionalimagestores = [
    →→"/a",
    →→"/usr/lib/app",
    →]
    "#);
}

#[test]
fn tabs_in_an_empty_list() {
    insta::assert_snapshot!(added("[storage.options]\n\
         \tadditionalimagestores = [\n\
         \t]\n\
         "), @r#"
    [storage.options]
    →additionalimagestores = [
    →→"/usr/lib/app",
    →]
    "#);
}

#[test]
fn carriage_returns() {
    insta::assert_snapshot!(added("[storage.options]\r\n\
         additionalimagestores = [\r\n\
         \x20 \"/a\"\r\n\
         ]\r\n\
         "), @r#"
    [storage.options]␍
    additionalimagestores = [␍
      "/a",␍
      "/usr/lib/app"␍
    ]␍
    "#);
}

#[test]
fn carriage_returns_without_a_list() {
    insta::assert_snapshot!(added("[storage]\r\n\
         driver = \"overlay\"\r\n\
         "), @r#"
    [storage]␍
    driver = "overlay"␍
    ␍
    [storage.options]␍
    additionalimagestores = [␍
      "/usr/lib/app",␍
    ]␍
    "#);
}

#[test]
fn a_byte_order_mark() {
    insta::assert_snapshot!(added("\u{feff}[storage.options]\n\
         additionalimagestores = [\"/a\"]\n\
         "), @r#"
    ‹BOM›[storage.options]
    additionalimagestores = ["/a", "/usr/lib/app"]
    "#);
}

#[test]
fn a_byte_order_mark_alone() {
    insta::assert_snapshot!(added("\u{feff}"), @r#"
    ‹BOM›[storage]
    # Engines before podman 5 stop without driver, runroot and graphroot.
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn no_final_newline() {
    insta::assert_snapshot!(added(r##"[storage.options]
additionalimagestores = [
  "/a"
]"##), @r#"
    [storage.options]
    additionalimagestores = [
      "/a",
      "/usr/lib/app"
    ]‹no newline›
    "#);
}

#[test]
fn no_final_newline_and_no_list() {
    insta::assert_snapshot!(added(r##"[storage]
driver = "overlay"
[storage.options]
size = """##), @r#"
    [storage]
    driver = "overlay"
    [storage.options]
    size = ""
    additionalimagestores = [
      "/usr/lib/app",
    ]‹no newline›
    "#);
}

#[test]
fn an_indented_table() {
    insta::assert_snapshot!(added(r##"[storage]
  driver = "overlay"

  [storage.options]
    size = ""
"##), @r#"
    [storage]
      driver = "overlay"

      [storage.options]
        size = ""
        additionalimagestores = [
          "/usr/lib/app",
        ]
    "#);
}

#[test]
fn a_sibling_table_in_front() {
    insta::assert_snapshot!(added(r##"[storage.options.overlay]
mountopt = "nodev"

[storage.options]
additionalimagestores = ["/a"]
"##), @r#"
    [storage.options.overlay]
    mountopt = "nodev"

    [storage.options]
    additionalimagestores = ["/a", "/usr/lib/app"]
    "#);
}

#[test]
fn keys_in_other_case() {
    insta::assert_snapshot!(added(r##"[Storage.Options]
AdditionalImageStores = ["/a"]
"##), @r#"
    [Storage.Options]
    AdditionalImageStores = ["/a", "/usr/lib/app"]
    "#);
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(added(r##""##), @r#"
    [storage]
    # Engines before podman 5 stop without driver, runroot and graphroot.
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn comments_only() {
    insta::assert_snapshot!(added(r##"# Nothing is set here.
"##), @r#"
    # Nothing is set here.

    [storage]
    # Engines before podman 5 stop without driver, runroot and graphroot.
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn empty_tables_only() {
    insta::assert_snapshot!(added(r##"[storage]

[storage.options]
"##), @r#"
    [storage]
    # Engines before podman 5 stop without driver, runroot and graphroot.
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]
    "#);
}

#[test]
fn a_line_inside_a_string_is_no_comment() {
    let text = "[storage.options]\nadditionalimagestores = [\n\"\"\"\n# a\"\"\",\n\"/b\",\n]\n";
    let removed = remove(text, |path| path == "/b").unwrap();
    assert_eq!(removed, "[storage.options]\nadditionalimagestores = [\n\"\"\"\n# a\"\"\",\n]\n");
}
