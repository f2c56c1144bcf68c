//! Makes inputs for the fuzzer of what real programs made.
//!
//! - `seed image OPTIONS < IMAGE > INPUT`: of a disk, a volume or a virtual disk. Of long runs of
//!   data, only the ends are kept: what a file contains says nothing about its format.
//! - `seed wof FOLDER < RECORDS`: one input for each chunk in the records of
//!   `fixtures/images/wof.c`.
//! - `seed lznt1 < UNIT > INPUT`: of a compressed unit.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use bkverify::image::ntfs::wof::{Format, Layout};
use bkverify_fuzz::Sparse;

fn main() -> io::Result<()> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["image", options] => io::stdout().write_all(&image(&input, options.parse().unwrap_or(0))),
        ["wof", folder] => wof(&input, Path::new(folder)),
        ["lznt1"] => io::stdout().write_all(&[&[0xff, 0xff], &input[..]].concat()),
        _ => Err(io::Error::other("see src/seed.rs for how to call this")),
    }
}

/// Sectors of zeros are left out, and so are those that are full of another byte: that is the empty
/// log of an NTFS volume.
fn image(bytes: &[u8], options: u8) -> Vec<u8> {
    let has_data = |number: u64| {
        let at = usize::try_from(number).ok().and_then(|number| number.checked_mul(512));
        let sector = at.and_then(|at| bytes.get(at..)).unwrap_or_default();
        sector.iter().take(512).any(|byte| *byte != sector[0])
    };
    let run = |number: u64, step: i64| {
        let next = |at: &u64| at.checked_add_signed(step);
        std::iter::successors(next(&number), next).take(7).take_while(|&at| has_data(at)).count()
    };
    Sparse::input(bytes, options, |number, _| has_data(number) && (run(number, -1) < 6 || run(number, 1) < 2))
}

fn wof(records: &[u8], folder: &Path) -> io::Result<()> {
    let mut rest = records;
    let mut made = 0;
    while let Some((numbers, bytes)) = rest.split_first_chunk::<12>() {
        let number =
            |at: usize| u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        let (kind, size) = (number(0), number(4));
        let (stored, bytes) = bytes[size as usize..].split_at(number(8) as usize);
        rest = bytes;
        let Some(format) = Format::from_number(kind) else { continue };
        let layout = Layout::new(format, size.into(), stored.len() as u64).map_err(io::Error::from)?;
        let table = layout.table_range(0, layout.chunks());
        let table = &stored[..usize::try_from(table.end).unwrap_or(0)];
        for chunk in layout.chunks_of(0, layout.chunks(), table).map_err(io::Error::from)? {
            let range = chunk.stored.start as usize..chunk.stored.end as usize;
            let mut input = vec![kind.to_le_bytes()[0]];
            input.extend(u16::try_from(chunk.size).unwrap_or(0).to_le_bytes());
            input.extend(&stored[range]);
            fs::write(folder.join(format!("chunk-{made}")), input)?;
            made += 1;
        }
        let mut input = vec![kind.to_le_bytes()[0] | 4];
        input.extend(u16::try_from(size).unwrap_or(u16::MAX).to_le_bytes());
        input.extend(u32::try_from(stored.len()).unwrap_or(0).to_le_bytes());
        input.extend(table);
        fs::write(folder.join(format!("table-{made}")), input)?;
    }
    Ok(())
}
