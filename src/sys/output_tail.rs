//! What a program says.

use std::io::Read;

/// How much of it is kept, in bytes, from the end.
const KEPT: usize = 64 << 10;

/// Reads all that a program says, so that it is never stopped by a full pipe, and returns
/// the last 64 KiB of it. A reading error ends it as the end does.
pub fn output_tail(mut from: impl Read) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        said.extend_from_slice(&buffer[..count]);
        let extra = said.len().saturating_sub(KEPT);
        said.drain(..extra);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let text = [vec![b'a'; 5000], vec![b'b'; KEPT]].concat();
        assert!(output_tail(text.as_slice()) == vec![b'b'; KEPT]);
        assert_eq!(output_tail(&b"short"[..]), b"short");
    }
}
