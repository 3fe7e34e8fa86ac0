//! All images of a host's stores, or of some.

use super::host_stores::HostStores;
use super::lookup::{ImageAt, Visibility};
use super::reference::Reference;

/// An image under one of its names.
#[derive(Debug)]
pub struct ListedImage<'a> {
    /// The image.
    pub at: ImageAt<'a>,
    /// The name; `None` for an image without any.
    pub name: Option<&'a str>,
    /// Whom it serves under that name, or by its id.
    pub visibility: Visibility<'a>,
}

/// The images of the stores for whose places `wanted` holds, once for each name.
pub fn list<'a>(stores: &'a HostStores, wanted: impl Fn(usize) -> bool) -> Vec<ListedImage<'a>> {
    let mut listed = Vec::new();
    for (place, store) in stores.stores.iter().enumerate().filter(|(place, _)| wanted(*place)) {
        for image in &store.images {
            let at = ImageAt { place, store, image };
            let names = image.names.as_deref().unwrap_or_default();
            let mut push = |name: Option<&'a str>, reference: Reference| {
                let visibility = stores.visibility(&at, &reference);
                listed.push(ListedImage { at, name, visibility });
            };
            for name in names {
                push(Some(name), Reference::Name(name.clone()));
            }
            if names.is_empty() {
                push(None, Reference::Id(image.id.clone().unwrap_or_default()));
            }
        }
    }
    listed
}
