//! The parent locator of a differencing VHDX (MS-VHDX 2.6.2.6): pairs of keys and values that say
//! which file the parent is and where it was.

use crate::image::Guid;
use crate::image::container::{Family, ParentLink};
use crate::image::{Error, fields};

/// The parent is a VHDX.
const IS_VHDX: Guid = Guid::from_digits(0xb04aefb7_d19e_4a81_b789_25b8e9445913);
/// The paths, in the order in which the specification wants them to be tried.
const PATHS: [&str; 3] = ["relative_path", "volume_path", "absolute_win32_path"];
/// The parent's `DataWriteGuid`. There are two while a merge is under way.
const LINKAGES: [&str; 2] = ["parent_linkage", "parent_linkage2"];

fn damaged(why: &str) -> Error {
    Error::Damaged(format!("the parent locator of the VHDX is wrong: {why}"))
}

/// Reads the item.
pub(super) fn parse(item: &[u8]) -> Result<ParentLink, Error> {
    let short = || damaged("it is cut short");
    let kind = Guid::at(item, 0).ok_or_else(short)?;
    if kind != IS_VHDX {
        return Err(Error::Unsupported(format!(
            "the parent of this differencing VHDX is of a kind that this program does not know ({kind})"
        )));
    }
    let count = usize::from(fields::u16_le(item, 18).ok_or_else(short)?);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for index in 0..count {
        let at = 20 + 12 * index;
        let number = |at| fields::u32_le(item, at).ok_or_else(short);
        let length = |at| fields::u16_le(item, at).ok_or_else(short);
        let key = text(item, number(at)?, length(at + 8)?)?;
        let value = text(item, number(at + 4)?, length(at + 10)?)?;
        if pairs.iter().any(|(other, _)| *other == key) {
            return Err(damaged(&format!("\"{key}\" occurs twice")));
        }
        // What nobody asks for is not kept: an item of 1 MiB has room for many keys.
        if PATHS.contains(&key.as_str()) || LINKAGES.contains(&key.as_str()) {
            pairs.push((key, value));
        }
    }
    let value = |key: &str| pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value);
    let mut ids = Vec::new();
    for linkage in LINKAGES {
        if let Some(text) = value(linkage) {
            let id = linked(text).ok_or_else(|| damaged(&format!("{linkage} is no GUID: {text:?}")))?;
            ids.push(id.0);
        }
    }
    if value("parent_linkage").is_none() {
        return Err(damaged("it does not say which parent it is (parent_linkage)"));
    }
    let paths = PATHS.into_iter().filter_map(value).cloned().collect();
    Ok(ParentLink { family: Family::Vhdx, paths, ids, modified: None })
}

/// Reads a GUID in braces, which some programs leave out.
fn linked(text: &str) -> Option<Guid> {
    Guid::parse(text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text))
}

/// A string in UTF-16 at an offset within the item.
fn text(item: &[u8], at: u32, length: u16) -> Result<String, Error> {
    let start = usize::try_from(at).unwrap_or(usize::MAX);
    let bytes = item.get(start..).and_then(|rest| rest.get(..usize::from(length)));
    let bytes =
        bytes.ok_or_else(|| damaged(&format!("a string of {length} bytes at byte {at} is outside of it")))?;
    let units =
        bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|&pair| u16::from_le_bytes(pair));
    Ok(String::from_utf16_lossy(&units.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::container::testing::parent_locator;

    const ID: &str = "{83ed0ec3-24c8-49a6-a959-5e4bf1288bfb}";

    #[test]
    fn ids_and_paths_are_read_in_the_order_of_the_specification() {
        let link = parse(&parent_locator(&[
            ("absolute_win32_path", r"\\?\d:\p.vhdx"),
            ("parent_linkage2", "{83ed0ec3-24c8-49a6-a959-5e4bf1288bfc}"),
            ("volume_path", r"\\?\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\p.vhdx"),
            ("unknown", "value"),
            ("parent_linkage", &ID.to_uppercase()),
            ("relative_path", r"..\p.vhdx"),
        ]))
        .unwrap();
        let paths =
            [r"..\p.vhdx", r"\\?\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\p.vhdx", r"\\?\d:\p.vhdx"];
        assert_eq!(link.paths, paths);
        let ids: Vec<String> = link.ids.iter().map(|&id| Guid(id).to_string()).collect();
        assert_eq!(ids, ["83ed0ec3-24c8-49a6-a959-5e4bf1288bfb", "83ed0ec3-24c8-49a6-a959-5e4bf1288bfc"]);
    }

    #[test]
    fn a_guid_has_both_braces_or_none() {
        let id = Guid::parse("2dc27766-f623-4200-9d64-115e9bfd4a08");
        assert!(id.is_some());
        assert_eq!(linked("{2DC27766-F623-4200-9D64-115E9BFD4A08}"), id);
        assert_eq!(linked("2dc27766-f623-4200-9d64-115e9bfd4a08"), id);
        for text in [
            "",
            "{}",
            "{2DC27766-F623-4200-9D64-115E9BFD4A0}",
            "{2DC27766-F623-4200-9D64-115E9BFD4A08",
            "2DC27766F62342009D64115E9BFD4A08",
            "{2DC27766-F623-4200-9D64-115E9BFD4A0g}",
            "{2DC27766-F623-4200-9D64-115E9BFD4A0800}",
        ] {
            assert_eq!(linked(text), None, "{text}");
        }
    }

    #[test]
    fn wrong_locators_are_refused() {
        let refused = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        assert!(refused(&parent_locator(&[("relative_path", "p")])).contains("parent_linkage"));
        assert!(refused(&parent_locator(&[("parent_linkage", "p")])).contains("no GUID"));
        let twice = [("parent_linkage", ID), ("parent_linkage", ID)];
        assert!(refused(&parent_locator(&twice)).contains("twice"));
        let mut other = parent_locator(&[("parent_linkage", ID)]);
        other[0] = 0;
        assert!(refused(&other).contains("kind"));
        let mut outside = parent_locator(&[("parent_linkage", ID)]);
        outside[24..28].fill(0xff);
        assert!(refused(&outside).contains("outside"));
        let mut many = parent_locator(&[("parent_linkage", ID)]);
        many[18..20].fill(0xff);
        assert!(parse(&many).is_err());
        for length in 0..many.len() {
            assert!(parse(&many[..length]).is_err());
        }
    }
}
