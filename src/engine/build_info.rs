//! What a Go program says about how it was built, read from the section of its ELF
//! file that holds it and not from all of its many megabytes.
//!
//! The form is that of Go's debug/buildinfo since Go 1.18: a magic number, flags, and
//! behind them, at a fixed place, two strings with their lengths before them: the
//! version of Go and the lines about modules. Nothing in the file is believed: what
//! does not fit is no build information.

use std::io::{self, Read};

use crate::sys::FilePart;

/// The longest table of names and the longest build information that are read, in
/// bytes. podman's are 400 and 14,000.
const LONGEST: u64 = 4 << 20;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BuildInfo {
    /// The lines about modules: `path`, `mod` and `dep`, each with its values behind
    /// tabs. Those of modules are missing in a program that was built without them.
    Lines(Vec<u8>),
    /// It is a Go program, and writes this in another form: that of Go before 1.18.
    OtherForm,
    /// It is no Go program, as far as can be seen.
    Missing,
}

/// Reads what `file` says.
pub(super) fn read(file: &FilePart) -> io::Result<BuildInfo> {
    let Some(section) = section(file, ".go.buildinfo")? else {
        return Ok(BuildInfo::Missing);
    };
    let content = bytes(&section)?;
    Ok(lines(&content).map_or(BuildInfo::OtherForm, |lines| BuildInfo::Lines(lines.to_vec())))
}

/// The table of a Go program's functions, stripped or not, with the names of all that it has and the
/// packages that they are from; `None` if the file has none that is called so.
pub(super) fn functions(file: &FilePart) -> io::Result<Option<FilePart>> {
    section(file, ".gopclntab")
}

/// The section of this name, if the file has one.
fn section(file: &FilePart, name: &str) -> io::Result<Option<FilePart>> {
    let Some(elf) = Elf::of(&bytes(&file.part(0, 64))?) else {
        return Ok(None);
    };
    let sections = bytes(&file.part(elf.sections.0, elf.sections.1))?;
    let sections: Vec<Section> =
        sections.chunks_exact(elf.section_size()).filter_map(|bytes| elf.section(bytes)).collect();
    let Some(names) = sections.get(elf.names) else {
        return Ok(None);
    };
    let names = bytes(&file.part(names.offset, names.size))?;
    let is_it = |section: &&Section| {
        let found = usize::try_from(section.name).ok().and_then(|at| names.get(at..));
        found.and_then(|found| found.split(|&byte| byte == 0).next()) == Some(name.as_bytes())
    };
    Ok(sections.iter().find(is_it).map(|section| file.part(section.offset, section.size)))
}

/// The lines about modules in the content of the section.
fn lines(content: &[u8]) -> Option<&[u8]> {
    const MAGIC: &[u8] = b"\xff Go buildinf:";
    /// The strings stand here, and not somewhere else with a pointer to them here.
    const INLINE: u8 = 2;
    /// Where they start.
    const STRINGS: usize = 32;
    if !content.starts_with(MAGIC) || content.get(15)? & INLINE == 0 {
        return None;
    }
    let (_version_of_go, rest) = string(content.get(STRINGS..)?)?;
    Some(string(rest)?.0)
}

/// A string with its length before it, seven bits a byte and the lowest ones first; and
/// what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (at, &byte) in bytes.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return bytes[at + 1..].split_at_checked(length);
        }
    }
    None
}

