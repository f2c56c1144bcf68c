//! Reports: what a run says on the terminal, word for word, and what it writes for programs.

use std::fs;

use sha2::{Digest, Sha256};

use crate::http_server::{Answer, HttpServer};
use crate::notify_webhook::job;
use crate::pack::{self, MTIME, Member, many_small_files, tree};
use crate::world::{Verified, World};

const FLAGS: &str = "--backup b --source s --restore-to r --cache use";

/// The tree with two bad files.
fn bad_tree() -> Vec<Member> {
    let mut members = tree();
    members[0].content[7001] ^= 8;
    members[4].content.truncate(1000);
    members
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A summary without what differs from run to run: the path of the world, times and speeds. Each
/// fact is on one line here, because the length of the path decides where lines are wrapped.
fn normalised(world: &World, summary: &str) -> String {
    let place = world.path("").display().to_string().replace('\\', "/");
    let (head, facts) = summary.split_once("\nbackup ").unwrap();
    let facts = format!("backup {facts}").replace("\n           ", " ");
    let facts = facts.lines().map(|line| {
        let line = line.replace(place.trim_end_matches('/'), "WORLD");
        match line.split_once(' ') {
            Some(("speed", _)) => "speed      RATES AND TIMES\n".to_owned(),
            Some(("backup", _)) => line.split(", taken ").next().unwrap().to_owned() + ", taken TIME\n",
            _ => line + "\n",
        }
    });
    let head = head.replace('\\', "/").replace(place.trim_end_matches('/'), "WORLD");
    format!("{head}\n{}", facts.collect::<String>())
}

/// Compares text with `tests/it/golden/NAME`. With `BKVERIFY_BLESS=1` it writes that file instead.
#[track_caller]
pub fn assert_golden(name: &str, text: &str) {
    let place = format!("{}/tests/it/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BKVERIFY_BLESS").is_some() {
        fs::write(&place, text).unwrap();
    }
    let golden = fs::read_to_string(&place).unwrap().replace("\r\n", "\n");
    assert_eq!(text, golden, "differs from {place}; if it should, run the test with BKVERIFY_BLESS=1");
}

#[test]
fn the_summary_of_a_pass() {
    let members = many_small_files(1000);
    let world = World::new().originals(&members).backup("tar.gz", &members);
    let ran = world.run(&format!("{FLAGS} --sample 500 --seed spring")).exits(0).err_is("");
    assert_golden("pass.txt", &normalised(&world, &ran.out));
}

#[test]
fn the_summary_of_a_failure() {
    let mut originals = tree();
    originals[1] = Member { mtime: MTIME + 60, ..Member::new("docs/letter.txt", "Dear all,\n") };
    originals.insert(0, Member::new("never-backed-up", "lost"));
    let world = World::new().originals(&originals).backup("zip", &bad_tree());
    let flags = format!("{FLAGS} --sample all --seed spring --completeness 20 --exclude small/0.txt");
    let ran = world.run(&flags).exits(1).err_is("");
    assert_golden("fail.txt", &normalised(&world, &ran.out));
}

#[test]
fn quiet_prints_nothing_for_a_pass_and_all_of_a_failure() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    world.run(&format!("{FLAGS} --sample all --quiet")).exits(0).out_is("").err_is("");
    let world = World::new().originals(&tree()).backup("tar", &bad_tree());
    world.run(&format!("{FLAGS} --sample all --quiet")).exits(1).out_has("FAIL").out_has("docs/report.bin");
}

#[test]
fn json_on_standard_output_is_only_json() {
    for (backup, code, word) in [(tree(), 0, "PASS"), (bad_tree(), 1, "FAIL")] {
        let world = World::new().originals(&tree()).backup("zip", &backup);
        let ran = world.run(&format!("{FLAGS} --sample all --json -")).exits(code).err_has(word);
        let report = ran.out.clone();
        Verified::new(ran, &report);
    }
}

#[test]
fn a_junit_report_names_every_bad_file() {
    let world = World::new().originals(&tree()).backup("zip", &bad_tree());
    world.verify("--sample all --junit report.xml").exits(1);
    let report = world.read("report.xml");
    assert!(report.starts_with("<?xml"), "{report}");
    for name in ["docs/report.bin", "twins/castor"] {
        assert!(report.contains(name), "{report}");
    }
    assert_eq!(report.matches("<failure").count(), 2 + 1, "two files, and the run as a whole: {report}");
}

#[test]
fn a_report_replaces_an_old_one_and_leaves_no_temporary_file() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    let world = world.file("reports/a.json", "old ".repeat(100_000)).file("reports/a.xml", "old");
    world.run(&format!("{FLAGS} --sample all --json reports/a.json --junit reports/a.xml")).exits(0);
    let json: serde_json::Value = serde_json::from_str(&world.read("reports/a.json")).unwrap();
    assert_eq!(json["schema"], "bkverify-report/2");
    assert!(world.read("reports/a.xml").starts_with("<?xml"));
    assert_eq!(world.names("reports"), ["a.json", "a.xml"]);
}

