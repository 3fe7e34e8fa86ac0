//! Numbers of bytes as people type them.

/// Reads `10GB`, `1.5 TB`, `512MiB` or `1000000`: units of 1000, as this program writes them, or of
/// 1024 where the unit says so. A bare `G` is one to some programs and the other to others.
pub(super) fn byte_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 12] = [
        ("", 1),
        ("b", 1),
        ("byte", 1),
        ("bytes", 1),
        ("kb", 1000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let wrong = || "give a number of bytes with its unit, such as `10GB` or `512MiB`".to_owned();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim().to_ascii_lowercase());
    let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| (!text.is_empty() && text.len() <= 18).then(|| text.parse::<u64>().ok())?;
    let (Some(whole), Some(part)) = (digits(whole), digits(fraction)) else { return Err(wrong()) };
    let one = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let bytes = (u128::from(whole) * one + u128::from(part)) * u128::from(scale) / one;
    match u64::try_from(bytes).map_err(|_| wrong())? {
        0 => Err(wrong()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_that_this_program_writes_and_those_of_1024() {
        for (text, bytes) in [
            ("1", 1),
            ("734 bytes", 734),
            ("10GB", 10_000_000_000),
            ("10 gb", 10_000_000_000),
            ("1.5kB", 1500),
            ("1.0005kB", 1000),
            ("512MiB", 512 << 20),
            ("16TiB", 16 << 40),
        ] {
            assert_eq!(byte_size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "GB", "0", "0.1", "10G", "-1GB", "1e9", ".5GB", "1.GB", "1.2.3GB", "99999999999TB", "½GB"]
        {
            assert!(byte_size(text).is_err(), "{text}");
        }
    }
}
