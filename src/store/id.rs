//! Ids of layers, images and containers.

use crate::hex::is_sha256;

/// Whether `name` looks like an id that the library makes. What else it accepts is
/// not judged.
pub(crate) fn is_id(name: &str) -> bool {
    is_sha256(name)
}

/// The start of an id, as engines show it. Ids of damaged stores may be any text.
pub(crate) fn short_id(id: &str) -> &str {
    id.char_indices().nth(12).map_or(id, |(end, _)| &id[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_cut_between_characters_and_never_lengthened() {
        assert_eq!(short_id(&"0123456789ab".repeat(5)), "0123456789ab");
        assert_eq!(short_id("ab"), "ab");
        assert_eq!(short_id(&"ä".repeat(13)), "ä".repeat(12));
    }
}
