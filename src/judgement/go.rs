//! Values as the engines' Go libraries read them.

use crate::engine::Profile;

/// What `strconv.ParseBool` accepts.
pub(super) fn is_bool(value: &str) -> bool {
    ["1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"].contains(&value)
}

/// Whether `strconv.ParseBool` takes it for true.
pub(super) fn is_true(value: &str) -> bool {
    ["1", "t", "T", "true", "TRUE", "True"].contains(&value)
}

/// A size in bytes, as `RAMInBytes` of github.com/docker/go-units reads it: 0.4 in podman 4,
/// 0.5 in the others.
pub(super) fn size(value: &str, profile: Profile) -> Option<f64> {
    let at = value.rfind(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == ' ')?;
    let number = if value[at..].starts_with(' ') { &value[..at] } else { &value[..=at] };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if profile == Profile::Podman4
        && !(plain(number) && number.starts_with(|l: char| l.is_ascii_digit()) && !number.ends_with('.'))
    {
        return None;
    }
    let size = float(number)?;
    if size < 0.0 {
        return None;
    }
    let suffix = value[at + 1..].to_ascii_lowercase();
    let letter = match suffix.as_str() {
        "" | "b" => return Some(size),
        // 0.4 takes any unit without its letter.
        "ib" if profile == Profile::Podman4 => return Some(size),
        other => other.chars().next()?,
    };
    let power = "kmgtp".find(letter)?;
    let rest = &suffix[1..];
    let known = ["", "b", "ib"].contains(&rest) || (profile == Profile::Podman4 && rest == "i");
    known.then(|| size * 1024_f64.powi(i32::try_from(power).unwrap_or(0) + 1))
}

/// A number as `strconv.ParseFloat` reads it, but for hexadecimal ones.
fn float(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A number as `strconv.ParseUint` reads it with base 10: digits and nothing else.
pub(super) fn unsigned(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether `strconv.ParseInt` reads it with base 8 into 32 bits.
pub(super) fn is_octal(text: &str) -> bool {
    i32::from_str_radix(text, 8).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_engines_parse() {
        for value in ["10G", "10 GiB", "512", "1.5t", "7kb"] {
            assert!(size(value, Profile::Podman6).is_some(), "{value}");
            assert!(size(value, Profile::Podman4).is_some(), "{value}");
        }
        for value in ["", "G", "ten", "10X", "-1G", "10 % "] {
            assert!(size(value, Profile::Podman6).is_none(), "{value}");
            assert!(size(value, Profile::Podman4).is_none(), "{value}");
        }
        assert_eq!(size("2k", Profile::Podman5), Some(2048.0));
    }

    #[test]
    fn numbers_have_digits_only() {
        assert_eq!(unsigned("12"), Some(12));
        assert!(unsigned("+12").is_none() && unsigned("").is_none());
        assert!(is_octal("0755") && !is_octal("8") && is_octal("-1"));
    }
}
