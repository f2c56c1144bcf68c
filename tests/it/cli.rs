//! The command line through the program itself: what it refuses and how, and what it prints without
//! verifying.

use std::process::Stdio;

use crate::pack::tree;
use crate::world::{RunResult, World, shown};

/// A world with a backup `b` of the originals `s`, one file, and nothing restored.
fn world() -> World {
    World::new().file("b/file", "content").file("s/file", "content")
}

#[test]
fn without_anything_it_says_what_is_missing_and_how_to_say_it() {
    World::new()
        .run("--sample 500")
        .exits(2)
        .out_is("")
        .err_has("bkverify: error: missing: the backup (--backup PATH), the originals (--source DIR or --map FROM=TO) and a folder to restore to (--restore-to DIR)\n")
        .err_has("  hint: bkverify --backup ")
        .err_has("        or write them down once: bkverify init\n");
}

#[test]
fn the_line_to_copy_is_a_line_that_works() {
    let world = world();
    let err = world.run("--backup b --source s").exits(2).err;
    let line = err.lines().find_map(|line| line.trim().strip_prefix("hint: bkverify ")).unwrap().to_owned();
    // Not every Windows has a drive of the example's name.
    let line = line.replace("E:\\verify", "r");
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
    world.run("--sample 5 plan").exits(2).err_has("cannot be used with").err_has("behind the command");
    world.run("plan --backup b --source s --restore-to r --json - --junit -").exits(2).err_is(
        "bkverify: error: --json and --junit name the same file\n  hint: give each report a file of its own\n",
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
    let world = world();
    let at = |path: &str| shown(&world.path(path)).replace('\\', "/");
    let ran = world
        .run("plan --backup b --source s --restore-to r --seed x --threads 3 --sample 5% --time-limit 90m");
    ran.exits(0).err_is("").out_is(&format!(
        "config        none\nbackup        {}\nsource        {}\nrestore-to    {}\n\
         sample        5% of the files, at random\n\
         strategy      random: every file has the same chance\nconfidence    95%\nmax-undecided 20%\nseed          x\n\
         completeness  200 originals are looked up in the backup; a missing one is only a warning\n\
         backup-window 24h\nhash          blake3\nthreads       3\n\
         cache         drop: cached pages are dropped first, so that the disks are read\n\
         keep          none: every restored file is removed\ntime-limit    1h 30m\n\
         state         {}\nfiles         1 file to choose from (folder)\n",
        at("b"),
        at("s"),
        at("r"),
        shown(world.state()).replace('\\', "/"),
    ));
    assert_eq!(world.names(""), ["b", "s"]);
}

#[test]
fn plan_and_init_refuse_what_a_run_refuses_with_its_exit_code_and_write_nothing() {
    let world = world().file("archive", "no backup").file("other/x", "").folder("empty");
    for (flags, code, problem) in [
        ("--backup gone --source s --restore-to r", 4, "cannot open the backup"),
        ("--backup b --source gone --restore-to r", 4, "cannot open the originals' folder"),
        ("--backup b --source s/file --restore-to r", 4, "cannot open the originals' folder"),
        ("--backup b --source s --restore-to s/r", 2, "is inside"),
        ("--backup b --source s --restore-to b", 2, "the restore folder"),
        // To Windows, a path through a file is one that does not exist.
        ("--backup b --source s --restore-to s/file/r", if cfg!(windows) { 2 } else { 4 }, "file"),
        ("--backup b --source s --restore-to archive", 4, "cannot use the restore folder"),
        ("--backup b --source b --restore-to r", 2, "the backup is the folder of the originals"),
    ] {
        for command in ["plan ", "init ", ""] {
            let ran = world.run(&format!("{command}{flags}"));
            assert!(ran.err.contains(problem), "{command}{flags}: {ran}");
            ran.exits(code);
        }
    }
    let reports = "--backup b --source s --restore-to r --json gone/r.json";
    for command in ["plan ", ""] {
        world.run(&format!("{command}{reports}")).exits(2).err_has("there is no folder");
    }
    for (flags, code, problem) in [
        ("--backup archive --source s --restore-to r", 4, "not in a backup format"),
        ("--backup empty --source s --restore-to r", 4, "holds no files"),
        ("--backup b --source other --restore-to r", 2, "no file of the backup has an original"),
        ("--backup b --source s --restore-to r --exclude *", 2, "is left to verify"),
    ] {
        for command in ["plan ", ""] {
            world.run(&format!("{command}{flags}")).exits(code).err_has(problem);
        }
    }
    assert_eq!(world.names("s"), ["file"]);
    assert!(!world.path("bkverify.toml").exists() && !world.path("gone").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn without_permission_the_hint_is_about_permission() {
    use std::os::unix::fs::PermissionsExt;
    let world = world().folder("locked").without_root_rights();
    std::fs::set_permissions(world.path("locked"), std::fs::Permissions::from_mode(0o555)).unwrap();
    for command in ["", "plan "] {
        let ran = world.run(&format!("{command}--backup b --source s --restore-to locked/r")).exits(4);
        ran.err_has("cannot use the restore folder").err_has("hint: check that you may write there");
        let report = format!("{command}--backup b --source s --restore-to r --json locked/r.json");
        world.run(&report).exits(2).err_has("the report ").err_has("cannot be written");
    }
}

#[test]
fn a_tilde_is_the_home_folder_where_the_shell_did_not_say_so() {
    let world = world().file("home/b/file", "content").file("home/s/file", "content");
    let home = |path: &str| shown(&world.path(&format!("home/{path}"))).replace('\\', "/");
    let ran = world.run("plan --backup=~/b --source ~/s --restore-to ~/r").exits(0);
    ran.out_has(&format!("backup        {}\n", home("b")))
        .out_has(&format!("source        {}\n", home("s")))
        .out_has(&format!("restore-to    {}\n", home("r")));
    let world = world.file("bkverify.toml", "backup = '~/b'\nsource = '~/s'\nrestore-to = '~/r'\n");
    world.run("--sample all --assume-unchanged").exits(0).out_has("PASS");
    world.run("bench --path=~/s --threads 1 --max-bytes 1MiB").exits(0);
}

#[test]
fn colour_can_be_chosen_before_and_behind_every_command() {
    let world = world();
    for command in
        ["plan --backup b --source s --restore-to r", "facts", "generate schema", "checklist --help"]
    {
        world.run(&format!("{command} --color never")).exits(0);
        world.run(&format!("--color never {command}")).exits(0);
    }
    let verify = "--backup b --source s --restore-to r --assume-unchanged --color";
    world.run(&format!("{verify} always")).exits(0).out_has("\u{1b}[");
    let plain = world.run(&format!("{verify} never")).exits(0);
    assert!(!plain.out.contains('\u{1b}'), "{plain}");
    world.run("facts --color sometimes").exits(2);
}

#[test]
fn a_second_v_shows_sizes_and_hashes_and_a_third_is_refused() {
    let world = world();
    let verify = "--backup b --source s --restore-to r --assume-unchanged";
    let hash = blake3::hash(b"content").to_hex();
    let once = world.run(&format!("{verify} -v")).exits(0);
    assert!(once.err.contains("verified         file\n"), "{once}");
    world.run(&format!("{verify} -vv")).exits(0).err_has(&format!("verified         file  7 B  {hash}\n"));
    world.run(&format!("{verify} -vvv")).exits(2).err_has("--verbose");
}

#[test]
fn what_other_programs_call_it_is_pointed_to_the_right_command() {
    let world = world();
    world.run("--backup b data/").exits(2).out_is("").err_has("--source data/");
    world.run("verify --backup b").exits(2).err_has("bkverify verifies without a command");
    world.run("--backup b --dry-run").exits(2).err_has("bkverify plan");
}

#[test]
fn every_run_without_a_seed_draws_by_another() {
    let world = world();
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
    let world = world();
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
    let world = world().file("bkverify.toml", "sample = 5");
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
    let ran = RunResult::of(world.command("init --backup b"), "/s\n/r\n");
    ran.exits(2).err_has("there is no terminal to ask on").err_has("hint: use flags: bkverify init --backup");
    assert!(!world.path("bkverify.toml").exists());
}

#[test]
fn a_password_in_an_address_is_shown_nowhere_though_no_format_knows_the_address() {
    let world = World::new().originals(&tree());
    let flags = "--backup sftp://user:hunter2@host/x --source s --restore-to r";
    for command in ["", "plan ", "init "] {
        let ran = world.run(&format!("{command}{flags}")).exits(4).err_has("sftp://user:***@host/x");
        assert!(!ran.to_string().contains("hunter2"), "{ran}");
    }
    let ran = world.run(&format!("{flags} --json j --junit x")).exits(4);
    let all = [ran.to_string(), world.read("j"), world.read("x")].concat();
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn init_replaces_neither_the_backup_nor_an_original_even_if_forced() {
    let world = world();
    let flags = "--force --backup b --source s --restore-to r";
    for output in ["b/bkverify.toml", "s/file"] {
        let before = world.names("b");
        world
            .run(&format!("init --output {output} {flags}"))
            .exits(2)
            .err_has("choose another path with --output");
        assert_eq!(world.names("b"), before);
    }
    world.run(&format!("init {flags}")).exits(0);
    world.run(&format!("init {flags}")).exits(0);
}
