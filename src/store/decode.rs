//! JSON as the engines' storage library decodes it.
//!
//! All its versions use json-iterator/go 1.1.12 in the way that is said to be compatible
//! with Go's own decoder. What it takes and refuses decides whether engines start: keys
//! count whatever their case, the last of several wins, bytes need not be UTF-8, null is
//! nothing; a number that is no integer, or a time that is none, refuses the whole file.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::io;

use super::time::Timestamp;
use crate::limits;

/// Values of Go's types: decoding goes into what is there already.
pub(crate) trait Decode: Default {
    /// Reads a value.
    ///
    /// # Errors
    /// What the library refuses.
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError>;
}

/// Why a file is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeError {
    why: String,
    line: usize,
    column: usize,
    /// Whether a record was begun before that: storage 1.43 goes on with what it has.
    pub(crate) begun: bool,
    /// Whether engines take the file and crash.
    pub(crate) crashes: bool,
    /// Whether it is more than is looked at here, whatever engines do with it.
    pub(crate) too_large: bool,
}

impl From<DecodeError> for io::Error {
    fn from(refused: DecodeError) -> Self {
        let kind = if refused.too_large { io::ErrorKind::FileTooLarge } else { io::ErrorKind::InvalidData };
        Self::new(kind, refused.to_string())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.why, self.line, self.column)
    }
}

impl std::error::Error for DecodeError {}

/// The deepest nesting that the library reads.
const MAX_DEPTH: usize = 10_000;

/// What is left of a text.
pub(crate) struct RecordDecoder<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// What has come of it takes as much memory.
    memory: usize,
}

/// Decodes a file of records. An empty file and `null` are an empty list; nothing but
/// white space is none.
///
/// # Errors
/// What engines stop at.
pub(crate) fn decode<T: Decode>(bytes: &[u8]) -> Result<Vec<T>, DecodeError> {
    let mut from = RecordDecoder { bytes, at: 0, depth: 0, memory: 0 };
    let mut records = Vec::new();
    if bytes.is_empty() {
        return Ok(records);
    }
    let mut begun = false;
    let mut null = None;
    let read = from.elements(|from| {
        begun = true;
        // A null is a pointer that the library follows.
        if from.peek() == Some(b'n') {
            null.get_or_insert_with(|| from.refuse("a record is null"));
        }
        from.takes(size_of::<T>())?;
        let mut record = T::default();
        record.decode(from)?;
        records.push(record);
        Ok(())
    });
    read.and_then(|_| from.end()).map_err(|error| DecodeError { begun, ..error })?;
    match null {
        Some(null) => Err(DecodeError { crashes: true, begun, ..null }),
        None => Ok(records),
    }
}

/// Decodes one record.
///
/// # Errors
/// What engines stop at.
pub(crate) fn decode_one<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut from = RecordDecoder { bytes, at: 0, depth: 0, memory: 0 };
    let mut record = T::default();
    if from.null()? {
        return Err(from.refuse("a record is null"));
    }
    record.decode(&mut from)?;
    from.end().map(|()| record)
}

