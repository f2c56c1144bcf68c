//! VHD: Microsoft's "Virtual Hard Disk Image Format Specification", version 1.0 of October 2006.
//!
//! A footer at the end says what the file is. A fixed disk stores all sectors before it. A dynamic
//! or differencing disk has a second header, an allocation table and blocks, each with a bitmap of
//! its sectors. All numbers are big-endian, all sectors have 512 bytes.
//!
//! The format has checksums for the footer and the header only. A damaged allocation table is found
//! where it places a block outside the file or on top of another one, and otherwise not.

mod blocks;
mod footer;
mod header;

use std::sync::Arc;

use crate::bytes::{ReadAt, Window};
use crate::image::Error;

use super::{Content, Kind, Layer};

pub(super) use blocks::Blocks;

/// Whether a file with these first and last bytes is a VHD, a damaged one included.
pub(super) fn recognises(first: &[u8], last: &[u8]) -> bool {
    [first, last, footer::old(last)].into_iter().any(footer::is_footer)
}

/// Opens a VHD by its first and last 512 bytes.
pub(super) fn open(file: Arc<dyn ReadAt>, first: &[u8], last: &[u8]) -> Result<Layer, Error> {
    let chosen = footer::choose(first, last, file.len())?;
    let footer = chosen.footer;
    let mut layer = Layer::raw(Arc::clone(&file));
    layer.sector_size = Some(512);
    layer.notes = chosen.notes;
    layer.unfinished = unfinished(&footer);
    layer.id = Some(footer.id);
    layer.copy = footer.id;
    layer.created = Some(footer.created);
    if footer.disk_type == footer::DiskType::Fixed {
        layer.kind = Kind::VhdFixed;
        layer.content = Content::Flat(fixed(file, &footer, chosen.before_footer, &mut layer.notes)?);
        return Ok(layer);
    }
    let header = header::read(&file, footer.header_at)?;
    let is_differencing = footer.disk_type == footer::DiskType::Differencing;
    layer.kind = if is_differencing { Kind::VhdDifferencing } else { Kind::VhdDynamic };
    layer.parent = is_differencing.then(|| header.parent(&file, &mut layer.notes));
    let (blocks, damage) = Blocks::new(file, &footer, &header, chosen.before_footer)?;
    layer.content = Content::Vhd(Box::new(blocks));
    layer.damage.extend(damage);
    Ok(layer)
}

fn unfinished(footer: &footer::Footer) -> Vec<String> {
    let mut signs = Vec::new();
    if footer.is_saved_state {
        signs.push(
            "The VHD belongs to a virtual machine in saved state: the machine has not finished its writes."
                .to_owned(),
        );
    }
    if footer.is_temporary {
        signs
            .push("The VHD is marked as temporary: it is deleted when its virtual machine stops.".to_owned());
    }
    signs
}

/// "Fixed Hard Disk Image": the sectors, then the footer.
fn fixed(
    file: Arc<dyn ReadAt>,
    footer: &footer::Footer,
    before_footer: u64,
    notes: &mut Vec<String>,
) -> Result<Arc<dyn ReadAt>, Error> {
    let size = footer.size;
    if size > before_footer {
        return Err(Error::Damaged(format!(
            "the VHD of fixed size is too short: its footer says {size} bytes, and only {before_footer} bytes are \
             before it; copy the file again or use another backup"
        )));
    }
    if size < before_footer {
        let more = before_footer - size;
        notes.push(format!(
            "The VHD has {more} bytes between the end of its disk and its footer. They are ignored."
        ));
    }
    Ok(Arc::new(Window::new(file, 0, size)))
}

#[cfg(test)]
mod tests;
