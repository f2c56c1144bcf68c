//! Builds backups byte by byte, so that a test can put things in them that no program would write.
//!
//! In: [`Member`]s. Out: a folder, or the bytes of a tar archive (plain or compressed) or a zip
//! archive with these members.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Every format, by its name in reports.
pub const FORMATS: [&str; 7] = ["folder", "tar", "tar.gz", "tar.zst", "tar.xz", "tar.bz2", "zip"];

/// The modification time of every file unless a test sets another one, in seconds since 1970. It is
/// even, because zip stores only even seconds.
pub const MTIME: u64 = 1_700_000_000;

/// A file in a backup.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name as stored. It may be hostile.
    pub name: Vec<u8>,
    /// Its content as stored.
    pub content: Vec<u8>,
    /// The declared size, if it differs from the size of the content.
    pub declared: Option<usize>,
    /// Its modification time.
    pub mtime: u64,
}

impl Member {
    /// A member whose declared size is right.
    pub fn new(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let (name, content) = (name.as_ref().to_vec(), content.as_ref().to_vec());
        Self { name, content, declared: None, mtime: MTIME }
    }

    fn size(&self) -> usize {
        self.declared.unwrap_or(self.content.len())
    }
}

/// Twelve files of several sizes in folders. The two files in `twins/` have the same size and time.
pub fn tree() -> Vec<Member> {
    let mut members = vec![
        Member::new("docs/report.bin", noise(20_000, 1)),
        Member::new("docs/letter.txt", "Dear Sir or Madam,\n"),
        Member::new("empty", ""),
        Member::new("one-byte", "x"),
        Member::new("twins/castor", noise(3000, 2)),
        Member::new("twins/pollux", noise(3000, 3)),
    ];
    members.extend((0..6).map(|number| {
        let words = format!("file number {number}\n").repeat(number * 9 + 1);
        Member::new(format!("small/{number}.txt"), words)
    }));
    members
}

/// Many tiny files.
pub fn many_small_files(count: usize) -> Vec<Member> {
    let name = |number| format!("crowd/{}/file-{number}", number % 16);
    (0..count).map(|number| Member::new(name(number), format!("content of {number}\n"))).collect()
}

/// Bytes that do not compress and contain no zero. The same seed gives the same bytes.
pub fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes.iter().map(|&byte| byte.max(1)).collect()
}

/// Writes members as plain files below `folder`, with their times.
pub fn write_files(folder: &Path, members: &[Member]) {
    fs::create_dir_all(folder).unwrap();
    for member in members {
        let place = folder.join(std::str::from_utf8(&member.name).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let mut file = File::create(&place).unwrap();
        file.write_all(&member.content).unwrap();
        file.set_modified(time(member.mtime)).unwrap();
    }
}

/// Sets a file's modification time, in seconds since 1970.
pub fn set_mtime(place: &Path, seconds: u64) {
    OpenOptions::new().write(true).open(place).unwrap().set_modified(time(seconds)).unwrap();
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The verdict for a difference. If the format stores a checksum that was made together with the
/// archive, and the checksum matches, the original must be damaged. A plain tar and a folder store
/// no such checksum, and zstd stores one only on request.
pub fn verdict_of_a_difference(format: &str) -> &'static str {
    if matches!(format, "folder" | "tar" | "tar.zst") { "corrupt" } else { "original-corrupt" }
}

/// Makes a backup of any format at `place`.
pub fn write(format: &str, place: &Path, members: &[Member]) {
    match format {
        "folder" => write_files(place, members),
        _ => fs::write(place, archive(format, members)).unwrap(),
    }
}

/// The bytes of an archive.
pub fn archive(format: &str, members: &[Member]) -> Vec<u8> {
    let tar = || tar(members);
    match format {
        "zip" => zip(members),
        "tar" => tar(),
        "tar.gz" => through(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()), &tar())
            .finish()
            .unwrap(),
        "tar.zst" => zstd::encode_all(&tar()[..], 3).unwrap(),
        "tar.xz" => through(liblzma::write::XzEncoder::new(Vec::new(), 1), &tar()).finish().unwrap(),
        "tar.bz2" => through(bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast()), &tar())
            .finish()
            .unwrap(),
        _ => panic!("no such format: {format}"),
    }
}

fn through<W: Write>(mut encoder: W, bytes: &[u8]) -> W {
    encoder.write_all(bytes).unwrap();
    encoder
}

/// A tar archive in POSIX ustar format (IEEE 1003.1, pax). A name that does not fit its field is
/// stored in a pax record before the member.
pub fn tar(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    for member in members {
        if member.name.len() > 100 {
            let record = pax_record(b"path", &member.name);
            out.extend(tar_header(b"pax", record.len(), member.mtime, b'x'));
            append_blocks(&mut out, &record);
        }
        let field = &member.name[..member.name.len().min(100)];
        out.extend(tar_header(field, member.size(), member.mtime, b'0'));
        append_blocks(&mut out, &member.content);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// The header block of a tar member of the type `kind`.
pub fn tar_header(name: &[u8], size: usize, mtime: u64, kind: u8) -> [u8; 512] {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(format!("{mtime:011o}\0").as_bytes());
    header[148..156].copy_from_slice(b"        ");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn append_blocks(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
}

/// A record `length key=value\n`. The length includes itself.
fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key, b"=", value, b"\n"].concat();
    let length = (1..)
        .map(|digits| rest.len() + digits)
        .find(|length| length.to_string().len() + rest.len() == *length);
    [length.unwrap().to_string().into_bytes(), rest].concat()
}

/// A zip archive (PKWARE appnote 6.3). Each member is deflated and has its time also in UTC (the
/// 0x5455 field).
pub fn zip(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        let data = through(deflate, &member.content).finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(&member.content);
        let small = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let extra = [&b"UT\x05\x00\x01"[..], &u32::try_from(member.mtime).unwrap().to_le_bytes()].concat();
        let offset = small(out.len());
        // Version 2.0, UTF-8 names, deflate, 2023-11-14 22:13:20, checksum and sizes, and the
        // lengths of name and extra fields.
        let common = [
            &b"\x14\x00\x00\x08\x08\x00\xaa\xb1\x6e\x57"[..],
            &crc.sum().to_le_bytes(),
            &small(data.len()),
            &small(member.size()),
            &u16::try_from(member.name.len()).unwrap().to_le_bytes(),
            &u16::try_from(extra.len()).unwrap().to_le_bytes(),
        ]
        .concat();
        out.extend([&b"PK\x03\x04"[..], &common, &member.name, &extra, &data].concat());
        // Made on Unix, a regular file of mode 0644.
        let rest = [&[0; 6][..], &0x81a4_0000_u32.to_le_bytes(), &offset].concat();
        directory.extend([&b"PK\x01\x02\x14\x03"[..], &common, &rest, &member.name, &extra].concat());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let [length, start] = [directory.len(), out.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes());
    out.extend(directory);
    out.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &length, &start, &[0; 2]].concat());
    out
}