impl RecordDecoder<'_> {
    fn refuse(&self, why: &str) -> DecodeError {
        let before = &self.bytes[..self.at.min(self.bytes.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        DecodeError {
            why: if self.at > self.bytes.len() {
                "the file ends too early".to_owned()
            } else {
                why.to_owned()
            },
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: before.len() - line_start,
            begun: false,
            crashes: false,
            too_large: false,
        }
    }

    /// Counts what a value takes.
    fn takes(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.memory += bytes;
        if self.memory <= limits::RECORDS_IN_MEMORY {
            return Ok(());
        }
        let why = format!("it takes more than {} MiB of memory", limits::RECORDS_IN_MEMORY >> 20);
        Err(DecodeError { too_large: true, ..self.refuse(&why) })
    }

    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes.get(self.at - 1).copied().unwrap_or(0)
    }

    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn token(&mut self) -> u8 {
        self.peek();
        self.byte()
    }

    fn expect(&mut self, wanted: u8) -> Result<(), DecodeError> {
        if self.token() == wanted {
            return Ok(());
        }
        Err(self.refuse(&format!("expected `{}`", char::from(wanted))))
    }

    fn word(&mut self, word: &[u8]) -> Result<(), DecodeError> {
        for wanted in word {
            if self.byte() != *wanted {
                return Err(self.refuse("expected a value"));
            }
        }
        Ok(())
    }

    /// Reads a null, if there is one.
    fn null(&mut self) -> Result<bool, DecodeError> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.word(b"null").map(|()| true)
    }

    /// That nothing is left. What follows a NUL does not count.
    fn end(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            None | Some(0) => Ok(()),
            Some(_) => {
                self.at += 1;
                Err(self.refuse("something follows the end"))
            }
        }
    }

    fn deeper(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.refuse("it is nested too deeply")) } else { Ok(()) }
    }

    /// The elements of an array; `false` for null.
    fn elements(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<bool, DecodeError> {
        if self.null()? {
            return Ok(false);
        }
        if self.token() != b'[' {
            return Err(self.refuse("expected an array"));
        }
        self.deeper()?;
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                each(self)?;
                match self.token() {
                    b',' => {}
                    b']' => break,
                    _ => return Err(self.refuse("expected `,` or `]`")),
                }
            }
        }
        self.depth -= 1;
        Ok(true)
    }

    /// The members of an object; `false` for null.
    pub(crate) fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, String) -> Result<(), DecodeError>,
    ) -> Result<bool, DecodeError> {
        if self.null()? {
            return Ok(false);
        }
        if self.token() != b'{' {
            return Err(self.refuse("expected an object"));
        }
        self.deeper()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let key = self.string()?;
                self.expect(b':')?;
                each(self, key)?;
                match self.token() {
                    b',' => {}
                    b'}' => break,
                    _ => return Err(self.refuse("expected `,` or `}`")),
                }
            }
        }
        self.depth -= 1;
        Ok(true)
    }

    /// A string; null is an empty one.
    fn string(&mut self) -> Result<String, DecodeError> {
        if self.null()? {
            return Ok(String::new());
        }
        if self.token() != b'"' {
            return Err(self.refuse("expected a string"));
        }
        let mut text = Vec::new();
        let mut escaped = false;
        loop {
            match self.byte() {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape(&mut text)?;
                }
                byte => {
                    if self.at > self.bytes.len() {
                        return Err(self.refuse(""));
                    }
                    // Behind the first escape the library does not look at this any more.
                    if byte < b' ' && !escaped {
                        return Err(self.refuse("a control character in a string"));
                    }
                    text.push(byte);
                }
            }
        }
        // What is no UTF-8 grows to three times of that.
        self.takes(text.capacity())?;
        Ok(String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into()))
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), DecodeError> {
        text.push(match self.byte() {
            plain @ (b'"' | b'\\' | b'/') => plain,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let first = self.unit()?;
                let surrogate = (0xd800..0xe000).contains(&first);
                let pair = surrogate && self.bytes[self.at.min(self.bytes.len())..].starts_with(b"\\u");
                let units = if pair {
                    self.at += 2;
                    vec![first, self.unit()?]
                } else {
                    vec![first]
                };
                text.extend_from_slice(String::from_utf16_lossy(&units).as_bytes());
                return Ok(());
            }
            _ => return Err(self.refuse("an unknown escape")),
        });
        Ok(())
    }

    fn unit(&mut self) -> Result<u16, DecodeError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()).to_digit(16);
            let digit = digit.ok_or_else(|| self.refuse("expected four hexadecimal digits"))?;
            unit = unit << 4 | u16::try_from(digit).expect("it is below 16");
        }
        Ok(unit)
    }

    /// A number without a sign, below `limit`. A leading zero is all of it, and an
    /// exponent is not a part of it.
    fn unsigned(&mut self, first: u8) -> Result<u64, DecodeError> {
        if !first.is_ascii_digit() {
            return Err(self.refuse("expected an integer"));
        }
        let mut value = u64::from(first - b'0');
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let digits = rest.iter().take_while(|byte| first != b'0' && byte.is_ascii_digit());
        for digit in digits {
            self.at += 1;
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(u64::from(digit - b'0')))
                .ok_or_else(|| self.refuse("the number is too large"))?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            return Err(self.refuse("expected an integer"));
        }
        Ok(value)
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        let mut open = Vec::new();
        loop {
            match self.peek() {
                Some(start @ (b'[' | b'{')) => {
                    self.at += 1;
                    self.deeper()?;
                    let end = if start == b'[' { b']' } else { b'}' };
                    if self.peek() == Some(end) {
                        self.at += 1;
                        self.depth -= 1;
                    } else {
                        open.push(end);
                        self.key(end)?;
                        continue;
                    }
                }
                _ => self.skip_plain()?,
            }
            // What was open may end here, and what it is in.
            loop {
                let Some(end) = open.last().copied() else {
                    return Ok(());
                };
                match self.token() {
                    b',' => {
                        self.key(end)?;
                        break;
                    }
                    byte if byte == end => {
                        open.pop();
                        self.depth -= 1;
                    }
                    _ => return Err(self.refuse("expected `,` or an end")),
                }
            }
        }
    }

    /// The key of the next member, in an object.
    fn key(&mut self, end: u8) -> Result<(), DecodeError> {
        if end == b'}' {
            self.string()?;
            self.expect(b':')?;
        }
        Ok(())
    }

    fn skip_plain(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'n') => self.word(b"null"),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                let is_part = |byte: &&u8| matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9');
                self.at += self.bytes[start..].iter().take_while(is_part).count();
                let text = std::str::from_utf8(&self.bytes[start..self.at]).expect("it is ASCII");
                let digits = text.strip_prefix('-').unwrap_or(text);
                let zeros = !text.starts_with('-') && digits.len() > 1 && digits.starts_with('0');
                let zeros = zeros && digits.as_bytes()[1].is_ascii_digit();
                let dot = digits.split_once('.');
                let bare = dot.is_some_and(|(before, after)| {
                    before.is_empty() || !after.starts_with(|letter: char| letter.is_ascii_digit())
                });
                if zeros || bare || !digits.parse::<f64>().is_ok_and(f64::is_finite) {
                    return Err(self.refuse("the number is malformed"));
                }
                Ok(())
            }
            _ => {
                self.at += 1;
                Err(self.refuse("expected a value"))
            }
        }
    }
}

