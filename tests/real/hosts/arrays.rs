//! Attributes of arrays, which legacy engines do not know.

use super::host::{Expected, Host, conf, fails, list, sees};

pub(super) fn table() -> Vec<Host> {
    [appending(), attributes(), main_files()].into_iter().flatten().collect()
}

/// A host whose main file lists /a and that has these lists in drop-ins.
fn host(name: &'static str, lists: &[&str], expected: Expected) -> Host {
    let host = Host::new(name).etc(conf("'/a'")).legacy(sees("/a")).modern(expected);
    lists.iter().enumerate().fold(host, |host, (i, stores)| host.drop_in(&format!("{i}0.conf"), list(stores)))
}

fn appending() -> Vec<Host> {
    vec![
        host("append = true appends", &["'/o', {append = true}"], sees("/a /o")),
        host("append is sticky", &["'/o', {append = true}", "'/z'"], sees("/a /o /z")),
        host(
            "append = false resets it",
            &["'/o', {append = true}", "'/z', {append = false}", "'/b'"],
            sees("/b"),
        ),
        host(
            "append can be set again",
            &["{append = true}", "'/z', {append = false}", "'/b', {append = true}"],
            sees("/z /b"),
        ),
        host(
            "append takes what a plain drop-in left",
            &["'/v'", "'/o', {append = true}", "'/z'"],
            sees("/v /o /z"),
        ),
        host("duplicates are kept", &["'/a', '/o', '/o', {append = true}"], sees("/a /a /o /o")),
        host("an empty list empties", &[""], sees("")),
        host("an empty list appends nothing", &["{append = true}", ""], sees("/a")),
        host(
            "a full list without append is exactly that",
            &["{append = true}", "'/o', '/a', {append = false}"],
            sees("/o /a"),
        ),
        host("each array has its own append", &["'/o'"], sees("/o"))
            .drop_in("00-other.conf", "[storage]\ndriver_priority = ['overlay', {append = true}]\n"),
    ]
}

fn attributes() -> Vec<Host> {
    vec![
        host("the attributes may stand first", &["{append = true}, '/o'"], sees("/a /o")),
        host(
            "of several attributes the last one counts",
            &["{append = true}, '/o', {append = false}"],
            sees("/o"),
        ),
        host("empty attributes change nothing", &["'/o', {}"], sees("/o")),
        host("empty attributes keep append", &["{append = true}", "'/o', {}"], sees("/a /o")),
        host(
            "append is a boolean",
            &["'/o', {append = 'true'}"],
            fails("unable to cast append to bool: append"),
        ),
        host(
            "there are no other attributes",
            &["'/o', {prepend = true}"],
            fails("unsupported key \"prepend\" in map"),
        ),
        host("attributes know case", &["'/o', {Append = true}"], fails("unsupported key \"Append\" in map")),
        host("items are strings", &["'/o', 1"], fails("unsupported item in attributed string slice: 1")),
        host("items are no lists", &["['/o']"], fails("unsupported item in attributed string slice: [/o]")),
        host("the list is an array", &[], fails("unable to cast to interface array: /o"))
            .drop_in("00.conf", "[storage.options]\nadditionalimagestores = '/o'\n"),
        host(
            "an array of tables is no array",
            &[],
            fails("unable to cast to interface array: [map[append:true]]"),
        )
        .drop_in("00.conf", "[[storage.options.additionalimagestores]]\nappend = true\n"),
    ]
}

fn main_files() -> Vec<Host> {
    vec![
        Host::new("append in a main file is fatal for legacy engines")
            .etc(conf("'/a', {append = true}"))
            .legacy(fails("incompatible types: TOML value has type map"))
            .modern(sees("/a")),
        Host::new("append in a main file is sticky")
            .etc(conf("'/a', {append = true}"))
            .drop_in("10.conf", list("'/o'"))
            .legacy(fails("incompatible types"))
            .modern(sees("/a /o")),
        Host::new("empty attributes in a main file are fatal for legacy engines")
            .etc(conf("'/a', {}"))
            .legacy(fails("incompatible types"))
            .modern(sees("/a")),
        Host::new("the list in a main file is an array")
            .etc(conf("").replace("[]", "'/a'"))
            .legacy(fails("incompatible types"))
            .modern(fails("unable to cast to interface array: /a")),
        Host::new("items in a main file are strings")
            .etc(conf("'/a', true"))
            .legacy(fails("incompatible types"))
            .modern(fails("unsupported item in attributed string slice: true")),
    ]
}
