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
//!
//! The files have no checksums. One changed bit could make a volume one without a letter, or give
//! it that of another, and nobody would compare it. So what contradicts itself is an error.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::backup::path::escape;
use crate::image::Guid;

/// The file that names the volumes. It is written when all images are complete: in every published
/// listing its time is that of the last image.
pub(super) const FILE: &str = "BackupSpecs.xml";

/// The largest XML file that is read. Published ones have less than 10 kB.
pub(super) const MOST_BYTES: u64 = 4 << 20;

/// The most elements of a file that are looked at.
const MOST_ELEMENTS: usize = 100_000;

/// How many files and folders are named that are left out.
const MOST_LEFT_OUT: usize = 10;

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
    /// Some of the files and folders that are left out.
    pub(super) left_out: Vec<String>,
}

/// Adds the volumes that an XML file names to `volumes`. An error says why the rest of the file
/// could not be read, or what in it cannot be right: the file has no checksum.
pub(super) fn read(bytes: &[u8], volumes: &mut NamedVolumes) -> Result<(), String> {
    let text = decode(bytes);
    let mut reader = Reader::from_str(&text);
    // The files are only searched, so whether their tags match does not matter.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let (mut depth, mut is_empty) = (0_u32, true);
    let is_impossible = |character| character < ' ' && !matches!(character, '\t' | '\n' | '\r');
    let problem = text.contains(is_impossible).then(|| "it has characters that no XML has".to_owned());
    let mut search = Search { volumes, last: None, problem };
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
                search.look_at(&element);
            }
            Ok(Event::Eof) if depth > 0 => {
                return Err("it ends inside of an element: it was cut off".to_owned());
            }
            Ok(Event::Eof) if is_empty => return Err("it holds no XML".to_owned()),
            Ok(Event::Eof) => return search.finish(),
            Ok(_) => {}
            Err(error) => return Err(format!("at byte {}: {error}", reader.error_position())),
        }
    }
    Err(format!("it has more than {MOST_ELEMENTS} elements"))
}

/// What was found in the elements of a file until now.
struct Search<'a> {
    volumes: &'a mut NamedVolumes,
    /// The volume that the last element with a GUID was about.
    last: Option<Guid>,
    /// The first thing that cannot be right.
    problem: Option<String>,
}

impl Search<'_> {
    fn look_at(&mut self, element: &BytesStart<'_>) {
        let (attributes, is_whole) = attributes(element);
        if let Some((guid, paths)) = volume(&attributes) {
            let places = paths.iter().map(|path| (path, place(path)));
            let (usable, unusable): (Vec<_>, Vec<_>) = places.partition(|(_, place)| place.is_some());
            let first = usable.first().and_then(|(_, place)| place.clone());
            let other = usable.iter().find(|(_, place)| *place != first);
            if let Some((path, _)) = unusable.first().or(other) {
                let path = escape(path.as_bytes());
                self.doubt(format!("volume {guid} cannot have been at \"{path}\""));
            } else if first.is_none() && !is_whole {
                self.doubt(format!("the attributes of volume {guid} are damaged"));
            }
            let known = self.volumes.entry(guid).or_default();
            // The first element that says where a volume was decides.
            if let Some(place) = first.filter(|_| known.letter.is_none() && known.folder.is_none()) {
                (known.letter, known.folder) = (place.letter, place.folder);
            }
            self.last = Some(guid);
        }
        if !attributes.iter().any(|(_, value)| in_volume_path(value).is_some())
            && let Some((_, path)) =
                attributes.iter().find(|(name, path)| is_place(name) && place(path).is_some())
        {
            let path = escape(path.as_bytes());
            self.doubt(format!("it does not say which volume was at \"{path}\""));
        }
        if !element.local_name().as_ref().eq_ignore_ascii_case(b"FileSpec") {
            return;
        }
        let Some((guid, volume)) = self.last.and_then(|guid| Some((guid, self.volumes.get_mut(&guid)?)))
        else {
            return;
        };
        volume.is_partial |= is_selection(&attributes, volume);
        let left_out = left_out(&attributes).filter(|_| volume.left_out.len() < MOST_LEFT_OUT);
        volume.left_out.extend(left_out);
        let drive =
            attributes.iter().filter(|(name, _)| name == b"filepath").find_map(|(_, path)| letter(path));
        if let Some(drive) = drive.filter(|&drive| volume.letter != Some(drive)) {
            self.doubt(format!("volume {guid} is drive {drive} in one place, and not in another"));
        }
    }

    fn doubt(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    fn finish(mut self) -> Result<(), String> {
        let mut drives = BTreeMap::new();
        let with_letter = self.volumes.iter().filter_map(|(guid, volume)| Some((volume.letter?, *guid)));
        let twice = with_letter
            .into_iter()
            .find_map(|(letter, guid)| drives.insert(letter, guid).map(|other| (letter, guid, other)));
        if let Some((letter, guid, other)) = twice {
            self.doubt(format!("both volume {other} and volume {guid} are drive {letter} there"));
        }
        self.problem.map_or(Ok(()), Err)
    }
}

