//! Physically bound images: a directory with everything that a host needs, in one of the
//! layouts that are in use (`layout.rs`).
//!
//! One sub-directory for each reference, as `skopeo copy … dir:` writes it, and a text
//! file with lines `REFERENCE,DIRECTORY`. Either side may be a shell script: what scripts
//! have embedded is read, verified and mended, and what is written here, scripts can copy.
//!
//! The rule that everything here keeps: a directory that has its name is complete. It is
//! fetched under another name, verified, synced, and then renamed. What lies there
//! without being in the list is no harm; the list is written last.

mod contents;
mod convert;
mod decide;
mod download;
mod embed;
mod fetch;
mod homes;
mod layout;
mod links;
mod list;
mod needed;
mod options;
mod other_directories;
mod record;
mod referrers;
mod registry_image;
mod report;
mod run;
mod stores;
mod survey;
mod unreachable;

pub use contents::{EmbeddedImage, Instance, contents};
pub use embed::{embed, listed};
pub use homes::homes;
pub use layout::EmbeddedLayout;
pub use list::{ImageList, ListEntry};
pub use needed::entry_for;
pub use options::{EmbedOptions, Platforms};
pub use report::{EmbedOutcome, EmbedReport, ReportLine};
pub use stores::stores_with;
pub use survey::{Depth, EmbeddedSurvey, SurveyedImage, survey, unlisted};
