//! The command line through the program itself: what it refuses and how, and what it prints without
//! verifying.

use std::process::Stdio;

use crate::world::{Ran, World, shown};

#[test]
fn without_anything_it_says_what_is_missing_and_how_to_say_it() {
    World::new()
        .run("--sample 500")
        .exits(2)
        .out_is("")
        .err_has("bkverify: error: not said: the backup (--backup PATH), where the originals are (--source DIR or --map FROM=TO) and where to restore to (--restore-to DIR)\n")
        .err_has("  hint: bkverify --backup ")
        .err_has("        or write it down once: bkverify init\n");
}

#[test]
fn the_line_to_copy_is_a_line_that_works() {
    let world = World::new();
    let err = world.run("--backup b").exits(2).err;
    let line = err.lines().find_map(|line| line.trim().strip_prefix("hint: bkverify ")).unwrap().to_owned();
    world.run(&format!("plan {line}")).exits(0).out_has(&shown(&world.path("b")).replace('\\', "/"));
}

#[test]
fn a_sample_of_nothing_is_a_usage_error() {
    for nothing in ["0", "0%"] {
        World::new()
            .run(&format!("--sample {nothing}"))
            .exits(2)
            .err_has("'--sample <N|P%|all>': a sample of nothing proves nothing");
    }
}

#[test]
fn contradicting_flags_are_usage_errors() {
    let world = World::new();
    world.run("--sample 5 --tolerance 1%").exits(2).err_has("cannot be used with");
    world.run("--quiet --verbose").exits(2).err_has("cannot be used with");
    world.run("--sample 5 plan").exits(2).err_has("cannot be used with");
    world.run("plan --backup b --source s --restore-to r --json - --junit -").exits(2).err_is(
        "bkverify: error: --json and --junit name the same place\n  hint: give each report a file of its own\n",
    );
}

#[test]
fn help_and_version_are_no_errors() {
    let world = World::new();
    world.run("--help").exits(0).out_has("What to verify:").out_has("Exit codes:").err_is("");
    world.run("-h").exits(0).out_has("Examples:");
    world.run("--version").exits(0).out_is(&format!("bkverify {}\n", env!("CARGO_PKG_VERSION")));
    world.run("--no-such-flag").exits(2).out_is("").err_has("unexpected argument '--no-such-flag'");
}

#[test]
fn a_plan_is_printed_and_nothing_is_done() {
    let world = World::new();
    let at = |path: &str| shown(&world.path(path)).replace('\\', "/");
    let ran = world
        .run("plan --backup b --source s --restore-to r --seed x --threads 3 --sample 5% --time-limit 90m");
    ran.exits(0).err_is("").out_is(&format!(
        "config        none\nbackup        {}\nsource        {}\nrestore-to    {}\n\
         sample        5% of the files, at random\nseed          x\nconfidence    95%\nmax-undecided 20%\n\
         completeness  200 originals are looked up in the backup; one that is missing is a warning\n\
         hash          blake3\nthreads       3\n\
         cache         drop: cached pages are forgotten first, so that the disks are read\n\
         keep          none: every restored file is removed\nbackup-window 24h\ntime-limit    1h 30m\n",
        at("b"),
        at("s"),
        at("r"),
    ));
    assert_eq!(std::fs::read_dir(world.path("")).unwrap().count(), 0);
}

#[test]
fn every_run_without_a_seed_draws_by_another() {
    let world = World::new();
    let seed = || {
        let out = world.run("plan --backup b --source s --restore-to r").exits(0).out;
        out.lines().find_map(|line| line.strip_prefix("seed          ")).unwrap().to_owned()
    };
    let (first, second) = (seed(), seed());
    assert_eq!(first.len(), 16);
    assert_ne!(first, second);
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let world = World::new();
    let mut command = world.command("generate completions bash");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn manual_and_completions_are_generated() {
    let world = World::new();
    world.run("generate man").exits(0).out_has(".TH bkverify 1").out_has("restore\\-to");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        world.run(&format!("generate completions {shell}")).exits(0).out_has("restore-to");
    }
    world.run("generate man --to pages").exits(0).out_is("");
    assert!(world.read("pages/bkverify-plan.1").contains("restore\\-to"));
}

#[test]
fn init_writes_a_configuration_that_the_next_run_finds() {
    let world = World::new();
    world
        .run("init --backup b --source s --restore-to r --sample 5%")
        .exits(0)
        .out_has(&format!("wrote {}\n", shown(&world.path("bkverify.toml"))))
        .out_has("verify the backup:  bkverify\n");
    world
        .run("plan")
        .exits(0)
        .out_has("job           main\n")
        .out_has("sample        5% of the files, at random\n");
}

#[test]
fn init_overwrites_nothing_unless_forced() {
    let world = World::new().file("bkverify.toml", "sample = 5");
    let flags = "init --backup b --source s --restore-to r";
    world.run(flags).exits(2).err_is(&format!(
        "bkverify: error: {} already exists; not overwritten\n  \
         hint: write another file with --output FILE, or replace this one with --force\n",
        shown(&world.path("bkverify.toml"))
    ));
    assert_eq!(world.read("bkverify.toml"), "sample = 5");
    world.run(&format!("{flags} --force")).exits(0);
    assert!(world.read("bkverify.toml").contains("[jobs.main]"));
}

#[test]
fn init_does_not_ask_where_nobody_can_answer() {
    let world = World::new();
    let ran = Ran::of(world.command("init --backup b"), "/s\n/r\n");
    ran.exits(2)
        .err_has("there is no terminal to ask on")
        .err_has("hint: say it with flags: bkverify init --backup");
    assert!(!world.path("bkverify.toml").exists());
}
