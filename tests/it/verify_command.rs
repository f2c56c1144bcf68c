//! Whole runs on backups of other programs, for which scripts stand.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::pack;
use crate::world::{RunResult, World};

/// Seven originals in `s`.
fn world() -> World {
    World::new()
        .file("s/plain", "plain")
        .file("s/folder/with \"quotes\", <angles> & 'more'", "quoted")
        .file("s/folder/[0-9]*?$HOME", "patterns")
        .file("s/deep/er/Grüße", "umlauts")
        .file("s/-dash ", "dash")
        .file("s/empty", "")
        .file("s/noise", pack::noise(300_000, 7))
}

/// A script that stands for the user's program.
fn script(world: World, name: &str, text: &str) -> World {
    let world = world.file(name, format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    world
}

/// A world whose commands are two scripts.
fn scripted(list: &str, restore: &str, more: &str) -> World {
    let world = script(script(world(), "list.sh", list), "restore.sh", restore);
    let configuration = format!(
        "[commands.own]\nlist = ['./list.sh']\nlist-form = 'find'\nrestore = ['./restore.sh', '{{list0}}', '{{folder}}']\n{more}"
    );
    world.file("bkverify.toml", configuration)
}

const LIST: &str = "cd \"$(dirname \"$0\")/s\" && find . -type f -printf '%s %T@ %P\\0'";
const RESTORE: &str = "cd \"$(dirname \"$0\")/s\" && xargs -0 -a \"$1\" cp --parents -t \"$2\" --";

fn verify(world: &World) -> RunResult {
    world.run("--backup command:own --source s --restore-to r --state none --sample all")
}

/// Verifies with these commands. `words` must be said, and the run must end with `code`.
#[track_caller]
fn is_told(list: &str, restore: &str, more: &str, code: i32, words: &str) {
    let world = scripted(list, restore, more);
    let ran = verify(&world);
    let all = format!("{} {}", ran.out, ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(all.contains(words), "{list} / {restore}: {ran}");
    assert_eq!(ran.code, Some(code), "{list} / {restore}: {ran}");
    assert_eq!(world.names("r"), [""; 0], "{ran}");
}

#[test]
fn a_list_that_is_not_whole_or_names_a_path_twice_does_not_pass() {
    // The rest of the list comes from something that goes on alone.
    let half = format!("{LIST} -name plain; (sleep 600; echo more) &");
    is_told(&half, RESTORE, "", 3, "still prints");
    // The population is seven files, and not fourteen.
    let twice = format!("{LIST}; find . -type f -printf '%s %T@ .//%P\\0'");
    is_told(&twice, RESTORE, "", 3, "7 lines of the command list name a path that is listed again later");
}

#[test]
fn a_command_that_fails_is_told_with_its_last_words() {
    for (list, restore, more, code, words) in [
        (LIST, RESTORE, "", 0, "7 of 7 identical"),
        (
            "echo 'no such bucket' >&2; exit 3",
            RESTORE,
            "",
            4,
            "the command list failed: it ended with exit code 3: no such bucket",
        ),
        (
            LIST,
            "echo 'access denied' >&2; exit 5",
            "",
            4,
            "restored nothing: it ended with exit code 5: access denied",
        ),
        (&format!("{LIST}; echo 'cut off' >&2; exit 1"), RESTORE, "", 1, "cut off"),
        ("echo 'no list'; cd s", RESTORE, "", 4, "list"),
        (
            "sleep 600",
            RESTORE,
            "time-limit = '1s'",
            4,
            "the command list was ended after 1.00 s: see time-limit",
        ),
        (
            LIST,
            "sleep 600",
            "time-limit = '1s'",
            4,
            "the command restore was ended after 1.00 s: see time-limit",
        ),
        ("echo 'bad superblock' >&2", RESTORE, "", 4, "printed no files, but: bad superblock"),
        (
            LIST,
            &format!("{RESTORE}; printf x >>\"$2/plain\""),
            "",
            1,
            "restored with 6 bytes, but listed with 5",
        ),
        (
            LIST,
            &format!("{RESTORE}; rm \"$2/plain\"; ln -s /etc/passwd \"$2/plain\""),
            "",
            1,
            "not a regular file",
        ),
        (LIST, &format!("{RESTORE}; rm \"$2/plain\"; echo 'lost it' >&2"), "", 1, "lost it"),
        // The first call links two files to each other. Each is then restored by itself.
        (
            LIST,
            &format!("{RESTORE}; cd \"$2\"; [ ! -e empty ] || ln -f plain noise 2>/dev/null || :"),
            "",
            0,
            "7 of 7 identical",
        ),
    ] {
        is_told(list, restore, more, code, words);
    }
}

#[test]
fn hard_links_that_a_program_restores_as_such_are_good_however_many_there_are() {
    let restore = "cd \"$(dirname \"$0\")/s\" && tar -c --null -T \"$1\" | tar -x -C \"$2\"";
    let mut world = scripted(LIST, restore, "");
    for number in 0..101 {
        let name = format!("s/link-{number}");
        world = world.file(&name, name.clone());
        fs::hard_link(world.path(&name), world.path(&format!("s/second-{number}"))).unwrap();
    }
    verify(&world).exits(0).out_has("209 of 209 identical");
}

#[test]
fn a_backup_that_is_not_mounted_is_not_called_damaged_although_files_are_restored_one_by_one() {
    let mut world = scripted(LIST, "exit 1", "");
    for number in 0..20 {
        world = world.file(&format!("s/more-{number}"), "x");
    }
    let one = "[commands.own]\nlist = ['./list.sh']\nlist-form = 'find'\nrestore = ['cp', '/nowhere/{path}', '{target}']\n";
    let world = world.file("bkverify.toml", one);
    verify(&world).exits(4).err_has("the command restore restored nothing").err_has("No such file");
    let there = one.replace("/nowhere", &crate::world::shown(&world.path("s")));
    let world = world.file("bkverify.toml", there);
    fs::rename(world.path("s/more-3"), world.path("gone")).unwrap();
    verify(&world).exits(0).out_has("26 of 26 identical");
}

#[test]
fn a_name_with_a_line_break_is_not_given_to_a_command_that_takes_lines() {
    let world = scripted(LIST, RESTORE, "").file("s/two\nlines", "x");
    verify(&world).exits(0).out_has("8 of 8 identical");
    let configuration = world.read("bkverify.toml").replace("{list0}", "{list}");
    let world = script(world, "restore.sh", &RESTORE.replace("xargs -0", "xargs -d '\\n'"));
    let world = world.file("bkverify.toml", configuration);
    let ran = verify(&world);
    assert!(ran.out.contains("7 of 7 identical") || ran.out.contains("7 of 8"), "{ran}");
    assert!(ran.out.contains("line break"), "{ran}");
}

#[test]
fn a_wrong_table_of_commands_is_refused_with_its_line() {
    for (text, words) in [
        ("[commands.own]\nlist = ['x']", "restore is missing here"),
        ("[commands.own]\nlist = ['x']\nrestore = ['y']\nbatch = 0", "batch must be at least 1"),
        (
            "[commands.own]\nlist = ['x']\nrestore = ['y']\nlist-form = 'csv'",
            "expected one of json, find, nul, lines",
        ),
        ("[commands.own]\nlits = ['x']", "unknown key"),
        ("[commands.other]\nlist = ['x']\nrestore = ['y']", "no commands called"),
    ] {
        verify(&world().file("bkverify.toml", text)).exits(2).err_has(words);
    }
}
