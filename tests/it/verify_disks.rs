//! What a run says about the disks that it read from, and what it must not claim.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pack::{self, Member};
use crate::world::{RunResult, Verified, World};

/// A folder on a file system in memory, if there is one.
fn in_memory() -> Option<tempfile::TempDir> {
    let shared = Path::new("/dev/shm");
    rustix::fs::statfs(shared)
        .is_ok_and(|found| found.f_type == 0x0102_1994)
        .then(|| tempfile::tempdir_in(shared).unwrap())
}

fn members() -> Vec<Member> {
    vec![Member::new("large", pack::noise(2 << 20, 5)), Member::new("small", "small")]
}

/// Whether this kernel reports which pages are cached (since Linux 6.5).
fn kernel_tells() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(5))
}

#[test]
fn a_backup_in_memory_is_not_reported_as_read_from_disk() {
    let Some(memory) = in_memory().filter(|_| kernel_tells()) else { return };
    for format in ["folder", "tar", "zip"] {
        let world = World::new().originals(&members());
        let place: PathBuf = memory.path().join(format);
        pack::write(format, &place, &members());
        let ran = format!("--backup {} --source s --cache drop --sample all", place.display());
        let report = world.run(&format!("{ran} --restore-to r --json report.json")).exits(0);
        let summary = report.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(summary.contains("of the backup were in memory and not read from the disk"), "{report}");
        let read: serde_json::Value = serde_json::from_str(&world.read("report.json")).unwrap();
        let cached = &read["effort"]["cached_bytes"];
        assert!(cached.is_null() || cached.as_u64() >= Some(2 << 20), "{format}: {cached}");
    }
}

#[test]
fn cached_reads_are_not_measured_with_cache_use() {
    let world = World::new().originals(&members()).backup("folder", &members());
    let report = world.verify("--cache use --sample all").exits(0);
    assert!(report.at("/effort/cached_bytes").is_null());
}

#[test]
fn bytes_that_another_program_has_mapped_are_reported_as_cached() {
    if !kernel_tells() {
        return;
    }
    let world = World::new().originals(&members()).backup("folder", &members());
    let file = std::fs::File::open(world.path("s/large")).unwrap();
    // SAFETY: nobody changes the file while it is mapped.
    let map = unsafe { memmap2::Mmap::map(&file).unwrap() };
    let sum = map.iter().fold(0, |sum: u8, &byte| sum.wrapping_add(byte));
    std::hint::black_box(sum);
    let report = world.verify("--cache drop --sample all").exits(0);
    if !report.at("/effort/cached_bytes").is_null() {
        assert!(report.number("/effort/cached_bytes") >= 2 << 20);
        report.says("of the originals were in memory");
    }
}

/// Verifies `b`, an overlay over the folder of originals `s` with one file of its own. `None` if no
/// overlay can be mounted.
fn over_the_originals(world: &World, swapped: bool) -> Option<RunResult> {
    let (backup, source) = if swapped { ("s", "b") } else { ("b", "s") };
    let script = format!(
        "mount -t overlay overlay -o lowerdir=s,upperdir=u,workdir=w b || exit 99; \
         cp s/own own && cat own >b/own && touch -r s/own b/own && sync; \
         \"$PROGRAM\" --backup {backup} --source {source} --restore-to r --cache use --sample all --json report.json"
    );
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).current_dir(world.path(""));
    command.env("HOME", world.path("home")).env("XDG_CONFIG_HOME", world.path("home"));
    command.env("PROGRAM", env!("CARGO_BIN_EXE_bkverify")).env("BKVERIFY_STATE_DIR", "none");
    Some(RunResult::of(command, "")).filter(|ran| ran.code == Some(0) || ran.code == Some(1))
}

#[test]
fn an_overlay_over_the_originals_is_not_a_second_copy_except_for_files_written_to_it() {
    for swapped in [false, true] {
        let mut world = World::new();
        for name in ["large", "deep/er/small", "own"] {
            world = world.file(&format!("s/{name}"), pack::noise(70_000, 9));
        }
        for name in ["b", "u", "w", "r"] {
            world = world.folder(name);
        }
        Command::new("sync").status().unwrap();
        let Some(ran) = over_the_originals(&world, swapped) else {
            eprintln!("not run: this machine mounts no overlays");
            return;
        };
        let found = Verified::new(ran.exits(1), &world.read("report.json"));
        found
            .finds(&[("deep/er/small", "restore-failed"), ("large", "restore-failed")])
            .says("no second copy");
    }
}

#[test]
fn copies_on_the_same_disk_as_their_originals_pass_without_a_note() {
    let world = World::new().originals(&members()).backup("folder", &members());
    let ran = world.verify("--sample all").exits(0).ran;
    assert!(!ran.out.contains("share"), "{ran}");
}
