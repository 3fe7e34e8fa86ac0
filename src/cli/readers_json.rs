//! Who reads a host, as JSON.

use serde::Serialize;

use crate::engine::Profile;
use crate::inventory::Shadow;
use crate::judgement::Reader;
use crate::plan::Host;

/// Engines of root, or of the user whose configuration it is, and those of normal users.
#[derive(Serialize)]
pub(super) struct ReadersJson {
    engines: Vec<Profile>,
    engines_of_users: Vec<Profile>,
}

/// An image that is used instead of another.
#[derive(Serialize)]
pub(super) struct ShadowJson<'a> {
    store: String,
    id: Option<&'a str>,
    created: Option<String>,
    #[serde(flatten)]
    readers: ReadersJson,
}

impl ReadersJson {
    pub(super) fn new(readers: &[Reader]) -> Self {
        let of = |users: bool| {
            let these = readers.iter().filter(|reader| reader.is_of_users() == users);
            these.map(|reader| reader.profile).collect()
        };
        Self { engines: of(false), engines_of_users: of(true) }
    }
}

impl<'a> ShadowJson<'a> {
    pub(super) fn new(host: &Host, shadow: &Shadow<'a>) -> Self {
        let image = shadow.by.image;
        Self {
            store: host.show(&shadow.by.store.path),
            id: image.id.as_deref(),
            created: image.created(),
            readers: ReadersJson::new(&shadow.readers),
        }
    }
}
