//! The ledger beside a run: what is remembered, what is refused, and that nothing that is wrong
//! with a ledger changes a verification or is changed by one.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::pack::many_small_files;
use crate::world::{World, shown};

const FLAGS: &str = "--backup b --source s --restore-to r --cache use --sample all --state st";

/// A world with a backup of a few files.
fn world() -> World {
    let members = many_small_files(40);
    World::new().originals(&members).backup("folder", &members)
}

fn ledger(world: &World) -> Connection {
    Connection::open(world.path("st/ledger.sqlite")).unwrap()
}

fn number(world: &World, sql: &str) -> i64 {
    ledger(world).query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// A whole ledger of two runs, as bytes.
fn whole(world: &World) -> Vec<u8> {
    world.run(FLAGS).exits(0);
    world.run(FLAGS).exits(0);
    assert_eq!(world.names("st").iter().filter(|name| name.starts_with("ledger")).count(), 1);
    fs::read(world.path("st/ledger.sqlite")).unwrap()
}

#[test]
fn every_run_and_every_file_is_remembered() {
    let world = world().file("s/crowd/1/file-1", "edited since");
    world.run(&format!("{FLAGS} --seed x --assume-unchanged")).exits(1).err_is("");
    world.run(FLAGS).err_is("");
    assert_eq!(number(&world, "SELECT count(*) FROM runs WHERE exit = 1 AND bad = 1 AND judged = 40"), 1);
    assert_eq!(number(&world, "SELECT count(*) FROM runs"), 2);
    assert_eq!(number(&world, "SELECT count(*) FROM files WHERE run = 2"), 40);
    world.run("ledger check --state st").exits(0).out_has("is whole: 2 runs, 40 files");
}

#[test]
fn a_run_that_ends_in_an_error_is_remembered_with_its_error() {
    let world = world();
    world.run("--backup gone --source s --restore-to r --state st").exits(4);
    world.run("--backup b --source s --restore-to b/inside --state st").exits(2);
    assert_eq!(number(&world, "SELECT count(*) FROM runs WHERE ended IS NOT NULL AND exit = 4"), 1);
    assert_eq!(number(&world, "SELECT count(*) FROM runs WHERE ended IS NOT NULL AND exit = 2"), 1);
    world.run("ledger export runs --state st").exits(0).out_has(r#""exit":4"#).out_has(r#""exit":2"#);
}

#[test]
fn without_state_nothing_is_written_and_the_run_counts() {
    let world = world().folder("r");
    let before = world.names("");
    world.run("--backup b --source s --restore-to r --state none").exits(0).err_is("");
    assert_eq!(world.names(""), before);
    let mut command = world.command("--backup b --source s --restore-to r");
    command.env("BKVERIFY_STATE_DIR", "none");
    crate::world::RunResult::of(command, "").exits(0).err_is("");
    assert_eq!(world.names(""), before);
    world
        .run("plan --backup b --source s --restore-to r --state none")
        .exits(0)
        .out_has("none: nothing is remembered");
}

#[test]
fn the_state_folder_is_a_setting_and_relative_to_its_configuration() {
    let world = world().file(
        "etc/bkverify.toml",
        "state = \"mine\"\nbackup = \"../b\"\nsource = \"../s\"\nrestore-to = \"../r\"",
    );
    let mine = shown(&world.path("etc/mine")).replace('\\', "/");
    world.run("plan --config etc/bkverify.toml").exits(0).out_has(&mine);
    world.run("--config etc/bkverify.toml").exits(0).err_is("");
    assert!(world.path("etc/mine/ledger.sqlite").is_file());
}

#[test]
fn a_state_folder_in_the_backup_is_not_written() {
    let world = world();
    let before = world.names("b");
    let flags = "--backup b --source s --restore-to r --state b/state";
    world.run(flags).exits(0).err_has("lies in the backup, and nothing is ever written there");
    assert_eq!(world.names("b"), before);
}

/// Runs with this file as the ledger. Asserts that the run counts, that there is one warning that
/// says what, where and what next, and that the file stays as it is.
#[track_caller]
fn is_left_alone(world: &World, content: &[u8], what: &str, next: &str) {
    let place = world.path("st/ledger.sqlite");
    for beside in ["st/ledger.sqlite-wal", "st/ledger.sqlite-shm"] {
        let _ = fs::remove_file(world.path(beside));
    }
    fs::write(&place, content).unwrap();
    let ran =
        world.run(FLAGS).exits(0).err_has(what).err_has(next).err_has(&shown(&place).replace('\\', "/"));
    assert_eq!(ran.err.matches("warning:").count(), 1, "{ran}");
    assert_eq!(ran.err.lines().count(), 1, "{ran}");
    assert!(fs::read(&place).unwrap() == content, "{what}: the file was changed");
}

#[test]
fn a_file_that_is_no_ledger_is_left_alone() {
    let world = world().folder("st");
    for garbage in [b"garbage".as_slice(), &[0; 4096], &b"SQLite format 3\0".repeat(1000), b"S"] {
        is_left_alone(&world, garbage, "ledger", "with --state DIR");
    }
    is_left_alone(&world, &[7; 9000], "is not a ledger", "away, and the next run begins a new ledger");
    world.run("ledger check --state st").exits(4).err_has("is not a ledger");
    world.run("ledger prune --keep 1y --state st").exits(4).err_has("is not a ledger");
}

#[test]
fn a_ledger_that_is_cut_off_anywhere_is_left_alone() {
    let world = world();
    let whole = whole(&world);
    let page = 4096;
    assert!(whole.len() > 5 * page);
    for pages in 1..whole.len() / page {
        is_left_alone(&world, &whole[..pages * page], "is damaged", "bkverify ledger check");
    }
    for bytes in [1, 16, 99, 100, 511, 512, page - 1, page + 1] {
        is_left_alone(&world, &whole[..bytes], "ledger", "away");
    }
    is_left_alone(&world, &whole[..3 * page], "is damaged", "away");
    world.run("ledger check --state st").err_has("is damaged");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let world = world().folder("st");
    for made_by in ["PRAGMA application_id = 252006673", "PRAGMA user_version = 3", "SELECT 1"] {
        let other = world.path("other.sqlite");
        let _ = fs::remove_file(&other);
        let database = Connection::open(&other).unwrap();
        database.execute_batch(&format!("CREATE TABLE letters (text); {made_by}")).unwrap();
        drop(database);
        let content = fs::read(&other).unwrap();
        is_left_alone(
            &world,
            &content,
            "belongs to another program",
            "away, and the next run begins a new ledger",
        );
    }
}

#[test]
fn a_ledger_of_a_newer_version_is_left_alone() {
    let world = world();
    whole(&world);
    let newer = ledger(&world);
    newer.execute_batch("PRAGMA user_version = 3; PRAGMA journal_mode = DELETE").unwrap();
    drop(newer);
    let content = fs::read(world.path("st/ledger.sqlite")).unwrap();
    is_left_alone(&world, &content, "has form 3, of a newer bkverify", "update bkverify");
    world.run("ledger check --state st").exits(4).err_has("of a newer bkverify");
}

#[test]
fn every_older_ledger_that_was_ever_written_is_opened_and_goes_on() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stored = fs::read_dir(project.join("fixtures/ledger")).unwrap();
    let stored = stored
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "sqlite"));
    let mut opened = 0;
    for old in stored {
        let world = world().folder("st");
        fs::copy(&old, world.path("st/ledger.sqlite")).unwrap();
        let runs = number(&world, "SELECT count(*) FROM runs");
        let files = number(&world, "SELECT count(*) FROM files");
        assert!(runs > 0 && files > 0, "{}", old.display());
        world.run(FLAGS).exits(0).err_is("");
        assert_eq!(number(&world, "SELECT count(*) FROM runs"), runs + 1);
        assert_eq!(number(&world, "SELECT count(*) FROM files"), files + 40);
        assert_eq!(number(&world, "PRAGMA user_version"), i64::from(bkverify::ledger::schema::VERSION));
        world.run("ledger check --state st").exits(0);
        opened += 1;
    }
    assert_eq!(opened, bkverify::ledger::schema::VERSION, "one stored ledger for each version");
}

