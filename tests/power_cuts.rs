//! What power cuts leave of what was written.
//!
//! A run of commands in a virtual machine is recorded once, write by write, with the flushes
//! between them (tests/machine/power-cuts.sh). From that any number of cuts is made here: the
//! disk as it may be afterwards, mounted and looked at. [docs/power-cuts.md] has what came of it.
//!
//! What makes the cuts is tested by itself, with disks on which it is known what has to be lost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_macros, reason = "the long run prints its figures")]
#![allow(clippy::disallowed_methods, reason = "tests look at their own scratch directories")]

#[path = "power_cuts/cut.rs"]
mod cut;
#[path = "real/dice.rs"]
mod dice;
#[path = "real/build/image.rs"]
#[expect(dead_code, reason = "others need more of it")]
mod image;
#[path = "power_cuts/inputs.rs"]
mod inputs;
#[path = "power_cuts/log.rs"]
mod log;
#[path = "power_cuts/look.rs"]
mod look;
#[path = "power_cuts/made_up.rs"]
mod made_up;
#[path = "power_cuts/recorded.rs"]
mod recorded;
#[path = "power_cuts/state.rs"]
mod state;
#[path = "power_cuts/steps.rs"]
mod steps;
