//! Failures that are right although the format's own program restores everything without a
//! complaint: what the program overlooks, why that is damage, and who confirms it.
//!
//! In: what bkverify said, and the damaged backup. Out: whether that justifies the failure. Without
//! both the message in this table and the confirmation, the failure is a false alarm.

use std::path::Path;
use std::process::{Command, Stdio};

use super::formats::{Maker, Program, Shape, is_here};
use super::judge::judge;
use super::layout::{self, Fault};
use super::tree::Originals;

/// A damaged backup, and a folder to restore it to again.
pub struct Evidence<'a> {
    /// How it was made.
    pub maker: &'a Maker,
    /// The backup.
    pub backup: &'a Path,
    /// A folder that may be overwritten.
    pub out: &'a Path,
    /// The originals.
    pub originals: &'a Originals,
}

/// Who confirms damage that the judge overlooks.
enum Witness {
    /// Another program that reads the format: it loses something, or complains.
    Program,
    /// A strict reading of the archive finds one of these.
    Structure(&'static [Fault]),
}

/// A failure that can be justified.
struct Argued {
    shapes: &'static [Shape],
    /// What bkverify says in this case.
    says: &'static str,
    witness: Witness,
}

const TARS: &[Shape] = &[Shape::Tar, Shape::Stream];

const ARGUED: [Argued; 20] = [
    // tar stops at the first end marker. What follows was somebody's backup, which `tar -x` does
    // not restore.
    argued(TARS, "is followed by", Witness::Structure(&[Fault::Behind])),
    argued(TARS, "two archives were joined", Witness::Structure(&[Fault::Behind])),
    argued(TARS, "header at byte", Witness::Structure(&[Fault::Behind])),
    // zstd also reads what other programs have compressed, so it accepts a second archive of
    // another kind.
    argued(&[Shape::Stream], "compressed stream", Witness::Structure(&[Fault::Behind])),
    // tar may end before its decompressor does. Then it does not see the decompressor's error.
    argued(&[Shape::Stream], "compressed stream", Witness::Program),
    // Zeroed members look like padding, but ordinary padding is shorter.
    argued(TARS, "zeros", Witness::Structure(&[Fault::LongTail, Fault::Behind])),
    // An archive that was cut off between two members looks the same, and tar accepts that.
    argued(TARS, "cut off at byte", Witness::Structure(&[Fault::NoEnd])),
    // tar reads a number or a name up to the first byte that cannot belong to it.
    argued(TARS, "extended header", Witness::Structure(&[Fault::Record])),
    // If a block occurs twice, a long name can come before a member with another name.
    argued(TARS, "extension header", Witness::Structure(&[Fault::Record])),
    argued(TARS, "long name", Witness::Structure(&[Fault::Record])),
    // bsdtar reads on after a damaged end marker and over unknown keys. GNU tar does not.
    argued(&[Shape::Tar], "extended header", Witness::Program),
    argued(&[Shape::Tar], "header at byte", Witness::Program),
    // GNU tar accepts a number that begins with a zero byte. bsdtar and Python's tarfile end the
    // list of pieces there.
    argued(&[Shape::Tar], "sparse file", Witness::Program),
    // bsdtar does not need the directory and trusts local headers. unzip begins with the directory
    // and overlooks many errors in local headers.
    argued(&[Shape::Zip], "director", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "missing from the backup", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "header", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "its name", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "its end", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "the end of the archive", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "end record", Witness::Structure(&[Fault::Directory])),
];

const fn argued(shapes: &'static [Shape], says: &'static str, witness: Witness) -> Argued {
    Argued { shapes, says, witness }
}

/// Whether what was `said` names damage in this table, and a witness confirms it.
pub fn is_argued(said: &str, evidence: &Evidence<'_>) -> bool {
    let those = ARGUED
        .iter()
        .filter(|argued| argued.shapes.contains(&evidence.maker.shape) && said.contains(argued.says));
    those.into_iter().any(|argued| match argued.witness {
        Witness::Program => !evidence.second_program_is_content(),
        Witness::Structure(faults) => evidence.structure().iter().any(|found| faults.contains(found)),
    })
}

impl Evidence<'_> {
    /// Whether any witness finds damage.
    pub fn is_damaged(&self) -> bool {
        self.maker.shape != Shape::Folder
            && (!self.structure().is_empty() || !self.second_program_is_content())
    }

    /// The faults that a strict reading finds.
    fn structure(&self) -> Vec<Fault> {
        let bytes = || std::fs::read(self.backup).unwrap();
        match (self.maker.shape, self.maker.judge) {
            (Shape::Zip, _) => layout::zip(&bytes()).faults,
            (Shape::Stream, Program::Tar(flag)) => {
                let mut command = Command::new(decompressor(flag));
                let output = command.arg("-dc").arg(self.backup).stdin(Stdio::null()).output().unwrap();
                layout::tar(&output.stdout).faults
            }
            _ => layout::tar(&bytes()).faults,
        }
    }

    /// Whether another program restores everything without a complaint. `false` if it is not
    /// installed, so that the damage then counts as confirmed.
    fn second_program_is_content(&self) -> bool {
        let second = match (self.maker.shape, self.maker.judge) {
            (Shape::Stream, Program::Tar(flag)) => {
                let mut command = Command::new(decompressor(flag));
                return command.args(["-tq"]).arg(self.backup).output().unwrap().status.success();
            }
            (Shape::Zip, Program::BsdTar) => Program::Unzip,
            (_, Program::BsdTar) => Program::Tar(""),
            _ => Program::BsdTar,
        };
        is_here("bsdtar") && judge(second, self.backup, self.out, self.originals).is_content()
    }
}

/// The program behind a flag of tar.
fn decompressor(flag: &str) -> &'static str {
    match flag {
        "-z" => "gzip",
        "-j" => "bzip2",
        "-J" => "xz",
        _ => "zstd",
    }
}
