//! A program that restores by itself writes into a workspace. Only regular files that are safe are
//! taken from it, nothing outside is touched, and the next run removes what a killed run left.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bkverify::backup::{Leftovers, RestoreError, Restored, Scratch, Workspace, remove_leftovers};
use bkverify::cancel::CancelToken;
use tempfile::TempDir;

use crate::contract::collect::content;

/// What a faulty program does, or a program that a hostile repository controls. `OUTSIDE` contains
/// a letter that belongs to the user.
const PROGRAM: &str = r#"
    mkdir -p nested/deep/er sealed
    printf 'top' > top
    printf 'nested' > nested/deep/er/file
    printf 'odd' > "$(printf 'nested/\377\001 * "\nx')"
    printf 'sealed' > sealed/file
    chmod 0 sealed/file sealed
    chmod 4755 top
    ln -s /etc/passwd link
    ln -s "$OUTSIDE" linked-folder
    ln -s nested linked-inside
    ln "$OUTSIDE/letter" second-name
    mkfifo pipe nested/pipe
"#;

/// The environment variable that tells the process to be killed where to restore to.
const VICTIM: &str = "BKVERIFY_TEST_WORKSPACE_VICTIM";

struct WorkspaceWorld {
    folder: TempDir,
}

impl WorkspaceWorld {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for below in ["outside", "restore"] {
            fs::create_dir(folder.path().join(below)).unwrap();
        }
        fs::write(folder.path().join("outside/letter"), "mine").unwrap();
        Self { folder }
    }

    fn restore_to(&self) -> PathBuf {
        self.folder.path().join("restore")
    }

    /// Whether the letter is unchanged.
    #[track_caller]
    fn is_untouched(&self) {
        let letter = self.folder.path().join("outside/letter");
        assert_eq!(fs::read(&letter).unwrap(), b"mine");
        assert_eq!(letter.metadata().unwrap().nlink(), 1, "a name of it is left");
        assert_eq!(fs::read_dir(self.folder.path().join("outside")).unwrap().count(), 1);
        assert!(fs::read("/etc/passwd").is_ok());
    }
}

fn run_program(workspace: &Path, outside: &Path) {
    let mut command = Command::new("sh");
    command.args(["-ec", PROGRAM]).current_dir(workspace).env("OUTSIDE", outside);
    assert!(command.status().unwrap().success());
}

fn adopted(workspace: &mut Workspace<'_>, path: &[u8]) -> Result<Vec<u8>, String> {
    workspace.adopt(path).map(|restored| content(&restored)).map_err(|error| {
        assert!(matches!(error, RestoreError::Damaged(_) | RestoreError::Name(_)), "{error:?}");
        error.to_string()
    })
}

#[test]
fn only_regular_files_inside_the_workspace_are_adopted_and_pipes_are_not_waited_for() {
    let machine = WorkspaceWorld::new();
    let scratch = Scratch::create(&machine.restore_to(), CancelToken::new()).unwrap();
    let mut workspace = scratch.workspace(1 << 20).unwrap();
    let place = workspace.path().to_owned();
    assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    run_program(&place, &machine.folder.path().join("outside"));
    let clock = Instant::now();
    for (path, found) in [
        (&b"top"[..], "top"),
        (b"nested/deep/er/file", "nested"),
        (b"nested/\xff\x01 * \"\nx", "odd"),
        (b"./sealed//file", "sealed"),
    ] {
        assert_eq!(adopted(&mut workspace, path), Ok(found.to_owned().into_bytes()));
    }
    for (path, reason) in [
        (&b"link"[..], "not a regular file"),
        (b"pipe", "not a regular file"),
        (b"nested/pipe", "not a regular file"),
        (b"nested", "not a regular file"),
        (b"second-name", "second name"),
        (b"linked-folder/letter", "a link"),
        (b"linked-inside/deep/er/file", "a link"),
        (b"link/file", "a link"),
        (b"never-written", "has not written it"),
        (b"never/written", "has not written it"),
        (b"top", "has not written it"),
        (&[b'x'; 300], "has not written it"),
        (b"../marker", "leads out of the folder"),
        (b"nested/../link", "leads out of the folder"),
        (b"", "empty"),
    ] {
        let error = adopted(&mut workspace, path).unwrap_err();
        assert!(error.contains(reason), "{}: {error}", bkverify::backup::escape(path));
    }
    assert!(clock.elapsed().as_secs() < 10, "it waited");
    drop(workspace);
    assert!(!place.exists());
    machine.is_untouched();
    scratch.remove().unwrap();
    assert_eq!(fs::read_dir(machine.restore_to()).unwrap().count(), 0);
}

#[test]
fn an_adopted_file_is_never_reused_and_outlives_its_workspace() {
    let machine = WorkspaceWorld::new();
    let scratch = Scratch::create(&machine.restore_to(), CancelToken::new()).unwrap();
    let mut workspace = scratch.workspace(100).unwrap();
    for name in ["one", "two", "three"] {
        fs::write(workspace.path().join(name), name).unwrap();
        fs::set_permissions(workspace.path().join(name), fs::Permissions::from_mode(0o4777)).unwrap();
    }
    // A program that goes on writing to a finished file does not write to another file.
    let mut late = fs::OpenOptions::new().append(true).open(workspace.path().join("one")).unwrap();
    let [one, two, three]: [Restored; 3] =
        [&b"one"[..], b"two", b"three"].map(|name| workspace.adopt(name).unwrap());
    drop(workspace);
    assert_eq!(content(&three), b"three");
    drop(one);
    std::io::Write::write_all(&mut late, b"late").unwrap();
    let next = scratch.restore(&mut &b"next"[..], None, &mut Vec::new()).unwrap();
    assert_eq!(content(&next), b"next");
    // Files are numbered in order, but an adopted file is never reused.
    let linked = machine.folder.path().join("linked");
    let number = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path());
    let number = number.filter(|path| path.is_file()).find(|path| fs::read(path).unwrap() == b"two").unwrap();
    fs::hard_link(number, &linked).unwrap();
    drop(two);
    assert_eq!(fs::read(&linked).unwrap(), b"two", "the bytes under another name stay");
    let kept =
        cap_std::fs::Dir::open_ambient_dir(machine.restore_to(), cap_std::ambient_authority()).unwrap();
    three.keep(&kept, Path::new("kept/three")).unwrap();
    let mode = machine.restore_to().join("kept/three").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "neither rights for others nor a program that runs as its owner");
    drop(next);
    scratch.remove().unwrap();
    assert_eq!(fs::read_dir(machine.restore_to()).unwrap().count(), 1);
}

