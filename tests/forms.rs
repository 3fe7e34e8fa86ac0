//! Every form in which the array of stores can stand in a file, and what adding
//! a store makes of it. The file as a whole is the expectation.
//!
//! Bytes that cannot be seen are written as ␍ (carriage return), → (tab),
//! ‹BOM› and ‹no newline›.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use storagectl::conf::{self, Document, Essentials, Mark, MarkedEntry, Position, StoreList};

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
    assert_eq!(removed, whole, "removing does not give back the original");
    let bare = conf::without_essentials(&Document::parse(removed).unwrap()).unwrap();
    assert_eq!(bare.as_ref().map_or(whole.as_str(), Document::text), text, "settings stay");
    if StoreList::of(&before).unwrap().is_some() {
        for text in [&whole, &once] {
            assert_marked_entries_leave_no_trace(text);
            assert_what_is_set_aside_comes_back(text);
        }
    } else {
        assert_eq!(arrange(&arrange(&whole, &[0, 1]), &[]), whole, "a mark makes another array");
    }
    visible(&once)
}

/// The file with a marked entry at `place`, or with its marked entries gone.
fn arrange(text: &str, places: &[usize]) -> String {
    let doc = Document::parse(text).unwrap();
    let theirs = conf::listed(&doc).unwrap().into_iter().filter(|entry| entry.mark.is_none()).map(Some);
    let mut slots: Vec<Option<MarkedEntry>> = theirs.collect();
    for (number, &place) in places.iter().enumerate() {
        let mark = Mark::new(&format!("app{number}"), (number == 0).then_some("demo"));
        let entry = MarkedEntry { path: format!("/usr/lib/app{number}"), mark: Some(mark) };
        slots.insert(place.min(slots.len()), Some(entry));
    }
    let wanted: Vec<MarkedEntry> = slots.into_iter().flatten().collect();
    conf::arrange(&doc, &wanted).unwrap().unwrap_or(doc).text().to_owned()
}

fn assert_marked_entries_leave_no_trace(text: &str) {
    for places in [&[0][..], &[1], &[9], &[0, 9], &[0, 1, 9]] {
        let once = arrange(text, places);
        assert_ne!(once, text);
        assert_eq!(arrange(&once, places), once, "arranging twice changes the file");
        assert_eq!(arrange(&once, &[]), text, "after:\n{once}");
        assert_eq!(arrange(&arrange(&once, &[1, 1]), &[]), text, "after:\n{once}");
        let is_marked = |path: &str| path.starts_with("/usr/lib/app") && path != STORE;
        assert_eq!(remove(&once, is_marked).unwrap(), text, "after:\n{once}");
        for position in [Position::First, Position::Last] {
            let moved = add(&once, &["/usr/lib/app0".to_owned()], &position).unwrap();
            assert_eq!(arrange(&moved, &[]), text, "after:\n{moved}");
        }
    }
}

fn set_aside(text: &str, gone: impl Fn(&str) -> bool) -> String {
    let doc = Document::parse(text).unwrap();
    conf::set_aside(&doc, gone).unwrap().unwrap_or(doc).text().to_owned()
}

fn put_back(text: &str) -> String {
    let doc = Document::parse(text).unwrap();
    conf::put_back(&doc, |_| true).unwrap().unwrap_or(doc).text().to_owned()
}

fn assert_what_is_set_aside_comes_back(text: &str) {
    for path in StoreList::paths(&Document::parse(text).unwrap()).unwrap() {
        let aside = set_aside(text, |gone| gone == path);
        assert_eq!(put_back(&aside), text, "after:\n{aside}");
    }
    assert_eq!(put_back(&set_aside(text, |_| true)), text);
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
    ] # storagectl: added this array

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
    ] # storagectl: added this array

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
    ]   # storagectl: added this table

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
    ]  # storagectl: added this table
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
    ]   # storagectl: added this table

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
    ] # storagectl: added this array

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
    ] # storagectl: added this array
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
    # storagectl: added for engines before podman 5, which stop without it (sha256 6e834c28859a)
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"
    # driver = ""

    # [storage.options]
    # additionalimagestores = []

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]  # storagectl: added this table

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
    ]  # storagectl: added this table
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
      ] # storagectl: added this array

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
    ] # storagectl: added this array
    "#);
}

