//! The processor that this program runs on.

/// The processor that this program was built for, by its name of uname(1). Rust's own says
/// `powerpc64` for both orders of bytes.
pub const PROCESSOR: &str = if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
    "ppc64le"
} else {
    std::env::consts::ARCH
};
