//! The configuration through the program itself: which file is read, which job is used, and how
//! mistakes are told.

use crate::world::{World, shown};

/// Puts a backup and its originals, one file, below a folder.
fn with_files(world: World, folder: &str) -> World {
    world.file(&format!("{folder}b/x"), "content").file(&format!("{folder}s/x"), "content")
}

const WHOLE: &str = "backup = 'b'\nsource = 's'\nrestore-to = 'r'\n";

#[test]
fn an_unknown_key_is_told_with_file_line_and_nearest_name() {
    let world = World::new().file("bkverify.toml", "# mine\n[jobs.a]\nexlude = ['*.tmp']\n");
    world.run("").exits(2).out_is("").err_is(&format!(
        "bkverify: error: {}, line 3: unknown key \"exlude\"\n  hint: did you mean exclude?\n",
        shown(&world.path("bkverify.toml"))
    ));
}

#[test]
fn the_only_job_is_used_and_flags_stand_over_it() {
    let world = with_files(World::new(), "")
        .file("bkverify.toml", format!("sample = 7\n[jobs.nightly]\n{WHOLE}keep = 'failures'\n"));
    world
        .run("plan --keep all")
        .exits(0)
        .out_has("job           nightly\n")
        .out_has("sample        7 random files\n")
        .out_has("keep          all: ");
}

#[test]
fn with_several_jobs_one_must_be_chosen() {
    let world = with_files(World::new(), "").file("bkverify.toml", format!("{WHOLE}[jobs.b]\n[jobs.a]\n"));
    let place = shown(&world.path("bkverify.toml"));
    world.run("plan").exits(2).err_is(&format!(
        "bkverify: error: {place} holds several jobs; choose one: a, b\n  hint: use --job a,\n        \
         or write default-job = \"a\" at the top of the file\n"
    ));
    world.run("plan --job b").exits(0).out_has("job           b\n");
    world.run("plan --job c").exits(2).err_has(&format!("{place} has no job \"c\"\n"));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let world = with_files(World::new(), "deep/er/").file("deep/er/job.toml", WHOLE);
    let backup = shown(&world.path("deep/er/b")).replace('\\', "/");
    world.run("plan --config deep/er/job.toml").exits(0).out_has(&format!("backup        {backup}\n"));
}

#[test]
fn the_nearest_file_is_read_and_the_plan_says_which() {
    let users = |world: &World| world.path("home/.config/bkverify/bkverify.toml");
    let world = with_files(with_files(World::new(), ""), "home/.config/bkverify/")
        .file("home/.config/bkverify/bkverify.toml", WHOLE);
    if cfg!(unix) {
        world.run("plan").exits(0).out_has(&format!("config        {}\n", shown(&users(&world))));
    }
    let world = world.file("bkverify.toml", WHOLE);
    let here = shown(&world.path("bkverify.toml")).replace('\\', "/");
    world.run("plan").exits(0).out_has(&format!("config        {here}\n"));
}

#[test]
fn a_configuration_that_is_named_must_be_there() {
    let world = World::new();
    world.run("plan --config no.toml").exits(2).err_is(&format!(
        "bkverify: error: there is no configuration at {}\n  hint: write one: bkverify init --output no.toml\n",
        shown(&world.path("no.toml"))
    ));
}

#[test]
fn a_configuration_that_cannot_be_read_is_not_passed_over() {
    let world = World::new().folder("bkverify.toml");
    world.run("plan").exits(2).err_has("cannot read the configuration").err_has("--config FILE");
    let world = World::new().file("bkverify.toml", b"seed = '\xff'");
    world.run("plan").exits(2).err_has("cannot read the configuration");
}
