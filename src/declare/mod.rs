//! Declared stores: what packages and the administrator want listed, as files.
//!
//! A package ships `/usr/lib/storagectl/stores.d/NAME.toml` and needs no
//! scriptlet; `storagectl apply` makes the configuration follow. This is what
//! systemd does for users (sysusers.d) and directories (tmpfiles.d), and the rules
//! are the same: a file in `/etc` counts instead of one of the same name in
//! `/run`, and that instead of one in `/usr/lib`; a symlink to `/dev/null` masks
//! it; files are read in the order of their names. A normal user's are below that user's
//! own directories, and serve that user's configuration alone.
//!
//! This room reads declarations and says in which order their stores stand. What
//! the configuration is and who owns an entry in it, [`crate::plan`] knows.

mod architecture;
mod arrange;
mod file;
mod read;
mod search_path;
mod write;

pub use arrange::{WantedStore, arranged};
pub use file::{Condition, Declared, SEALED_STORES, parse};
pub use read::{Declarations, declarations, is_name};
pub use search_path::{SearchPath, VENDOR};
pub use write::declare;
