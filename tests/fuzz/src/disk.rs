//! Opens virtual disks and reads from them.

use std::sync::Arc;

use bkverify::bytes::ReadAt;
use bkverify::image::Error;
use bkverify::image::container::{Parent, Parents, open};

use crate::Sparse;

/// From the start of a disk, this much is read.
const START: u64 = 256 << 10;

const PIECE: usize = 8 << 10;

/// Everything that is asked for is the image itself: the worst of all parents.
#[derive(Debug, Clone)]
struct Itself(Arc<Sparse>);

impl Parents for Itself {
    fn open(&self, _: &[String]) -> Result<Vec<Parent>, Error> {
        let parents = Arc::new(self.clone());
        Ok(vec![Parent { name: "itself".to_owned(), bytes: self.0.clone(), modified: None, parents }])
    }
}

/// Opens the disk in a file, and reads its start, its end, and places between them.
pub fn read_disk(file: Sparse) {
    let file = Arc::new(file);
    let Ok(disk) = open(file.clone(), &Itself(file)) else { return };
    let size = disk.bytes.len();
    let mut buffer = vec![0; PIECE];
    let start = (0..START.min(size)).step_by(PIECE);
    let places = (1..32).map(|part| size / 32 * part);
    for at in start.chain(places).chain([size.saturating_sub(1000), size, u64::MAX]) {
        let wanted = usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX).min(PIECE);
        if let Ok(got) = disk.bytes.read_full_at(&mut buffer, at) {
            assert_eq!(got, wanted, "a read at byte {at} of {size} ends early, and without an error");
        }
    }
}