#[test]
fn a_lock_of_another_process_is_waited_out() {
    let world = world();
    whole(&world);
    let other = ledger(&world);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| world.run(&format!("{FLAGS} --json report.json")));
        // The report is written before the run is recorded. So a run that did not wait has failed to
        // record anything by then, and says so.
        while !world.path("report.json").exists() && !run.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        other.execute_batch("COMMIT").unwrap();
        run.join().unwrap().exits(0).err_is("");
    });
    assert_eq!(number(&world, "SELECT count(*) FROM runs WHERE exit = 0"), 3);
}

#[test]
fn a_plan_says_that_a_locked_ledger_is_not_known_and_calls_no_file_new() {
    let world = world();
    whole(&world);
    let other = ledger(&world);
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE runs SET bad = 0; COMMIT";
    other.execute_batch(lock).unwrap();
    let flags = "plan --backup b --source s --restore-to r --sample 10 --strategy coverage --state st";
    let plan = world.run(flags).exits(0).out_has("not known: the ledger ");
    let plan = plan.out_has("was locked by another process").out_has("40 files to choose from");
    assert!(!plan.out.contains("never judged"), "{plan}");
    drop(other);
    world.run(flags).exits(0).out_has("every file was judged before");
}

#[test]
fn a_state_folder_among_the_originals_is_told_once_and_by_plan() {
    let world = world();
    let flags = FLAGS.replace("--state st", "--state s/st");
    let told = "lies among the originals in ";
    world.run(&format!("plan {flags}")).exits(0).out_has(told);
    world.run(&flags).err_has(told);
    world.run(&flags).err_is("");
    let elsewhere = world.run(&format!("plan {FLAGS}")).exits(0);
    assert!(!elsewhere.out.contains(told), "{elsewhere}");
}