/// This is not a test by itself. The test below starts it; it writes its workspaces and waits to be
/// killed.
#[test]
fn the_process_that_is_killed() {
    let Some(world) = std::env::var_os(VICTIM) else { return };
    let world = PathBuf::from(world);
    let scratch = Scratch::create(&world.join("restore"), CancelToken::new()).unwrap();
    let [mut first, second] = [0, 0].map(|size| scratch.workspace(size).unwrap());
    run_program(first.path(), &world.join("outside"));
    run_program(second.path(), &world.join("outside"));
    let _held = first.adopt(b"top").unwrap();
    println!("ready");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

/// Kills a run that has two workspaces and an adopted file.
fn kill_one(machine: &WorkspaceWorld) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "workspace::the_process_that_is_killed", "--nocapture"])
        .env(VICTIM, machine.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut out = child.stdout.take().unwrap();
    while !said.ends_with(b"ready\n") {
        let mut byte = [0];
        assert_eq!(out.read(&mut byte).unwrap(), 1, "it ended: {}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The only scratch folder in the restore folder.
fn scratch_of(machine: &WorkspaceWorld) -> PathBuf {
    let folders: Vec<_> =
        fs::read_dir(machine.restore_to()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [folder] = &folders[..] else { panic!("{folders:?}") };
    folder.clone()
}

#[test]
fn the_next_run_removes_the_workspaces_of_a_killed_run_and_nothing_else() {
    let machine = WorkspaceWorld::new();
    kill_one(&machine);
    let left = scratch_of(&machine);
    assert!(left.join("workspaces/000001/nested/deep/er/file").exists());
    let found = remove_leftovers(&machine.restore_to()).unwrap();
    assert_eq!(found, Leftovers { removed: vec![left.clone()], ..Leftovers::default() });
    assert!(!left.exists());
    machine.is_untouched();
}

#[test]
fn leftovers_beside_unknown_files_are_left_alone_as_a_whole() {
    let doubtful: [fn(&Path); 4] = [
        // Both beside our files and beside our workspaces.
        |left| fs::write(left.join("thesis.doc"), "mine").unwrap(),
        |left| fs::write(left.join("workspaces/thesis.doc"), "mine").unwrap(),
        // A folder of the same name is not the one that the killed run recorded.
        |left| {
            fs::rename(left.join("workspaces"), left.parent().unwrap().join("away")).unwrap();
            fs::create_dir_all(left.join("workspaces/000001")).unwrap();
            fs::write(left.join("workspaces/000001/thesis.doc"), "mine").unwrap();
        },
        |left| {
            fs::rename(left.join("workspaces"), left.parent().unwrap().join("away")).unwrap();
            std::os::unix::fs::symlink("../away", left.join("workspaces")).unwrap();
        },
    ];
    for exchange in doubtful {
        let machine = WorkspaceWorld::new();
        kill_one(&machine);
        let left = scratch_of(&machine);
        let names_of = |left: &Path| {
            let all = walkdir::WalkDir::new(left.parent().unwrap()).sort_by_file_name().into_iter();
            // The program has closed those.
            let all = all.filter_map(Result::ok);
            all.map(|entry| entry.into_path().as_os_str().as_bytes().to_vec()).collect::<Vec<_>>()
        };
        exchange(&left);
        let names = names_of(&left);
        let found = remove_leftovers(&machine.restore_to()).unwrap();
        assert_eq!(found, Leftovers { left: vec![left.clone()], ..Leftovers::default() });
        assert_eq!(names_of(&left), names);
        // Lets the temporary folder be removed.
        Command::new("chmod").args(["-R", "u+rwx"]).arg(machine.restore_to()).status().unwrap();
    }
}

/// Needs the right to mount, which root has outside of most containers.
#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_is_mounted_in_a_workspace_is_not_entered() {
    let machine = WorkspaceWorld::new();
    let outside = machine.folder.path().join("outside");
    let scratch = Scratch::create(&machine.restore_to(), CancelToken::new()).unwrap();
    let mut workspace = scratch.workspace(0).unwrap();
    let mount = workspace.path().join("mounted");
    fs::create_dir(&mount).unwrap();
    // The same file system is mounted, so its device number does not reveal the mount.
    let quiet =
        |command: &mut Command| command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !quiet(Command::new("mount").arg("--bind").args([&outside, &mount])) {
        return;
    }
    let adopted = workspace.adopt(b"mounted/letter").map(|restored| content(&restored));
    drop(workspace);
    let is_there = fs::read(outside.join("letter"));
    assert!(quiet(Command::new("umount").arg(&mount)));
    assert!(adopted.unwrap_err().to_string().contains("mount point"));
    assert_eq!(is_there.unwrap(), b"mine");
    scratch.remove().unwrap();
    machine.is_untouched();
}
