//! From an engine's words to what causes them on this host, and to the cure.
//!
//! Three steps. A text is brought into lines without what a journal or a kubelet wrapped around
//! them (`words`). Each line is compared with the table of messages; Go's errors are wrapped from
//! the outside, so the pattern that ends last, at the innermost cause, is the one (`recognize`).
//! Then this host is looked at (`cause`), by the same checks as ever: what `doctor` gathers of
//! `check-config`, `check-store`, space, dependents and embedded images. A finding is the cause if
//! the message's row names it, and most of all if the message names the same store, layer or image.
//!
//! The first two steps are pure. Nothing here decides what is wrong with a host.

mod cause;
mod messages;
mod pattern;
mod recognize;
mod words;

pub use cause::{ExplainedMessage, explain};
pub use messages::{EngineMessage, SECTIONS, messages};
pub use recognize::{RecognizedMessage, recognize};
