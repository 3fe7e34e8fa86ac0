//! How engines read a host.
//!
//! This is the legacy generation's reading (podman 4 and 5, CRI-O): one main
//! file, the first that exists, nothing merged. The modern generation's drop-ins
//! are not read yet.

mod entry;
mod settings;

pub use entry::{EntryHarm, entry_harm};
pub use settings::{Settings, VENDOR_FILE, driver_in_use, main_file};
