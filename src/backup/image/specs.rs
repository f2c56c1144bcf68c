//! Which volume had which drive letter, from the XML files beside the images of a Windows image
//! backup.
//!
//! In: the bytes of an XML file. Out: the drive letters in it, by the volume's GUID. Nothing in the
//! file is trusted, and none of it is needed: without letters, volumes are named by their GUIDs.
//!
//! Microsoft does not document these files. `BackupSpecs.xml` of a backup that Windows 7 made has
//! been published several times, as part of a public exercise. It is UTF-16LE without a byte order
//! mark, and has one line:
//!
//! ```xml
//! <BackupSpecs><FileSpecs>
//!   <Volume Name="\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\" AccessPath="C:"
//!       OriginalAccessPath="C:" Label="" OriginalLabel="" >
//!     <FileSpec FilePath="C:\" FileName="*" IsRecursive="true" IsInclude="true" />
//!   </Volume>
//! </FileSpecs><SystemState IsPresent="false" /><AllCritical IsPresent="false" /></BackupSpecs>
//! ```
//!
//! The access paths of a volume without a letter are empty there. It is not known what other
//! versions of Windows write. So an element of any name counts if one of its attributes is a
//! volume's GUID path, and an attribute whose name ends in `AccessPath` or `MountPoint` is the root
//! of a drive.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::image::Guid;

/// The file that names the volumes. It is written when all images are complete: in every published
/// listing its time is that of the last image.
pub(super) const FILE: &str = "BackupSpecs.xml";

/// The largest XML file that is read. Published ones have less than 10 kB.
pub(super) const MOST_BYTES: u64 = 4 << 20;

/// The most elements of a file that are looked at.
const MOST_ELEMENTS: usize = 100_000;

/// The drive letters of volumes, in upper case.
pub(super) type Letters = BTreeMap<Guid, char>;

/// Adds the letters that are in an XML file to `letters`. The first file that names a volume
/// decides. An error says why the rest of the file could not be read.
pub(super) fn read(bytes: &[u8], letters: &mut Letters) -> Result<(), String> {
    let text = decode(bytes);
    let mut reader = Reader::from_str(&text);
    // The files are only searched, so whether they are well formed does not matter.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    for _ in 0..MOST_ELEMENTS {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                if let Some((guid, letter)) = volume(&element) {
                    letters.entry(guid).or_insert(letter);
                }
            }
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(format!("at byte {}: {error}", reader.error_position())),
        }
    }
    Err(format!("it has more than {MOST_ELEMENTS} elements"))
}

/// The volume that an element is about, and its drive letter.
fn volume(element: &BytesStart<'_>) -> Option<(Guid, char)> {
    let (mut guid, mut access, mut original) = (None, None, None);
    for attribute in element.attributes().with_checks(false).flatten() {
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        // Windows does not escape what it writes there. What is not escaped is meant literally.
        let value = value.unwrap_or_else(|_| String::from_utf8_lossy(&attribute.value).into_owned().into());
        let name = attribute.key.local_name().as_ref().to_ascii_lowercase();
        let is_path = name.ends_with(b"accesspath") || name.ends_with(b"mountpoint");
        match letter(&value).filter(|_| is_path) {
            // The path at the time of the backup. A restore may know the volume by another one.
            Some(letter) if name.starts_with(b"original") => original = Some(letter),
            Some(letter) => access = access.or(Some(letter)),
            None => guid = guid.or_else(|| in_volume_path(&value)),
        }
    }
    guid.zip(original.or(access))
}

/// The letter of a drive's root: `C:` or `C:\`.
fn letter(path: &str) -> Option<char> {
    let mut characters = path.trim().chars();
    let letter = characters.next().filter(char::is_ascii_alphabetic)?;
    matches!(characters.as_str(), ":" | ":\\" | ":/").then(|| letter.to_ascii_uppercase())
}

