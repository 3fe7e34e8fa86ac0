//! What each generation of engines reads on a host: by real engines, and by storagectl.
//!
//! Each table lists hosts, as files, environment and user, and what an engine of each
//! profile makes of them. The real engines have to agree with the table, which makes
//! it a fact; `storagectl show-config` has to agree with it too. tests/engines/build.sh
//! builds the engines that Debian does not have.

mod arrays;
mod crio;
mod drop_ins;
pub(crate) mod engines;
mod environment;
mod host;
mod main_file;
mod model;
mod rootless;
mod syntax;
mod values;

use std::fmt::Write as _;

pub(crate) use engines::{engines, loader_in, program};
use host::{Expected, Host, Profile};

/// Asks every real engine, and storagectl, about every host of a table.
#[track_caller]
fn check(table: Vec<Host>) {
    let mut wrong = String::new();
    for host in &table {
        for profile in Profile::ALL {
            let Some(expected) = host.expected(profile) else { continue };
            let mut note = |who: &str, result: Result<(), String>| {
                if let Err(why) = result {
                    writeln!(wrong, "{}: {}: {who}: {why}", host.name(), profile.name()).unwrap();
                }
            };
            for (engine, answer) in engines::ask(host, profile) {
                if engine == engines::DEBIANS || !matches!(expected, Expected::FailsInDebian(_)) {
                    note(engine, expected.check(&answer));
                }
            }
            note("storagectl", expected.check_in_other_words(&model::ask(host, profile)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_first_main_file_counts_and_no_other() {
    check(main_file::table());
}

#[test]
fn variables_choose_files_and_replace_values() {
    check(environment::table());
}

#[test]
fn drop_ins_are_read_in_the_order_of_their_names_and_mask_each_other() {
    check(drop_ins::table());
}

#[test]
fn arrays_replace_append_and_reset() {
    check(arrays::table());
}

#[test]
fn what_is_a_syntax_error_depends_on_the_generation() {
    check(syntax::table());
}

#[test]
fn values_are_expanded_cleaned_and_defaulted() {
    check(values::table());
}

#[test]
fn users_have_directories_and_rules_of_their_own() {
    check(rootless::table());
}

#[test]
fn crio_adds_its_own_options() {
    check(crio::table());
}