#[test]
fn old_runs_are_pruned_and_the_answer_says_what_went() {
    let world = world();
    whole(&world);
    world.run("ledger prune --keep 2y --state st").exits(0).out_is("nothing is older; kept 2 runs\n");
    ledger(&world)
        .execute_batch("UPDATE runs SET started = started - 1000 * 86400 * 800 WHERE id = 1")
        .unwrap();
    ledger(&world).execute_batch("UPDATE files SET run = 1 WHERE key > X'80'").unwrap();
    let old = number(&world, "SELECT count(*) FROM files WHERE run = 1");
    let said = world.run("ledger prune --keep 2y --state st").exits(0);
    let said = said.out_has(&format!(
        "removed 1 run and {old} files that no later run judged; kept 1 run; the ledger is "
    ));
    assert!(said.out.ends_with(" smaller\n"), "{said}");
    world.run("ledger check --state st").exits(0).out_has(&format!("1 run, {} files", 40 - old));
    world.run("ledger prune --keep soon --state st").exits(2).err_has("--keep");
    world.run("ledger prune --state st").exits(2).err_has("--keep");
    world.run("ledger prune --keep 2y --state nowhere").exits(4).err_has("does not exist");
    assert!(!world.path("nowhere").exists(), "asking makes nothing");
}

#[test]
fn the_export_has_every_row_in_both_forms() {
    let world = world();
    whole(&world);
    let lines = world.run("ledger export runs files picks --state st").exits(0).out;
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    assert_eq!([of("run").len(), of("file").len(), of("pick").len()], [2, 40, 80]);
    assert_eq!(of("run")[1]["files"], 40);
    assert!(
        of("file")
            .iter()
            .all(|file| file["run"] == 2 && file["verdict"] == "verified" && file["mtime"].is_string())
    );
    let csv = world.run("ledger export files --form csv --state st").exits(0).out;
    assert_eq!(csv.lines().count(), 41);
    assert!(csv.starts_with("path,key,backup,run,verdict,verified,size,mtime,algorithm,hash\n"), "{csv}");
    world.run("ledger export --form csv --state st").exits(2).err_has("several kinds");
    world.run("ledger export --output out.jsonl --state st").exits(0).out_is("");
    assert_eq!(world.read("out.jsonl").lines().count(), 42);
    world.run("ledger export --output out.jsonl --state st").exits(4).err_has("remove it first");
    world.run("ledger export --output st/ledger.sqlite --state st").exits(2).err_has("is part of the ledger");
    world.run("ledger export --state nowhere").exits(4).err_has("the first verification that ends makes it");
}