#[test]
fn dotted_keys_without_options() {
    insta::assert_snapshot!(added(r##"storage.driver = "overlay"
"##), @r#"
    storage.driver = "overlay"
    storage.options.additionalimagestores = [
      "/usr/lib/app",
    ] # storagectl: added this array
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
    options = { size = "", additionalimagestores = ["/usr/lib/app"] } # inline # storagectl: added this array
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
"##), @r##"storage = { driver = "overlay", options = { additionalimagestores = ["/usr/lib/app"] } } # storagectl: added this table"##);
}

#[test]
fn an_inline_table_with_dotted_keys() {
    insta::assert_snapshot!(added(r##"storage = { driver = "overlay", options.size = "" }
"##), @r##"storage = { driver = "overlay", options.size = "", options.additionalimagestores = ["/usr/lib/app"] } # storagectl: added this array"##);
}

#[test]
fn an_empty_inline_table() {
    insta::assert_snapshot!(added(r##"[storage]
options = {}
"##), @r#"
    [storage]
    options = { additionalimagestores = ["/usr/lib/app"] }  # storagectl: added this array
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
    ]  # storagectl: added this table␍
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
    # storagectl: added for engines before podman 5, which stop without it (sha256 62a5d7484dcc)
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]  # storagectl: added this table
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
    ] # storagectl: added this array‹no newline›
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
        ] # storagectl: added this array
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
    # storagectl: added for engines before podman 5, which stop without it (sha256 62a5d7484dcc)
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]  # storagectl: added this table
    "#);
}

#[test]
fn comments_only() {
    insta::assert_snapshot!(added(r##"# Nothing is set here.
"##), @r#"
    # Nothing is set here.

    [storage]
    # storagectl: added for engines before podman 5, which stop without it (sha256 fd849b41c853)
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ]  # storagectl: added this table
    "#);
}

#[test]
fn empty_tables_only() {
    insta::assert_snapshot!(added(r##"[storage]

[storage.options]
"##), @r#"
    [storage]
    # storagectl: added for engines before podman 5, which stop without it (sha256 80c7b2bb97c4)
    driver = "overlay"
    runroot = "/run/containers/storage"
    graphroot = "/var/lib/containers/storage"

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app",
    ] # storagectl: added this array
    "#);
}

#[test]
fn a_line_inside_a_string_is_no_comment() {
    let text = "[storage.options]\nadditionalimagestores = [\n\"\"\"\n# a\"\"\",\n\"/b\",\n]\n";
    let removed = remove(text, |path| path == "/b").unwrap();
    assert_eq!(removed, "[storage.options]\nadditionalimagestores = [\n\"\"\"\n# a\"\"\",\n]\n");
}

/// Each of `arrays`, and what `edit` makes of the file that it stands in.
fn table(arrays: &[&str], edit: impl Fn(&str) -> String) -> String {
    let head = "[storage.options]\nstores = ";
    let file = |array: &&str| head.replace("stores", "additionalimagestores") + array + "\n";
    let edited = |array| visible(&edit(&file(array))).replace("additionalimagestores", "stores");
    let shown = |array| {
        let after = edited(array);
        let after = after.strip_prefix(head).expect("the head is as it was");
        format!("{}\n  ⇒\n{after}\n", visible(&format!("{array}\n")).trim_end())
    };
    arrays.iter().map(shown).collect::<String>().trim_end().to_owned()
}

#[test]
fn a_marked_entry_stands_on_a_line_of_its_own() {
    let arrays = [
        "[\n  \"/a\",\n]",
        "[\n  \"/a\" # c\n  # d\n]",
        "[\"/a\", \"/c\"]",
        "[ \"/a\", ]",
        "[\"/a\"\n]",
        "[\n  \"/a\"]",
        "[]",
        "[ ]",
        "[\n]",
        "[\n  \"/a\"\n  , '/c'\n  ]",
        "[ # c\r\n\t'/a', '/c',\r\n]",
    ];
    insta::assert_snapshot!(table(&arrays, |text| arrange(text, &[1, 9])), @r#"
    [
      "/a",
    ]
      ⇒
    [
      "/a",
      "/usr/lib/app0", # storagectl: app0 (demo)
      "/usr/lib/app1", # storagectl: app1
    ]

    [
      "/a" # c
      # d
    ]
      ⇒
    [
      "/a", # c
      "/usr/lib/app0", # storagectl: app0 (demo)
      "/usr/lib/app1" # storagectl: app1
      # d
    ]

    ["/a", "/c"]
      ⇒
    ["/a",
      "/usr/lib/app0",  # storagectl: app0 (demo)
     "/c",
      "/usr/lib/app1"  # storagectl: app1
    ]

    [ "/a", ]
      ⇒
    [ "/a",
      "/usr/lib/app0",  # storagectl: app0 (demo)
      "/usr/lib/app1",  # storagectl: app1
     ]

    ["/a"
    ]
      ⇒
    ["/a",
      "/usr/lib/app0", # storagectl: app0 (demo)
      "/usr/lib/app1" # storagectl: app1
    ]

    [
      "/a"]
      ⇒
    [
      "/a",
      "/usr/lib/app0",  # storagectl: app0 (demo)
      "/usr/lib/app1"  # storagectl: app1
    ]

    []
      ⇒
    [
      "/usr/lib/app0",  # storagectl: app0 (demo)
      "/usr/lib/app1"  # storagectl: app1
    ]

    [ ]
      ⇒
    [
      "/usr/lib/app0",  # storagectl: app0 (demo)
      "/usr/lib/app1"  # storagectl: app1
     ]

    [
    ]
      ⇒
    [
      "/usr/lib/app0", # storagectl: app0 (demo)
      "/usr/lib/app1", # storagectl: app1
    ]

    [
      "/a"
      , '/c'
      ]
      ⇒
    [
      "/a"
      , '/usr/lib/app0' # storagectl: app0 (demo)
      , '/c'
      , '/usr/lib/app1' # storagectl: app1
      ]

    [ # c␍
    →'/a', '/c',␍
    ]
      ⇒
    [ # c␍
    →'/a',␍
    →'/usr/lib/app0',  # storagectl: app0 (demo)␍
     '/c',␍
    →'/usr/lib/app1', # storagectl: app1␍
    ]
    "#);
}

#[test]
fn a_marked_entry_goes_where_there_is_no_array() {
    insta::assert_snapshot!(arrange("[storage]\noptions = { size = '' }\n", &[0]), @r#"
    [storage]
    options = { size = '', additionalimagestores = [
      "/usr/lib/app0"  # storagectl: app0 (demo)
    ] } # storagectl: added this array
    "#);
    insta::assert_snapshot!(arrange("[storage]\ndriver = 'overlay'\n", &[0]), @r#"
    [storage]
    driver = 'overlay'

    [storage.options]
    additionalimagestores = [
      "/usr/lib/app0", # storagectl: app0 (demo)
    ]  # storagectl: added this table
    "#);
}

#[test]
fn what_is_set_aside_says_so_and_leaves_a_list_that_every_engine_reads() {
    let arrays = [
        "[\n  \"/a\",\n  # why\n  \"/gone\", # ours\n  \"/c\"\n]",
        "[\n  \"/a\",\n  \"/gone\"\n]",
        "[\"/a\", \"/gone\", \"/c\"]",
        "[\"/gone\"]",
        "[\"/gone\",\"/gone/\"]",
        "[\n  \"/a\"\n  , \"/gone\"\n  , \"/c\"\n]",
        "[\n  \"/gone\"\n  , '/gone' # why\n  , \"/c\"\n]",
        "[\n  \"/a\", # a\r\n\t\"/gone\", \"/c\" ]",
        "[\n  \"\"\"\\\n  /gone\"\"\",\n]",
    ];
    let edit = |text: &str| set_aside(text, |path| conf::clean(path) == "/gone");
    insta::assert_snapshot!(table(&arrays, edit), @r#"
    [
      "/a",
      # why
      "/gone", # ours
      "/c"
    ]
      ⇒
    [
      "/a",
      # why
      # storagectl: missing at boot: "/gone", # ours
      "/c"
    ]

    [
      "/a",
      "/gone"
    ]
      ⇒
    [
      "/a",
      # storagectl: missing at boot: "/gone"
    ]

    ["/a", "/gone", "/c"]
      ⇒
    ["/a", 
    # storagectl: missing at boot, from this line: "/gone", 
    "/c"]

    ["/gone"]
      ⇒
    [
    # storagectl: missing at boot, from this line: "/gone"
    ]

    ["/gone","/gone/"]
      ⇒
    [
    # storagectl: missing at boot, from this line: "/gone",
    # storagectl: missing at boot, from this line: "/gone/"
    ]

    [
      "/a"
      , "/gone"
      , "/c"
    ]
      ⇒
    [
      "/a"
      # storagectl: missing at boot: , "/gone"
      , "/c"
    ]

    [
      "/gone"
      , '/gone' # why
      , "/c"
    ]
      ⇒
    [
      # storagectl: missing at boot: "/gone"
      
    # storagectl: missing at boot, from this line: , 
    # storagectl: missing at boot, from this line: '/gone' 
    # why
      
    # storagectl: missing at boot, from this line: , 
    "/c"
    ]

    [
      "/a", # a␍
    →"/gone", "/c" ]
      ⇒
    [
      "/a", # a␍
    →
    # storagectl: missing at boot, from this line: "/gone", 
    "/c" ]

    [
      """\
      /gone""",
    ]
      ⇒
    [
      """\
      /gone""",
    ]
    "#);
}

#[test]
fn a_comment_is_found_behind_its_item_beside_attributes_too() {
    let text = "[storage.options]\nadditionalimagestores = [ '/a', '/b', # storagectl: x\n  '''/c''' # c\n, {append=true} # d\n]\n";
    let found = conf::commented_items(&Document::parse(text).unwrap()).unwrap();
    let items: Vec<_> = found.iter().map(|(path, comment)| (path.as_str(), comment.as_deref())).collect();
    assert_eq!(items, [("/a", None), ("/b", Some("# storagectl: x")), ("/c", Some("# c"))]);
    assert_eq!(conf::commented_items(&Document::parse("").unwrap()).unwrap(), []);
}

#[test]
fn an_entry_without_a_mark_is_never_added_moved_or_taken_out() {
    let doc = Document::parse("[storage.options]\nadditionalimagestores = ['/a', '/b']\n").unwrap();
    let list = |paths: &[&str]| {
        let entry = |path: &&str| MarkedEntry { path: (*path).to_owned(), mark: None };
        paths.iter().map(entry).collect::<Vec<_>>()
    };
    for wanted in [&["/a"][..], &["/b", "/a"], &["/a", "/b", "/c"], &[]] {
        assert_eq!(conf::arrange(&doc, &list(wanted)).unwrap_err().id, "internal");
    }
    assert!(conf::arrange(&doc, &list(&["/a", "/b"])).unwrap().is_none());
    let blank = Document::parse("").unwrap();
    assert!(conf::arrange(&blank, &[]).unwrap().is_none());
    assert_eq!(conf::without_marked(&blank).unwrap().text(), "");
}

#[test]
fn what_is_set_aside_is_known_by_path_and_line() {
    let text = "[storage.options]\nadditionalimagestores = [\n  '/a',\n  '/b', # b\n]\n";
    let doc = Document::parse(set_aside(text, |path| path == "/b")).unwrap();
    let found: Vec<_> =
        conf::asides(&doc).unwrap().into_iter().map(|aside| (aside.path, aside.line)).collect();
    assert_eq!(found, [("/b".to_owned(), 4)]);
    assert!(conf::put_back(&doc, |path| path == "/a").unwrap().is_none());
    assert!(conf::set_aside(&doc, |path| path == "/b").unwrap().is_none());
}

#[test]
fn what_is_set_aside_is_no_comment_of_the_entry_below() {
    let text = "[storage.options]\nadditionalimagestores = [\n  '/a',\n  '/b',\n]\n";
    let removed = remove(&set_aside(text, |path| path == "/a"), |path| path == "/b").unwrap();
    assert_eq!(put_back(&removed), "[storage.options]\nadditionalimagestores = [\n  '/a',\n]\n");
}