/// The volume that an element is about, and the paths at which it was, the most trusted first.
fn volume(attributes: &[(Vec<u8>, String)]) -> Option<(Guid, Vec<&str>)> {
    let guid = attributes.iter().find_map(|(_, value)| in_volume_path(value))?;
    let places = attributes.iter().filter(|(name, value)| {
        is_place(name) && in_volume_path(value).is_none() && !value.trim().is_empty()
    });
    // First the path at the time of the backup. A restore may know the volume by another one.
    let (original, access): (Vec<_>, Vec<_>) = places.partition(|(name, _)| name.starts_with(b"original"));
    Some((guid, original.into_iter().chain(access).map(|(_, value)| value.as_str()).collect()))
}

/// Whether an attribute of this name says where a volume was.
fn is_place(name: &[u8]) -> bool {
    name.ends_with(b"accesspath") || name.ends_with(b"mountpoint")
}

/// What a path says of the volume that was there: it was a drive, or mounted in a folder of one.
fn place(path: &str) -> Option<NamedVolume> {
    if let Some(letter) = letter(path) {
        return Some(NamedVolume { letter: Some(letter), ..NamedVolume::default() });
    }
    let path = path.trim();
    let is_folder = path.get(..3).and_then(letter).is_some() && !path.contains('\u{FFFD}');
    is_folder.then(|| NamedVolume { folder: Some(path.to_owned()), ..NamedVolume::default() })
}

/// The attributes of an element, with names in lower case, and whether these are all.
fn attributes(element: &BytesStart<'_>) -> (Vec<(Vec<u8>, String)>, bool) {
    let mut attributes = element.attributes();
    let mut is_whole = true;
    let attributes = attributes.with_checks(false).filter_map(|attribute| {
        is_whole &= attribute.is_ok();
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        // Windows does not escape what it writes there. What is not escaped is meant literally.
        let value =
            value.map_or_else(|_| String::from_utf8_lossy(&attribute.value).into_owned(), Cow::into_owned);
        Some((attribute.key.local_name().as_ref().to_ascii_lowercase(), value))
    });
    let attributes = attributes.collect();
    (attributes, is_whole)
}

/// Whether a `FileSpec` with these attributes chooses files of a volume, instead of all of them.
fn is_selection(attributes: &[(Vec<u8>, String)], volume: &NamedVolume) -> bool {
    let folder = |path: &str| path.trim().trim_end_matches('\\').to_lowercase();
    let is_its_folder = |path: &str| volume.folder.as_deref().is_some_and(|own| folder(own) == folder(path));
    !attributes.iter().all(|(name, value)| match &name[..] {
        b"filepath" => in_volume_path(value).is_some() || letter(value).is_some() || is_its_folder(value),
        b"filename" => value == "*",
        b"isrecursive" | b"isinclude" => value.eq_ignore_ascii_case("true"),
        _ => true,
    })
}

