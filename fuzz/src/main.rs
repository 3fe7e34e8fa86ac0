//! Feeds one property with the inputs that libFuzzer makes up: the one that
//! `STORAGECTL_PROPERTY` names.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use storagectl_properties::ALL;

static HOLDS: OnceLock<fn(&[u8])> = OnceLock::new();

fn named() -> fn(&[u8]) {
    let name = std::env::var("STORAGECTL_PROPERTY").unwrap_or_default();
    match ALL.iter().find(|property| property.name == name) {
        Some(property) => property.holds,
        None => panic!("no property is called `{name}`"),
    }
}

fuzz_target!(|input: &[u8]| HOLDS.get_or_init(named)(input));
