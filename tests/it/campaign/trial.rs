//! One trial: a backup is made and damaged, its own program restores it, and bkverify verifies it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::argued::Evidence;
use super::dice::Dice;
use super::folder;
use super::formats::{ArchivedTree, MAKERS, Shape};
use super::judge::{Judged, TimedRun, clear, judge};
use super::mutate::{Damage, mutate};
use super::rule::{Fault, ObservedRun, faults};
use super::tree::{Level, Originals};
use crate::unix::fingerprint;
use crate::world::World;

/// The percentage of trials that draw a sample.
const SAMPLED: usize = 20;

/// The number of lines of each kind that a trial prints.
const LINES: usize = 8;

/// What all trials share and none may change.
pub struct CampaignBackups {
    originals: [Originals; 5],
    /// A backup from each maker whose program is installed.
    pub made: Vec<ArchivedTree>,
    /// Makers whose program is not installed.
    pub absent: Vec<&'static str>,
}

/// The folders in which one thread works.
pub struct TrialFolders {
    world: World,
    memory: TempDir,
}

impl TrialFolders {
    /// Empty folders.
    pub fn new() -> Self {
        // What judges restore is read once and then removed, so it does not have to reach a disk.
        let memory = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        Self { world: World::new(), memory }
    }

    /// The damaged backup of the trial that ran last.
    pub fn backup(&self) -> PathBuf {
        self.world.path("b")
    }
}

/// The result of a trial.
pub struct Trial {
    /// The campaign's seed.
    pub seed: u64,
    /// The number of the trial.
    pub number: u64,
    /// The format.
    pub format: &'static str,
    /// What was done to the backup.
    pub damage: Vec<Damage>,
    /// The arguments of bkverify.
    arguments: String,
    /// What was seen of the run.
    pub seen: ObservedRun,
    /// What the judge restored.
    pub judged: Judged,
    /// What is wrong with the run.
    pub faults: Vec<Fault>,
}

impl CampaignBackups {
    /// Makes the originals and a backup of them in every format.
    pub fn new() -> Self {
        let originals = [Level::V7, Level::Ustar, Level::Long, Level::Full, Level::Live].map(Originals::new);
        let (mut made, mut absent) = (Vec::new(), Vec::new());
        for maker in &MAKERS {
            match maker.make(&originals[maker.level as usize]) {
                Some(one) => made.push(one),
                None => absent.push(maker.name),
            }
        }
        Self { originals, made, absent }
    }

    /// Asserts that the originals are unchanged since before the first trial.
    #[track_caller]
    pub fn assert_untouched(&self) {
        for originals in &self.originals {
            assert_eq!(fingerprint(&originals.root), originals.state, "originals were changed");
        }
    }

    /// A trial without damage.
    pub fn intact(&self, made: &ArchivedTree, place: &TrialFolders) -> Trial {
        put(made, made.bytes.clone(), place);
        self.judge((0, 0), made, Vec::new(), "--sample all".to_owned(), place)
    }

    /// Runs the trial with this number. `None` if the name of its format does not contain `format`,
    /// or its program is not installed.
    pub fn run(&self, seed: u64, number: u64, format: &str, place: &TrialFolders) -> Option<Trial> {
        let mut dice = Dice::of(seed, number);
        let name = dice.pick(&MAKERS).name;
        let made = self.made.iter().find(|made| made.maker.name == name && name.contains(format))?;
        let mut bytes = made.bytes.clone();
        let damage = match made.maker.shape {
            Shape::Folder => {
                put(made, bytes, place);
                folder::mutate(&place.backup(), self.originals_of(made), &mut dice)
            }
            _ => {
                let damage = mutate(&mut bytes, &made.parts, &mut dice);
                put(made, bytes, place);
                damage
            }
        };
        let sample = match dice.percent(SAMPLED) {
            true => format!("--sample {} --seed {number}", 3 + dice.below(25)),
            false => "--sample all".to_owned(),
        };
        let arguments = format!("{sample} --threads {}", 1 + dice.below(3));
        Some(self.judge((seed, number), made, damage, arguments, place))
    }

    fn originals_of(&self, made: &ArchivedTree) -> &Originals {
        &self.originals[made.maker.level as usize]
    }

    fn judge(
        &self,
        (seed, number): (u64, u64),
        made: &ArchivedTree,
        damage: Vec<Damage>,
        arguments: String,
        place: &TrialFolders,
    ) -> Trial {
        let originals = self.originals_of(made);
        let seen = verify(&arguments, originals, place);
        let (backup, out) = (&place.backup(), &place.memory.path().join("x"));
        let judged = judge(made.maker.judge, backup, out, originals);
        let faults = faults(&seen, &judged, &Evidence { maker: made.maker, backup, out, originals });
        Trial { seed, number, format: made.maker.name, damage, arguments, seen, judged, faults }
    }
}

/// Writes a backup to its path: these bytes, or a copy of the intact folder.
fn put(made: &ArchivedTree, bytes: Vec<u8>, place: &TrialFolders) {
    let backup = place.backup();
    clear(&backup);
    match &made.folder {
        Some(intact) => copy(intact, &backup),
        None => fs::write(backup, bytes).unwrap(),
    }
}

/// Copies a file or a folder with its times and links.
pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Lets bkverify verify the backup.
fn verify(arguments: &str, originals: &Originals, place: &TrialFolders) -> ObservedRun {
    let (world, report) = (&place.world, place.world.path("report.json"));
    let before = fingerprint(&place.backup());
    clear(&report);
    let fixed = "--backup b --restore-to r --cache use --completeness 200 --backup-window 1s --json report.json --verbose";
    let mut command = world.command(&format!("{fixed} {arguments} --source"));
    let heard = TimedRun::of(command.arg(&originals.root));
    let untouched = fingerprint(&place.backup()) == before && fingerprint(&originals.root) == originals.state;
    let restored = world.path("r");
    let left = if restored.exists() { world.names("r") } else { Vec::new() };
    clear(&restored);
    let all = arguments.contains("--sample all");
    ObservedRun { heard, report: fs::read_to_string(report).ok(), all, untouched, left }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, number, format, arguments, seen, judged, faults, .. } = self;
        writeln!(f, "{faults:?}: {format}, seed {seed}, trial {number}, {arguments}")?;
        for damage in &self.damage {
            writeln!(f, "  damage: {}", damage.told)?;
        }
        let lost = judged.lost.iter().take(LINES).map(|(path, what)| format!("{path} {what:?}"));
        writeln!(f, "  judge: {} lost: {}", judged.lost.len(), lost.collect::<Vec<_>>().join(", "))?;
        judged.complaints.iter().take(LINES).try_for_each(|line| writeln!(f, "  judge says: {line}"))?;
        if judged.is_odd {
            writeln!(f, "  judge: restored names, folders or links that are not those of the originals")?;
        }
        if judged.hung {
            writeln!(f, "  judge: had to be ended")?;
        }
        writeln!(
            f,
            "  bkverify: exit {:?}, untouched {}, left {:?}",
            seen.heard.code, seen.untouched, seen.left
        )?;
        let news = seen.heard.err.lines().filter(|line| !line.starts_with("verified "));
        let lines = seen.heard.out.lines().filter(|line| !line.trim().is_empty()).chain(news);
        lines.take(2 * LINES).try_for_each(|line| writeln!(f, "  bkverify says: {line}"))
    }
}