impl Decode for String {
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        *self = from.string()?;
        Ok(())
    }
}

impl Decode for i64 {
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        if from.null()? {
            return Ok(());
        }
        let first = from.token();
        let value = if first == b'-' {
            let digit = from.byte();
            -i128::from(from.unsigned(digit)?)
        } else {
            from.unsigned(first)?.into()
        };
        *self = Self::try_from(value).map_err(|_| from.refuse("the number is too large"))?;
        Ok(())
    }
}

impl Decode for u32 {
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        if from.null()? {
            return Ok(());
        }
        let first = from.token();
        let value = from.unsigned(first)?;
        *self = Self::try_from(value).map_err(|_| from.refuse("the number is too large"))?;
        Ok(())
    }
}

/// A flag counts where it is `true`.
impl Decode for bool {
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        from.peek();
        let start = from.at;
        from.skip()?;
        *self = &from.bytes[start..from.at] == b"true";
        Ok(())
    }
}

impl Decode for Timestamp {
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        if from.null()? {
            return Ok(());
        }
        from.peek();
        let start = from.at;
        from.skip()?;
        // As it stands there: Go looks for no escapes in it.
        let text = std::str::from_utf8(&from.bytes[start..from.at]).ok();
        let text = text.and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        *self =
            text.and_then(Self::parse).ok_or_else(|| from.refuse("a time is not of the form of RFC 3339"))?;
        Ok(())
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        if self.is_none() && from.null()? {
            return Ok(());
        }
        self.get_or_insert_default().decode(from)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        let mut length = 0;
        from.elements(|from| {
            // A list that stands there twice is decoded over itself.
            if length == self.len() {
                from.takes(size_of::<T>())?;
                self.push(T::default());
            }
            length += 1;
            self[length - 1].decode(from)
        })?;
        self.truncate(length);
        Ok(())
    }
}

impl<T: Decode> Decode for HashMap<String, T>
where
    String: Hash,
{
    fn decode(&mut self, from: &mut RecordDecoder<'_>) -> Result<(), DecodeError> {
        let there = from.members(|from, key| {
            from.takes(size_of::<(String, T)>())?;
            let mut value = T::default();
            value.decode(from)?;
            self.insert(key, value);
            Ok(())
        })?;
        if !there {
            self.clear();
        }
        Ok(())
    }
}

