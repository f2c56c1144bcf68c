//! Differencing disks: an image that stores what changed, its parent, the parent of that, down to
//! an image that stores all.
//!
//! A parent is taken only if it has the id that its child names. The locators are hints, where to
//! look for it; another file may be there now, and its sectors would be wrong ones without any
//! other sign. The chain is followed by a loop, and its length is bounded.

use std::fmt;
use std::sync::Arc;

use crate::bytes::ReadAt;
use crate::image::Error;
use crate::platform::Timestamp;

use super::{Content, Disk, Family, Kind, Layer, ParentLink};
use crate::image::Guid;

/// Images in a chain. Hyper-V allows 50 checkpoints.
const LONGEST: usize = 64;

/// Finds the files that may be the parent of an image.
pub trait Parents: fmt::Debug + Send + Sync {
    /// Opens every file that may be the parent, the best first. `paths` are the locators of the
    /// image, in the syntax of Windows; relative ones start at the folder of the image. Files that
    /// are not there are left out. The right one is chosen by its id.
    fn open(&self, paths: &[String]) -> Result<Vec<Parent>, Error>;
}

/// A file that may be a parent.
#[derive(Debug)]
pub struct Parent {
    /// Its path, for messages.
    pub name: String,
    /// Its bytes.
    pub bytes: Arc<dyn ReadAt>,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// Finds the parent of this file, if it is a differencing disk itself.
    pub parents: Arc<dyn Parents>,
}

/// For images that have no parent. A differencing disk cannot be opened with it.
#[derive(Debug, Clone, Copy)]
pub struct NoParents;

impl Parents for NoParents {
    fn open(&self, _: &[String]) -> Result<Vec<Parent>, Error> {
        Ok(Vec::new())
    }
}

/// Opens an image and all below it.
pub(super) fn open(bytes: Arc<dyn ReadAt>, parents: &dyn Parents) -> Result<Disk, Error> {
    let mut layers = vec![Layer::open(bytes)?];
    let mut finder: Option<Arc<dyn Parents>> = None;
    while let Some(link) = layers.last_mut().and_then(|last| last.parent.take()) {
        if layers.len() >= LONGEST {
            return Err(Error::Unsupported(format!(
                "this differencing disk has more than {LONGEST} parents, one below the other; merge some of them"
            )));
        }
        let candidates = finder.as_deref().unwrap_or(parents).open(&link.paths)?;
        let (layer, next) = choose(candidates, &link, &layers)?;
        layers.push(layer);
        finder = Some(next);
    }
    join(layers)
}

/// The candidate that is the parent.
fn choose(
    candidates: Vec<Parent>,
    link: &ParentLink,
    above: &[Layer],
) -> Result<(Layer, Arc<dyn Parents>), Error> {
    let mut refused = Vec::new();
    for candidate in candidates {
        let name = candidate.name;
        let layer = match Layer::open(candidate.bytes) {
            Ok(layer) => layer,
            Err(error) => {
                refused.push(format!("{name} cannot be read: {error}"));
                continue;
            }
        };
        match why_not(&layer, link) {
            Some(why) => refused.push(format!("{name} is not the parent: {why}")),
            None if above.iter().any(|each| each.id == layer.id && each.copy == layer.copy) => {
                return Err(Error::Damaged(format!(
                    "the parents of this differencing disk lead back to {name}, which is above itself"
                )));
            }
            None => return Ok((with_notes(layer, &name, candidate.modified, link), candidate.parents)),
        }
    }
    let id = link.ids.first().map(|&id| print_id(link.family, id)).unwrap_or_default();
    let paths = link.paths.join(", ");
    let seen = if refused.is_empty() { "no such file is there".to_owned() } else { refused.join("; ") };
    Err(Error::Unsupported(format!(
        "this is a differencing disk, and without its parent (id {id}; its locators are: {paths}) it cannot be \
         read: {seen}. Put the parent beside it, or name it with --parent"
    )))
}

fn why_not(layer: &Layer, link: &ParentLink) -> Option<String> {
    let family = match layer.kind {
        Kind::Raw => None,
        Kind::VhdFixed | Kind::VhdDynamic | Kind::VhdDifferencing => Some(Family::Vhd),
        Kind::VhdxFixed | Kind::VhdxDynamic | Kind::VhdxDifferencing => Some(Family::Vhdx),
    };
    if family != Some(link.family) {
        return Some(format!("it is a {}", layer.kind));
    }
    let id = layer.id.unwrap_or_default();
    (!link.ids.contains(&id)).then(|| {
        let id = print_id(link.family, id);
        format!("its id is {id}; it is another disk, or it was changed after the differencing disk was made")
    })
}

/// Adds what a person should know of a parent. Its time is only a note: whoever copies a file
/// without its times changes it.
fn with_notes(mut layer: Layer, name: &str, modified: Option<Timestamp>, link: &ParentLink) -> Layer {
    let created = layer.created.map(|time| time.seconds);
    if let (Some(expected), Some(modified)) = (link.modified, modified)
        // File systems round times to two seconds.
        && modified.seconds.abs_diff(expected) > 2
        && created != Some(expected)
    {
        layer.notes.push(
            "The differencing disk names another time of the last change of its parent than the file has. If the \
             parent was not only copied but changed since, its sectors are not those that the child was made from."
                .to_owned(),
        );
    }
    for text in layer.notes.iter_mut().chain(&mut layer.damage).chain(&mut layer.unfinished) {
        *text = format!("Parent {name}: {text}");
    }
    layer
}

fn print_id(family: Family, id: [u8; 16]) -> String {
    match family {
        Family::Vhdx => Guid(id).to_string(),
        Family::Vhd => format!("{:032x}", u128::from_be_bytes(id)),
    }
}

/// Puts each layer on top of the one below it.
fn join(layers: Vec<Layer>) -> Result<Disk, Error> {
    let mut notes = Vec::new();
    let mut damage = Vec::new();
    let mut unfinished = Vec::new();
    for layer in &layers {
        notes.extend_from_slice(&layer.notes);
        damage.extend_from_slice(&layer.damage);
        unfinished.extend_from_slice(&layer.unfinished);
    }
    let sector_size = layers.first().and_then(|layer| layer.sector_size);
    // MS-VHDX 2.6.2.4: the sectors of parent and child have the same size.
    if let Some(other) = layers.iter().map(|layer| layer.sector_size).find(|&size| size != sector_size) {
        let (child, parent) = (sector_size.unwrap_or_default(), other.unwrap_or_default());
        return Err(Error::Damaged(format!(
            "a differencing disk has sectors of {child} bytes, and one of its parents has sectors of {parent} bytes"
        )));
    }
    let mut below: Option<Arc<dyn ReadAt>> = None;
    let mut top = None;
    for layer in layers.into_iter().rev() {
        let bytes: Arc<dyn ReadAt> = match layer.content {
            Content::Flat(bytes) => bytes,
            Content::Vhd(blocks) => Arc::new(blocks.above(below.take())),
            Content::Vhdx(blocks) => Arc::new(blocks.above(below.take())),
        };
        below = Some(Arc::clone(&bytes));
        top = Some((bytes, layer.kind, layer.id, layer.created));
    }
    let Some((bytes, kind, id, created)) = top else {
        return Err(Error::Damaged("there is no image".to_owned()));
    };
    Ok(Disk { bytes, sector_size, kind, notes, damage, unfinished, id, created })
}