#[test]
fn a_report_without_a_folder_is_refused_before_anything_is_verified() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    let ran = world.run(&format!("{FLAGS} --sample all --json missing/folder/report.json --junit j.xml"));
    let ran = ran.exits(2).out_is("").err_has("the report ").err_has("there is no folder");
    assert_eq!(ran.err.matches("error: ").count(), 1, "{ran}");
    // The report that can be written says so, too.
    assert!(world.read("j.xml").contains("there is no folder"));
    assert!(!world.path("missing").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_an_error_after_the_summary() {
    let world = World::new().originals(&tree()).backup("tar", &tree());
    let ran = world.run(&format!("{FLAGS} --sample all --json /dev/full"));
    ran.exits(4)
        .out_has("PASS")
        .err_has("cannot write the JSON report")
        .err_has("the verification itself is done");
}

#[cfg(target_os = "linux")]
#[test]
fn who_is_told_of_a_pass_whose_report_is_lost_hears_of_the_error_and_a_failure_stays_one() {
    for (fails, flags, code) in [(false, "--json /dev/full", 4), (true, "--json /dev/full", 1)] {
        let server = HttpServer::start(&[Answer::status("200 OK")]);
        let notify = format!(
            "after = 'echo $BKVERIFY_EXIT_CODE >after.txt'\n[jobs.nightly.notify]\nwhen = 'always'\n\
             [[jobs.nightly.notify.webhook]]\nform = 'healthchecks'\nurl = '{}'\n",
            server.url("/hook")
        );
        let world = job(fails, &notify);
        let ran = world.run(&format!("--job nightly --state state --metrics m.prom {flags}")).exits(code);
        ran.err_has("cannot write the JSON report");
        assert_eq!(world.read("after.txt"), format!("{code}\n"));
        assert_eq!(server.requests().last().unwrap().line, "POST /hook/fail HTTP/1.1");
        let history = world.run("history --state state --json -").exits(0).out;
        let history: serde_json::Value = serde_json::from_str(&history).unwrap();
        assert_eq!(history["runs"][0]["exit_code"], code, "{history}");
        let metrics = world.read("m.prom");
        assert!(
            metrics
                .lines()
                .any(|line| line.starts_with("bkverify_last_run_exit_code")
                    && line.ends_with(&format!(" {code}"))),
            "{metrics}"
        );
    }
}

#[test]
fn hashes_equal_those_of_other_programs() {
    let world = World::new().originals(&tree()).backup("tar", &bad_tree());
    let (good, bad) = (&tree()[0].content, &bad_tree()[0].content);
    let verified = world.verify("--sample all --hash sha256").exits(1);
    assert_eq!(verified.at("/findings/0/original_hash"), hex(&Sha256::digest(good)).as_str());
    assert_eq!(verified.at("/findings/0/restored_hash"), hex(&Sha256::digest(bad)).as_str());
    let verified = world.verify("--sample all").exits(1);
    assert_eq!(verified.at("/findings/0/original_hash"), blake3::hash(good).to_hex().as_str());
    assert_eq!(verified.at("/findings/0/restored_hash"), blake3::hash(bad).to_hex().as_str());
}

#[test]
fn large_files_are_hashed_to_their_last_byte() {
    let large = Member::new("large", pack::noise(9_000_000, 4));
    let mut bad = large.clone();
    *bad.content.last_mut().unwrap() ^= 1;
    for hash in ["blake3", "sha256"] {
        let world = World::new().originals(std::slice::from_ref(&large));
        let world = world.backup("folder", std::slice::from_ref(&large));
        world.verify(&format!("--sample all --hash {hash} --threads 4")).exits(0);
        fs::write(world.path("b/large"), &bad.content).unwrap();
        pack::set_mtime(&world.path("b/large"), MTIME);
        let verified = world.verify(&format!("--sample all --hash {hash} --threads 4")).exits(1);
        assert_eq!(verified.at("/findings/0/difference/first_offset"), 8_999_999);
    }
}

/// Every file below the folder of kept copies, with its content.
fn kept(world: &World) -> Vec<(String, Vec<u8>)> {
    let folder = world.path("r").join(&world.names("r")[0]);
    let entries = walkdir::WalkDir::new(&folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let name = |entry: walkdir::DirEntry| {
        let name = entry.path().strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
        (name, fs::read(entry.path()).unwrap())
    };
    files.map(name).collect()
}

#[test]
fn kept_copies_have_their_names_and_the_bytes_of_the_backup() {
    for format in pack::FORMATS {
        let bad = bad_tree();
        let world = World::new().originals(&tree()).backup(format, &bad);
        let verified = world.verify("--sample all --keep failures").exits(1);
        let verified = verified.says("2 restored copies kept in ").says("bkverify-kept-");
        let expected: Vec<_> = [&bad[0], &bad[4]]
            .map(|one| (String::from_utf8(one.name.clone()).unwrap(), one.content.clone()))
            .into();
        assert_eq!(kept(&world), expected, "{format}");
        let place = verified.at("/findings/0/kept").as_str().unwrap();
        assert!(place.replace("\\x5c", "/").ends_with("/docs/report.bin"), "{place}");
        fs::remove_dir_all(world.path("r")).unwrap();
        world.verify("--sample all --keep all").exits(1);
        assert_eq!(kept(&world).len(), 12);
    }
}

#[test]
fn a_later_run_does_not_touch_kept_copies() {
    let world = World::new().originals(&tree()).backup("folder", &tree());
    world.verify("--sample 3 --keep all").exits(0);
    let before = kept(&world);
    world.run(&format!("{FLAGS} --sample all")).exits(0);
    assert_eq!(kept(&world), before);
}
