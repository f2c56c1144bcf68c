//! Which volumes a Windows image backup has, and which drive letters they had, from the XML files
//! beside the images.
//!
//! In: the bytes of an XML file. Out: the volumes that it names, by their GUIDs. Nothing in the file
//! is trusted. Without letters, volumes are named by their GUIDs.
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
//! volume's GUID path, and an attribute whose name ends in `AccessPath` or `MountPoint` says
//! where the volume was: the root of a drive, or a folder. A file that ends inside of an element was
//! cut off.

use std::borrow::Cow;
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

/// The volumes that a file names.
pub(super) type NamedVolumes = BTreeMap<Guid, NamedVolume>;

/// What is said of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NamedVolume {
    /// The letter of its drive, in upper case.
    pub(super) letter: Option<char>,
    /// The folder in which it was mounted, if it had no letter.
    pub(super) folder: Option<String>,
    /// Whether only chosen files of it are in the backup.
    pub(super) is_partial: bool,
}

/// Adds the volumes that an XML file names to `volumes`. An error says why the rest of the file
/// could not be read.
pub(super) fn read(bytes: &[u8], volumes: &mut NamedVolumes) -> Result<(), String> {
    let text = decode(bytes);
    let mut reader = Reader::from_str(&text);
    // The files are only searched, so whether their tags match does not matter.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let (mut depth, mut last, mut is_empty) = (0_u32, None, true);
    for _ in 0..MOST_ELEMENTS {
        let event = reader.read_event();
        match &event {
            Ok(Event::Start(_)) => depth = depth.saturating_add(1),
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            _ => {}
        }
        match event {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                is_empty = false;
                if let Some((guid, volume)) = volume(&element) {
                    let known = volumes.entry(guid).or_default();
                    // The first element that says where a volume was decides.
                    if known.letter.is_none() && known.folder.is_none() {
                        (known.letter, known.folder) = (volume.letter, volume.folder);
                    }
                    last = Some(guid);
                }
                if is_selection(&element)
                    && let Some(volume) = last.and_then(|guid| volumes.get_mut(&guid))
                {
                    volume.is_partial = true;
                }
            }
            Ok(Event::Eof) if depth > 0 => {
                return Err("it ends inside of an element: it was cut off".to_owned());
            }
            Ok(Event::Eof) if is_empty => return Err("it holds no XML".to_owned()),
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(format!("at byte {}: {error}", reader.error_position())),
        }
    }
    Err(format!("it has more than {MOST_ELEMENTS} elements"))
}

/// The volume that an element is about, and where it was.
fn volume(element: &BytesStart<'_>) -> Option<(Guid, NamedVolume)> {
    let (mut guid, mut access, mut original) = (None, None, None);
    for (name, value) in attributes(element) {
        let is_place = name.ends_with(b"accesspath") || name.ends_with(b"mountpoint");
        match in_volume_path(&value) {
            Some(found) => guid = guid.or(Some(found)),
            None if !is_place || value.trim().is_empty() => {}
            // The path at the time of the backup. A restore may know the volume by another one.
            None if name.starts_with(b"original") => original = original.or(Some(value)),
            None => access = access.or(Some(value)),
        }
    }
    let place = |path: String| match letter(&path) {
        Some(letter) => NamedVolume { letter: Some(letter), ..NamedVolume::default() },
        None => {
            NamedVolume { folder: Some(path).filter(|path| path.contains(":\\")), ..NamedVolume::default() }
        }
    };
    Some((guid?, original.or(access).map_or_else(NamedVolume::default, place)))
}

/// The attributes of an element, with names in lower case.
fn attributes(element: &BytesStart<'_>) -> Vec<(Vec<u8>, String)> {
    let mut attributes = element.attributes();
    let attributes = attributes.with_checks(false).flatten().map(|attribute| {
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        // Windows does not escape what it writes there. What is not escaped is meant literally.
        let value =
            value.map_or_else(|_| String::from_utf8_lossy(&attribute.value).into_owned(), Cow::into_owned);
        (attribute.key.local_name().as_ref().to_ascii_lowercase(), value)
    });
    attributes.collect()
}

/// Whether an element chooses files of a volume (`FileSpec`), instead of all of them.
fn is_selection(element: &BytesStart<'_>) -> bool {
    element.local_name().as_ref().eq_ignore_ascii_case(b"FileSpec")
        && !attributes(element).iter().all(|(name, value)| match &name[..] {
            b"filepath" => in_volume_path(value).is_some() || letter(value).is_some(),
            b"filename" => value == "*",
            b"isrecursive" | b"isinclude" => value.eq_ignore_ascii_case("true"),
            _ => true,
        })
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
        let mut volumes = NamedVolumes::new();
        let read = read(bytes, &mut volumes);
        let letters =
            volumes.into_iter().filter_map(|(guid, volume)| Some((guid.to_string(), volume.letter?)));
        (letters.collect(), read)
    }

    fn only_volume(text: &str) -> NamedVolume {
        let mut volumes = NamedVolumes::new();
        read(text.as_bytes(), &mut volumes).unwrap();
        assert_eq!(volumes.len(), 1);
        volumes.into_values().next().unwrap()
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
        let (found, read) = letters(&utf16(PUBLISHED)[..1001]);
        assert_eq!((found, read.is_err()), (c(), true));
    }

    #[test]
    fn a_file_that_was_cut_off_anywhere_says_so() {
        for length in 0..PUBLISHED.len() {
            assert!(letters(&PUBLISHED.as_bytes()[..length]).1.is_err(), "{length}");
        }
    }

    #[test]
    fn a_volume_without_a_letter_is_named_too_and_one_in_a_folder_is_known_by_it() {
        let mut volumes = NamedVolumes::new();
        read(PUBLISHED.as_bytes(), &mut volumes).unwrap();
        let places: Vec<_> = volumes.values().map(|volume| (volume.letter, volume.is_partial)).collect();
        assert_eq!(places, [(None, false), (Some('C'), false)]);
        let mounted = PUBLISHED.replace("AccessPath=\"C:\"", "AccessPath=\"C:\\mount\\\"");
        volumes.clear();
        read(mounted.as_bytes(), &mut volumes).unwrap();
        let folders: Vec<_> = volumes.into_values().map(|volume| volume.folder).collect();
        assert_eq!(folders, [None, Some("C:\\mount\\".to_owned())]);
    }

    #[test]
    fn a_volume_of_which_only_files_were_chosen_is_known_as_such() {
        let whole = r#"<FileSpec FilePath="C:\" FileName="*" IsRecursive="true" IsInclude="true" />"#;
        let is_partial = |spec: &str| {
            only_volume(&format!(
                r#"<Volume Name="\\?\Volume{{9b9cfbc4-369e-11e9-a17c-806e6f6e6963}}\" AccessPath="C:">{spec}</Volume>"#
            ))
            .is_partial
        };
        assert!(!is_partial(whole));
        for (from, to) in [
            (r"C:\", r"C:\Users\"),
            ("*", "*.mp4"),
            (r#"IsRecursive="true""#, r#"IsRecursive="false""#),
            (r#"IsInclude="true""#, r#"IsInclude="false""#),
        ] {
            assert!(is_partial(&whole.replace(from, to)), "{to}");
            assert!(is_partial(&format!("{whole}{}", whole.replace(from, to))), "{to}");
        }
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