#[test]
fn a_run_that_ended_early_goes_on_with_the_rest_of_its_files() {
    let world = world();
    let first = world.verify("--sample all --state st --budget 200").exits(3);
    let seen = first.number("/counts/drawn");
    assert!((1..40).contains(&seen), "{seen}");
    let second = world.verify("--sample all --state st --resume --budget 200").exits(3);
    assert_eq!(second.number("/sample/judged_before"), seen);
    assert_eq!(second.at("/sample/seed"), first.at("/sample/seed"));
    let third = world.verify("--sample all --state st --resume").exits(0);
    assert_eq!((third.number("/sample/sessions"), third.number("/counts/verified")), (3, 40));
    assert_eq!(number(&world, "SELECT sum(length(picks)) / 25 FROM picks"), 40, "no file twice");
    assert_eq!(number(&world, "SELECT count(*) FROM runs WHERE session = 3 AND resumes = 2"), 1);
    let fourth = world.verify("--sample all --state st --resume").exits(0);
    assert_eq!(fourth.number("/sample/sessions"), 1, "what passed is not gone on with");
}

#[test]
fn only_the_same_draw_is_gone_on_with() {
    let world = world();
    world.verify("--sample 30 --state st --budget 100").exits(3);
    for other in ["--sample 29", "--sample 30 --exclude *-1"] {
        let copy = World::new();
        let to = copy.path("st");
        fs::create_dir(&to).unwrap();
        fs::copy(world.path("st/ledger.sqlite"), to.join("ledger.sqlite")).unwrap();
        let ran = world.verify(&format!("{other} --resume --state {}", shown(&to)));
        assert_eq!(ran.number("/sample/sessions"), 1, "{other}");
    }
    let ran = world.verify("--sample 30 --state st --resume").exits(0);
    assert_eq!((ran.number("/sample/sessions"), ran.number("/counts/verified")), (2, 30));
}

#[test]
fn a_ledger_among_the_originals_is_not_opened_as_one_and_the_run_is_recorded() {
    let world = world();
    let flags =
        "--backup b --source s --restore-to r --cache use --sample all --assume-unchanged --state s/st";
    world.run(&format!("{flags} --completeness 1000")).exits(0);
    fs::create_dir(world.path("b/st")).unwrap();
    let names = world.names("s/st");
    assert!(names.contains(&"ledger.sqlite".to_owned()) && names.len() >= 2, "{names:?}");
    for name in &names {
        fs::copy(world.path("s/st").join(name), world.path("b/st").join(name)).unwrap();
    }
    // Another name for the same file.
    #[cfg(unix)]
    {
        fs::write(world.path("b/link"), "x").unwrap();
        std::os::unix::fs::symlink("st/ledger.sqlite", world.path("s/link")).unwrap();
    }
    world.run(&format!("{flags} --json report.json")).exits(0).err_is("");
    let report: serde_json::Value = serde_json::from_str(&world.read("report.json")).unwrap();
    let found = report["findings"].as_array().unwrap();
    let reason = |path: &str| {
        found.iter().find(|finding| finding["path"] == path).map(|found| found["reason"].as_str().unwrap())
    };
    let expected = "it belongs to bkverify itself and is in use";
    for name in &names {
        assert_eq!(reason(&format!("st/{name}")), Some(expected), "{name}: {report}");
    }
    assert!(!cfg!(unix) || reason("link") == Some(expected), "{report}");
    world.run("ledger check --state s/st").exits(0).out_has("is whole: 2 runs");
}