/// What a `FileSpec` with these attributes leaves out, as the paths of the backup are: `D/Temp/*`.
fn left_out(attributes: &[(Vec<u8>, String)]) -> Option<String> {
    let value = |of: &[u8]| attributes.iter().find(|(name, _)| name == of).map(|(_, value)| value.trim());
    value(b"isinclude").filter(|included| included.eq_ignore_ascii_case("false"))?;
    let path = format!("{}\\{}", value(b"filepath")?.trim_end_matches('\\'), value(b"filename")?);
    (path.len() < 1000).then(|| escape(path.replace(":\\", "/").replace('\\', "/").as_bytes()).into_owned())
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
        for no_letter in ["", " ", "C:\\mount\\"] {
            assert_eq!(letters(volume(no_letter, no_letter).as_bytes()), (vec![], Ok(())), "{no_letter}");
        }
    }

    /// A volume without a letter is compared with nothing, so a damaged path must not make one.
    #[test]
    fn a_path_that_no_volume_had_is_an_error_and_the_other_path_counts() {
        for damaged in
            ["C", "CD:", "C;", "\\\\?\\Volume{}", "1:", "ſ:", ":", "C:mount", "@:\\", "C:\\\u{FFFD}"]
        {
            for (from, to) in [
                (r#" AccessPath="C:""#, format!(r#" AccessPath="{damaged}""#)),
                (r#"OriginalAccessPath="C:""#, format!(r#"OriginalAccessPath="{damaged}""#)),
            ] {
                let (found, read) = letters(PUBLISHED.replace(from, &to).as_bytes());
                assert_eq!(found, c(), "{damaged}");
                assert!(read.unwrap_err().contains("cannot have been at"), "{damaged}");
            }
        }
    }

    #[test]
    fn places_that_contradict_each_other_are_an_error() {
        for (from, to) in [
            (r#" AccessPath="C:""#, r#" AccessPath="E:""#),
            (r#"OriginalAccessPath="C:""#, r#"OriginalAccessPath="E:""#),
            (r#"FilePath="C:\""#, r#"FilePath="E:\""#),
            (r#"AccessPath="" OriginalAccessPath="""#, r#"AccessPath="C:" OriginalAccessPath="C:""#),
        ] {
            let changed = PUBLISHED.replacen(from, to, 1);
            assert_ne!(changed, PUBLISHED);
            assert!(letters(changed.as_bytes()).1.is_err(), "{to}");
        }
    }

    #[test]
    fn zeros_and_a_place_without_a_volume_are_an_error() {
        for changed in [
            PUBLISHED.replace("Label=\"\"", "Label=\"\0\""),
            PUBLISHED.replacen("Volume{9b9cfbc4", "Volume{9b9cfbg4", 1),
        ] {
            assert_ne!(changed, PUBLISHED);
            assert!(letters(changed.as_bytes()).1.is_err(), "{changed}");
        }
    }

    /// The rule of every run: what one changed bit hides is told.
    #[test]
    fn no_changed_bit_takes_the_letter_of_a_drive_away() {
        let sound = utf16(PUBLISHED);
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut volumes = NamedVolumes::new();
            let is_error = read(&bytes, &mut volumes).is_err();
            let guid = Guid::parse("9b9cfbc4-369e-11e9-a17c-806e6f6e6963").unwrap();
            // Of a volume that is not named, the image is a gap.
            let is_same = volumes.get(&guid).is_none_or(|volume| volume.letter == Some('C'));
            assert!(is_error || is_same, "bit {bit}");
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
        let mounted = mounted.replace(r#"FilePath="C:\""#, r#"FilePath="C:\Mount""#);
        volumes.clear();
        read(mounted.as_bytes(), &mut volumes).unwrap();
        let folders: Vec<_> = volumes.values().map(|volume| volume.folder.clone()).collect();
        assert_eq!(folders, [None, Some("C:\\mount\\".to_owned())]);
        assert!(volumes.values().all(|volume| !volume.is_partial), "{volumes:?}");
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
