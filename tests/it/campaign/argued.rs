//! Failures that are right although the format's own program restores everything without a word:
//! what it overlooks, why that is damage, and who confirms it.
//!
//! In: what bkverify said, and the damaged backup. Out: whether that excuses the failure. Without
//! the message in this table *and* the confirmation, it is a false alarm.

use std::path::Path;
use std::process::{Command, Stdio};

use super::formats::{Maker, Program, Shape, is_here};
use super::judge::judge;
use super::layout::{self, Fault};
use super::tree::Originals;

/// A damaged backup, and room to restore it again.
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

/// Who confirms damage that the first judge overlooks.
enum Witness {
    /// Another program that reads the format: it loses something, or complains.
    Program,
    /// A strict reading of the archive finds one of these.
    Structure(&'static [Fault]),
}

/// An argued failure.
struct Argued {
    shapes: &'static [Shape],
    /// What the program says then.
    says: &'static str,
    witness: Witness,
}

const TARS: &[Shape] = &[Shape::Tar, Shape::Stream];

const ARGUED: [Argued; 19] = [
    // tar stops at the first end marker. What follows was somebody's backup, and is not restored by
    // `tar -x`.
    argued(TARS, "is followed by", Witness::Structure(&[Fault::Behind])),
    argued(TARS, "two archives were joined", Witness::Structure(&[Fault::Behind])),
    argued(TARS, "header at byte", Witness::Structure(&[Fault::Behind])),
    // zstd reads what other programs have compressed, too, and so does not mind a second archive of
    // another kind.
    argued(&[Shape::Stream], "compressed stream", Witness::Structure(&[Fault::Behind])),
    // tar may end before its decompressor does, and does not hear of its complaint then.
    argued(&[Shape::Stream], "compressed stream", Witness::Program),
    // Members that were zeroed look the same as padding; ordinary padding is shorter.
    argued(TARS, "zeros", Witness::Structure(&[Fault::LongTail, Fault::Behind])),
    // An archive that was cut off between two members looks the same; tar does not mind.
    argued(TARS, "cut off at byte", Witness::Structure(&[Fault::NoEnd])),
    // tar reads a number or a name up to the first byte that cannot belong to it.
    argued(TARS, "extended header", Witness::Structure(&[Fault::Record])),
    // A long name before a member of another name is what a block leaves that came twice.
    argued(TARS, "extension header", Witness::Structure(&[Fault::Record])),
    argued(TARS, "long name", Witness::Structure(&[Fault::Record])),
    // bsdtar reads on behind a damaged end marker and over unknown keys, and GNU tar does not.
    argued(&[Shape::Tar], "extended header", Witness::Program),
    argued(&[Shape::Tar], "header at byte", Witness::Program),
    // GNU tar takes a number that begins with a zero byte; bsdtar and Python's tarfile end the list
    // of pieces there.
    argued(&[Shape::Tar], "sparse file", Witness::Program),
    // bsdtar needs no directory and believes local headers. unzip begins with the directory, and
    // overlooks much of the others.
    argued(&[Shape::Zip], "director", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "missing from the backup", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "header", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "its name", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "its end", Witness::Structure(&[Fault::Directory])),
    argued(&[Shape::Zip], "the end of the archive", Witness::Structure(&[Fault::Directory])),
];

const fn argued(shapes: &'static [Shape], says: &'static str, witness: Witness) -> Argued {
    Argued { shapes, says, witness }
}

/// Whether what was `said` names damage of this table, and a witness confirms it.
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
    /// Whether any witness sees damage.
    pub fn is_damaged(&self) -> bool {
        self.maker.shape != Shape::Folder
            && (!self.structure().is_empty() || !self.second_program_is_content())
    }

    /// What a strict reading finds wrong.
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

    /// Whether another program restores everything without a complaint. One that is not here
    /// confirms everything.
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