/// The text of a file in UTF-16 or UTF-8, with or without a byte order mark. What is no text in
/// that encoding becomes U+FFFD.
fn decode(bytes: &[u8]) -> String {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| -> String {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        // XML begins with an ASCII character.
        [_, 0, ..] => units(bytes, u16::from_le_bytes),
        [0, _, ..] => units(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// The GUID in a volume's path: `\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\`, with
/// nothing behind it.
fn in_volume_path(path: &str) -> Option<Guid> {
    let path = path.trim();
    let path = path.strip_suffix('\\').unwrap_or(path);
    let path = path.strip_suffix('}')?;
    let (before, guid) = path.split_once('{')?;
    let name = before.trim_start_matches(['\\', '?', '.']);
    Guid::parse(guid).filter(|_| name.eq_ignore_ascii_case("volume"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As published, but for the line breaks.
    const PUBLISHED: &str = r#"<BackupSpecs><FileSpecs><Volume Name="\\?\Volume{9b9cfbc3-369e-11e9-a17c-806e6f6e6963}\" AccessPath="" OriginalAccessPath="" Label="" OriginalLabel="" ><FileSpec FilePath="\\?\Volume{9b9cfbc3-369e-11e9-a17c-806e6f6e6963}\" FileName="*" IsRecursive="true" IsInclude="true" /></Volume><Volume Name="\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\" AccessPath="C:" OriginalAccessPath="C:" Label="" OriginalLabel="" ><FileSpec FilePath="C:\" FileName="*" IsRecursive="true" IsInclude="true" /></Volume></FileSpecs><SystemState IsPresent="false" /><AllCritical IsPresent="false" /></BackupSpecs>"#;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn letters(bytes: &[u8]) -> (Vec<(String, char)>, Result<(), String>) {
        let mut letters = Letters::new();
        let read = read(bytes, &mut letters);
        (letters.into_iter().map(|(guid, letter)| (guid.to_string(), letter)).collect(), read)
    }

    fn c() -> Vec<(String, char)> {
        vec![("9b9cfbc4-369e-11e9-a17c-806e6f6e6963".to_owned(), 'C')]
    }

    #[test]
    fn a_published_file_is_read_in_every_encoding() {
        let little = utf16(PUBLISHED);
        let big: Vec<u8> = little.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect();
        let mark = |mark: &[u8], text: &[u8]| [mark, text].concat();
        for bytes in [
            little.clone(),
            mark(&[0xFF, 0xFE], &little),
            mark(&[0xFE, 0xFF], &big),
            big,
            PUBLISHED.as_bytes().to_vec(),
            mark(&[0xEF, 0xBB, 0xBF], PUBLISHED.as_bytes()),
            mark(&[], format!("<?xml version=\"1.0\"?>\r\n{PUBLISHED}\r\n").as_bytes()),
        ] {
            assert_eq!(letters(&bytes), (c(), Ok(())));
        }
    }

    #[test]
    fn the_letter_at_the_time_of_the_backup_counts_and_the_first_element_of_a_volume_does() {
        let volume = |access: &str, original: &str| {
            format!(
                r#"<Volume Name="\\?\Volume{{9B9CFBC4-369E-11E9-A17C-806E6F6E6963}}\" AccessPath="{access}" OriginalAccessPath="{original}"/>"#
            )
        };
        assert_eq!(letters(volume("D:", "c:\\").as_bytes()).0, c());
        assert_eq!(letters(volume("C:", "").as_bytes()).0, c());
        assert_eq!(letters((volume("C:", "C:") + &volume("X:", "X:")).as_bytes()).0, c());
        for no_letter in ["", "C", "CD:", "C:\\mount\\", "\\\\?\\Volume{}", "1:", "ſ:", ":"] {
            assert_eq!(letters(volume(no_letter, no_letter).as_bytes()).0, [], "{no_letter}");
        }
    }

    #[test]
    fn what_comes_before_garbage_is_kept_and_what_is_not_escaped_does_not_hide_a_letter() {
        let odd = PUBLISHED.replace("Label=\"\"", "Label=\"R&D &nosuch; &#xffffffff;\"");
        assert_eq!(letters(odd.as_bytes()).0, c());
        let (found, read) = letters(format!("{PUBLISHED}<!-- never closed").as_bytes());
        assert_eq!(found, c());
        assert!(read.unwrap_err().contains("at byte"));
        assert_eq!(letters(&utf16(PUBLISHED)[..1001]).0, c());
    }

    #[test]
    fn entities_are_not_expanded_and_depth_is_no_problem() {
        let bomb =
            "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><x AccessPath=\"&b;\"/>";
        assert_eq!(letters(bomb.as_bytes()).0, []);
        let (found, read) = letters("<x>".repeat(MOST_ELEMENTS + 1).as_bytes());
        assert_eq!(found, []);
        assert!(read.unwrap_err().contains("elements"));
    }

    proptest! {
        #[test]
        fn no_bytes_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = letters(&bytes);
        }

        #[test]
        fn no_text_harms(text in "[<>=\"'&;!?/ a-zA-Z{}:\\\\\\[\\]-]{0,200}") {
            let _ = letters(text.as_bytes());
            let _ = letters(&utf16(&text));
        }
    }

    #[test]
    fn a_guid_is_found_in_names_and_paths_and_nowhere_else() {
        let guid = Guid::parse("9B9CFBC4-369e-11e9-a17c-806e6f6e6963").unwrap();
        assert_eq!(guid.to_string(), "9b9cfbc4-369e-11e9-a17c-806e6f6e6963");
        for path in [
            r"\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\",
            r"\\?\volume{9B9CFBC4-369E-11E9-A17C-806E6F6E6963}",
            r"Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}",
        ] {
            assert_eq!(in_volume_path(path), Some(guid), "{path}");
        }
        for other in [
            "",
            r"\\?\Volume{}\",
            r"\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}\Users",
            r"{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}",
            r"\\?\Volume{9b9cfbc4_369e-11e9-a17c-806e6f6e6963}\",
            r"\\?\Volume{9b9cfbc4-369e-11e9-a17c-806e6f6e696g}\",
        ] {
            assert_eq!(in_volume_path(other), None, "{other}");
        }
    }
}
