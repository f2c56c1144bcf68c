//! The results of a campaign in figures, and the folder with the backups on which trials failed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::judge::clear;
use super::rule::Fault;
use super::trial::{CampaignBackups, Trial, TrialFolders, copy};

/// The most backups that are kept.
const KEPT: usize = 50;

/// How trials ended, for one format, for one kind of damage, or in all.
#[derive(Debug, Default)]
struct Row {
    trials: u64,
    exits: [u64; 5],
    losing: u64,
    complaining: u64,
    content: u64,
    false_passes: u64,
    false_alarms: u64,
    false_doubts: u64,
    others: u64,
}

/// The figures of a campaign.
pub struct Figures {
    seed: u64,
    begun: Instant,
    absent: Vec<&'static str>,
    rows: BTreeMap<(u8, &'static str), Row>,
    gave_up: u64,
    folder: PathBuf,
    kept: usize,
    /// A description of each trial in which the program was wrong.
    pub failed: BTreeMap<u64, String>,
}

impl Figures {
    /// The figures before the first trial.
    pub fn new(seed: u64, bench: &CampaignBackups) -> Self {
        // Remove what an earlier campaign kept, so that it is not taken for a result of this one.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("campaign");
        clear(&folder);
        Self {
            seed,
            begun: Instant::now(),
            absent: bench.absent.clone(),
            rows: BTreeMap::new(),
            gave_up: 0,
            folder,
            kept: 0,
            failed: BTreeMap::new(),
        }
    }

    /// Counts a trial, and keeps its backup if the program was wrong.
    pub fn note(&mut self, trial: &Trial, place: &TrialFolders) {
        let kinds: BTreeSet<_> = trial.damage.iter().map(|damage| (2, damage.kind)).collect();
        for key in [(0, "all"), (1, trial.format)].into_iter().chain(kinds) {
            self.rows.entry(key).or_default().note(trial);
        }
        self.gave_up += u64::from(trial.judged.hung);
        if trial.faults.is_empty() {
            return;
        }
        let mut told = trial.to_string();
        if self.kept < KEPT {
            self.kept += 1;
            fs::create_dir_all(&self.folder).unwrap();
            let kept = self.folder.join(format!("seed-{}-trial-{}", trial.seed, trial.number));
            copy(&place.backup(), &kept);
            told.push_str(&format!("  kept: {}\n", kept.display()));
        }
        self.failed.insert(trial.number, told);
    }
}

impl Row {
    fn note(&mut self, trial: &Trial) {
        let has = |fault| u64::from(trial.faults.contains(&fault));
        let judged = &trial.judged;
        self.trials += 1;
        if let Some(exits) =
            trial.seen.heard.code.and_then(|code| self.exits.get_mut(usize::try_from(code).ok()?))
        {
            *exits += 1;
        }
        match () {
            () if !judged.lost.is_empty() => self.losing += 1,
            () if !judged.complaints.is_empty() => self.complaining += 1,
            () => self.content += 1,
        }
        self.false_passes += has(Fault::FalsePass);
        self.false_alarms += has(Fault::FalseAlarm);
        self.false_doubts += has(Fault::FalseDoubt);
        let known = [Fault::FalsePass, Fault::FalseAlarm, Fault::FalseDoubt];
        self.others += u64::from(trial.faults.iter().any(|fault| !known.contains(fault)));
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for told in self.failed.values() {
            writeln!(f, "{told}")?;
        }
        writeln!(
            f,
            "{:<36} trials  exit 0     1     2     3     4 | judge: loses complains content | false: pass alarm doubt other",
            ""
        )?;
        for ((_, name), row) in &self.rows {
            let Row { trials, exits: [e0, e1, e2, e3, e4], losing, complaining, content, .. } = row;
            let Row { false_passes, false_alarms, false_doubts, others, .. } = row;
            writeln!(
                f,
                "{name:<36} {trials:>6} {e0:>7} {e1:>5} {e2:>5} {e3:>5} {e4:>5} | {losing:>12} {complaining:>9} {content:>7} | \
                 {false_passes:>11} {false_alarms:>5} {false_doubts:>5} {others:>5}"
            )?;
        }
        if self.gave_up > 0 {
            writeln!(f, "{} trials have no judge: its program had to be ended", self.gave_up)?;
        }
        if !self.absent.is_empty() {
            writeln!(f, "left out, for want of a program: {}", self.absent.join(", "))?;
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        write!(f, "seed {}, {seconds:.1} s; one trial again: BKVERIFY_CAMPAIGN_TRIAL=N", self.seed)
    }
}
