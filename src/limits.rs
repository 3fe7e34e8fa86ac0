//! How much of anything is taken: each input has an end, and so has what is made of it.
//! What a format or the kernel sets an end to is said where it is read. SECURITY.md says these
//! numbers to people.

use std::io;

/// A document that configures something: storage.conf and drop-ins, crio.conf, declarations,
/// units, lists; in bytes. Parsed, the worst of it takes up to 450 times as much memory.
pub const DOCUMENT: u64 = 1 << 20;

/// A file that is read line by line, such as /etc/passwd, in bytes.
pub const LINES: u64 = 16 << 20;

/// A normal user's own storage.conf where root's commands look into it, in bytes. What is larger
/// is taken to say whatever it may say.
pub const USERS_DOCUMENT: u64 = 64 << 10;

/// The stores of a normal user's list where root's commands follow it.
pub const USERS_STORES: usize = 64;

/// A file of records in a normal user's storage where root's commands read it, in bytes.
pub const USERS_RECORDS: u64 = 16 << 20;

/// What an engine is said to have said, in bytes; of more, the end is read.
pub const ENGINE_OUTPUT: u64 = 1 << 20;

/// A document that the person who calls gives to `generate` or `pack`, in bytes: those of
/// Ignition carry whole files.
pub const GIVEN_DOCUMENT: u64 = 16 << 20;

/// Several such documents in one file, in bytes, with an empty line in each for every line before it.
pub const SEVERAL_DOCUMENTS: u64 = 64 << 20;

/// The values in such a document, those that aliases repeat among them.
pub const VALUES: usize = 200_000;

/// A file in such a document once it is decompressed, in bytes.
pub const FILE_IN_DOCUMENT: u64 = 64 << 20;

/// All that is merged into such a document or lies beside it, in bytes.
pub const BESIDE_DOCUMENT: u64 = 64 << 20;

/// The files and links of the directories beside such a document.
pub const BESIDE_FILES: usize = 10_000;

/// How deep configurations are merged into merged ones, and directories beside a document go.
pub const MERGED_DEPTH: usize = 20;

/// The configurations that are merged into such a document.
pub const MERGED: usize = 100;

/// A document of an image: a manifest, an index, a configuration. Engines take as many bytes
/// (`iolimits` of the image library).
pub const IMAGE_DOCUMENT: u64 = 4 << 20;

/// A file of records of a store, such as layers.json, in bytes: 100,000 images and more.
pub const RECORDS: u64 = 256 << 20;

/// What deep checks with a budget have noted, in bytes: 100,000 layers and more.
pub const DEEP_CHECK_RECORD: u64 = 32 << 20;

/// What the records of one file, and small files of the layers of one store, take in memory.
pub const RECORDS_IN_MEMORY: usize = 512 << 20;

/// A program that is searched for what it was built with, in bytes.
pub const PROGRAM: u64 = 256 << 20;

/// Images of a finding, and findings of one kind, that are told one by one. Behind them there
/// is a count.
pub const SHOWN_FINDINGS: usize = 1000;

/// The layers of an image. The kernel mounts no more, and engines refuse it (`maxDepth` in
/// overlay.go of the storage library).
pub const LAYERS: usize = 500;

/// What the paths of a layer take in memory, in bytes: over eight hundred thousand of usual
/// ones. A path of many short names takes much, since each of its directories is kept.
pub const PATHS_IN_MEMORY: usize = 128 << 20;

/// The signatures of an image. Engines fetch as many (`maxLookasideSignatures` in
/// docker/docker_image_src.go of the image library); together they are one document of it.
pub const SIGNATURES: usize = 128;

/// An archive of images, once it is decompressed, in bytes: as a whole, or its layers that are
/// compressed each.
pub const ARCHIVE: u64 = 64 << 30;

/// The members of an archive of images.
pub const MEMBERS: usize = 100_000;

/// Something has more than `limit` bytes.
pub fn too_large(limit: u64) -> io::Error {
    let shown =
        if limit.is_multiple_of(1 << 20) { format!("{} MiB", limit >> 20) } else { format!("{limit} bytes") };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {shown}"))
}