/// Has a structure decoded by the names that its fields have in JSON.
macro_rules! decodes {
    ($type:ident { $($key:literal => $field:ident,)* }) => {
        impl $crate::store::decode::Decode for $type {
            fn decode(
                &mut self,
                from: &mut $crate::store::decode::RecordDecoder<'_>,
            ) -> Result<(), $crate::store::decode::DecodeError> {
                from.members(|from, key| match key.to_lowercase().as_str() {
                    $($key => self.$field.decode(from),)*
                    _ => from.skip(),
                })?;
                Ok(())
            }
        }
    };
}
pub(crate) use decodes;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::records::{StoredImage, StoredLayer};
    use super::*;

    fn image(text: &str) -> Result<StoredImage, DecodeError> {
        decode(format!("[{text}]").as_bytes()).map(|mut images| images.remove(0))
    }

    #[test]
    fn keys_count_whatever_their_case_and_the_last_wins() {
        let image =
            image(r#"{"ID": "a", "iD": "b", "Big-Data-Sizes": {"x": 1}, "big-data-sizes": {"y": 2}}"#);
        let image = image.unwrap();
        assert_eq!(image.id.as_deref(), Some("b"));
        assert_eq!(image.big_data_sizes.unwrap().len(), 2);
    }

    #[test]
    fn nothing_null_and_what_follows_a_nul_are_taken() {
        for text in ["", "null", "[]", " [ ] ", "[]\0anything"] {
            assert_eq!(decode::<StoredImage>(text.as_bytes()).unwrap().len(), 0, "{text:?}");
        }
        image(r#"{"id":null,"names":null,"created":null,"big-data-sizes":{"a":null},"flags":null}"#).unwrap();
        for text in [" ", "{}", "[", "[]x", "[{}", "[{},]", "[{}}", "[1]", "[\"\"]"] {
            decode::<StoredImage>(text.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn what_is_of_another_type_refuses_the_file() {
        for text in [
            r#"{"id": 1}"#,
            r#"{"names": "a"}"#,
            r#"{"names": {}}"#,
            r#"{"created": ""}"#,
            r#"{"created": 0}"#,
            r#"{"created": "2024-01-01"}"#,
            r#"{"created": "2024-01-02T03:04:05\u005a"}"#,
            r#"{"big-data-sizes": {"a": 1.0}}"#,
            r#"{"big-data-sizes": {"a": 9223372036854775808}}"#,
            r#"{"flags": []}"#,
            r#"{"unknown": 01}"#,
            r#"{"unknown": 1e999}"#,
            "{\"id\": \"\n\"}",
        ] {
            image(text).unwrap_err();
        }
        for text in [
            r#"{"uidset": [-1]}"#,
            r#"{"uidset": [4294967296]}"#,
            r#"{"compression": "1"}"#,
            r#"{"uidmap": 1}"#,
        ] {
            decode::<StoredLayer>(format!("[{text}]").as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn many_empty_records_are_more_than_is_looked_at() {
        let text = format!("[{}{{}}]", "{},".repeat(limits::RECORDS_IN_MEMORY / size_of::<StoredImage>()));
        assert!(decode::<StoredImage>(text.as_bytes()).unwrap_err().too_large);
        let text = format!(
            "[{{\"names\":[{}\"\"]}}]",
            "null,".repeat(limits::RECORDS_IN_MEMORY / size_of::<String>())
        );
        assert!(decode::<StoredImage>(text.as_bytes()).unwrap_err().too_large);
    }

    #[test]
    fn a_record_that_is_null_is_told_from_what_is_malformed() {
        assert!(decode::<StoredImage>(b"[null]").unwrap_err().crashes);
        assert!(!decode::<StoredImage>(b"[null").unwrap_err().crashes);
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode::<StoredImage>(&bytes);
        }

        #[test]
        fn what_another_decoder_skips_is_skipped(text in r#"[\[\]{}"a:,1 .eE+\\u0tfn-]{0,12}"#) {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                let record = format!("{{\"unknown\":{text}}}");
                prop_assert!(decode_one::<StoredImage>(record.as_bytes()).is_ok());
            }
        }
    }
}