/// The bytes of a part of a file, as far as they are there and not too many.
fn bytes(part: &FilePart) -> io::Result<Vec<u8>> {
    let part = part.part(0, LONGEST);
    let mut bytes = Vec::with_capacity(usize::try_from(part.size()).unwrap_or(0));
    { part }.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What an ELF file's header says.
struct Elf {
    is_64: bool,
    is_little: bool,
    /// Where the table of sections is, and how long, in bytes.
    sections: (u64, u64),
    /// Which of them holds the names.
    names: usize,
}

struct Section {
    /// Where its name starts in the table of names.
    name: u64,
    offset: u64,
    size: u64,
}

impl Elf {
    /// Reads the header (elf(5), `Elf64_Ehdr` and `Elf32_Ehdr`).
    fn of(header: &[u8]) -> Option<Self> {
        let is_64 = match header.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let is_little = match header.get(5)? {
            1 => true,
            2 => false,
            _ => return None,
        };
        let elf = Self { is_64, is_little, sections: (0, 0), names: 0 };
        let [offset, size, count, names] = if is_64 { [40, 58, 60, 62] } else { [32, 46, 48, 50] };
        let size = elf.number(header, size, 2)?;
        if !header.starts_with(b"\x7fELF") || size != elf.section_size() as u64 {
            return None;
        }
        Some(Self {
            sections: (elf.word(header, offset)?, elf.number(header, count, 2)? * size),
            names: usize::try_from(elf.number(header, names, 2)?).ok()?,
            ..elf
        })
    }

    /// How long the description of a section is, in bytes.
    fn section_size(&self) -> usize {
        if self.is_64 { 64 } else { 40 }
    }

    /// Reads the description of a section (`Elf64_Shdr` and `Elf32_Shdr`).
    fn section(&self, bytes: &[u8]) -> Option<Section> {
        let [offset, size] = if self.is_64 { [24, 32] } else { [16, 20] };
        Some(Section {
            name: self.number(bytes, 0, 4)?,
            offset: self.word(bytes, offset)?,
            size: self.word(bytes, size)?,
        })
    }

    /// The offset or size at `at`.
    fn word(&self, bytes: &[u8], at: usize) -> Option<u64> {
        self.number(bytes, at, if self.is_64 { 8 } else { 4 })
    }

    /// The number of `length` bytes at `at`.
    fn number(&self, bytes: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = bytes.get(at..at + length)?.iter();
        let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_little { bytes.rev().fold(0, append) } else { bytes.fold(0, append) })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"path\tx/cmd/podman\nmod\tx/podman\tv5.8.3\th1:a=\ndep\tgo.podman.io/storage\tv1.62.0\th1:b=\n";

    fn varint(mut length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes
    }

    /// The section of a program with these lines about modules.
    fn content(text: &[u8]) -> Vec<u8> {
        let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
        bytes.resize(32, 0);
        for string in [b"go1.26.1", text] {
            bytes.extend(varint(string.len()));
            bytes.extend(string);
        }
        bytes
    }

    /// An ELF file with one section of the name beside that of the names.
    fn elf(is_64: bool, is_little: bool, name: &str, content: &[u8]) -> Vec<u8> {
        let number = |value: usize, length: usize| {
            let mut bytes = (value as u64).to_le_bytes()[..length].to_vec();
            if !is_little {
                bytes.reverse();
            }
            bytes
        };
        let word = |value| number(value, if is_64 { 8 } else { 4 });
        let names = format!("\0.shstrtab\0{name}\0");
        let start = if is_64 { 64 } else { 52 };
        let table = start + content.len() + names.len();
        let mut file = b"\x7fELF".to_vec();
        file.extend([1 + u8::from(is_64), 2 - u8::from(is_little), 1]);
        file.resize(if is_64 { 40 } else { 32 }, 0);
        file.extend(word(table));
        file.resize(if is_64 { 58 } else { 46 }, 0);
        for value in [if is_64 { 64 } else { 40 }, 3, 1] {
            file.extend(number(value, 2));
        }
        file.extend(content);
        file.extend(names.as_bytes());
        for (name, offset, size) in
            [(0, 0, 0), (1, start + content.len(), names.len()), (11, start, content.len())]
        {
            let section = file.len();
            file.extend(number(name, 4));
            file.extend(number(1, 4));
            file.resize(section + if is_64 { 24 } else { 16 }, 0);
            file.extend([word(offset), word(size)].concat());
            file.resize(section + if is_64 { 64 } else { 40 }, 0);
        }
        file
    }

    /// A program of today with these lines about modules.
    pub(crate) fn program(text: &[u8]) -> Vec<u8> {
        elf(true, true, ".go.buildinfo", &content(text))
    }

    /// A program of Go before 1.18: pointers to where the strings are.
    pub(crate) fn older() -> Vec<u8> {
        let mut pointers = b"\xff Go buildinf:\x08\x00".to_vec();
        pointers.resize(32, 0x40);
        elf(true, true, ".go.buildinfo", &pointers)
    }

    fn read_bytes(bytes: &[u8]) -> BuildInfo {
        read(&FilePart::unnamed(&mut &bytes[..], u64::MAX).unwrap()).unwrap()
    }

    #[test]
    fn a_program_of_any_architecture_tells_its_modules() {
        for (is_64, is_little) in [(true, true), (true, false), (false, true), (false, false)] {
            let file = elf(is_64, is_little, ".go.buildinfo", &content(TEXT));
            assert_eq!(read_bytes(&file), BuildInfo::Lines(TEXT.to_vec()), "{is_64} {is_little}");
        }
    }

    #[test]
    fn a_text_of_any_length_is_read() {
        for length in [0, 127, 128, 16_383, 16_384, 100_000] {
            let text = vec![b'x'; length];
            assert_eq!(read_bytes(&program(&text)), BuildInfo::Lines(text));
        }
    }

    #[test]
    fn what_is_not_there_is_missing() {
        assert_eq!(read_bytes(&older()), BuildInfo::OtherForm);
        for part in [&content(TEXT)[..60], b""] {
            assert_eq!(read_bytes(&elf(true, true, ".go.buildinfo", part)), BuildInfo::OtherForm);
        }
        assert_eq!(read_bytes(&elf(true, true, ".data", &content(TEXT))), BuildInfo::Missing);
        for text in
            [&b""[..], b"#!/bin/sh\nexec flatpak-spawn --host podman \"$@\"\n", b"\x7fEL", b"\x7fELF\x02\x01"]
        {
            assert_eq!(read_bytes(text), BuildInfo::Missing);
        }
    }

    #[test]
    fn a_file_that_ends_anywhere_is_read_to_its_end() {
        let file = program(TEXT);
        for end in 0..file.len() {
            assert!(!matches!(read_bytes(&file[..end]), BuildInfo::Lines(_)), "{end}");
        }
    }

    #[test]
    fn a_hostile_file_costs_no_more_than_others() {
        let file = program(TEXT);
        for at in 0..file.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut file = file.clone();
                file[at] = value;
                read_bytes(&file);
            }
        }
        // Every offset, size and length is as large as can be.
        for at in (0..file.len() - 8).step_by(2) {
            let mut file = file.clone();
            file[at..at + 8].fill(0xff);
            read_bytes(&file);
        }
    }
}
