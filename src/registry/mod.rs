//! Images in registries. skopeo is the transport; nothing else needs it.
