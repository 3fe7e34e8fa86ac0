//! Numbers of bytes for people.

/// A number of bytes as a person reads it: `734 bytes`, `1.4 MB`, in powers of 1000.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    }
    let (mut scale, mut unit) = (1000, 0);
    let tenths = |scale: u128| (u128::from(bytes) * 10 + scale / 2) / scale;
    while tenths(scale) >= 10_000 && unit + 1 < UNITS.len() {
        scale *= 1000;
        unit += 1;
    }
    let tenths = tenths(scale);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// The sum of numbers of bytes, some of which strangers have told: no less than the largest number
/// if it is more.
pub(crate) fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_one_decimal() {
        let sizes = [0, 1, 999, 1000, 1449, 999_949, 1_000_000, 1_449_999, 3_000_000_000].map(size);
        let expected =
            ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.4 kB", "999.9 kB", "1.0 MB", "1.4 MB", "3.0 GB"];
        assert_eq!(sizes, expected);
    }
}
