//! What is asked, what is written, and that it can be read back.

use super::*;
use proptest::prelude::*;

fn init() -> Init {
    Init {
        backup: None,
        source: Vec::new(),
        map: Vec::new(),
        restore_to: None,
        sample: None,
        job: "main".into(),
        output: FILE_NAME.into(),
        force: false,
    }
}

/// A folder with `b`, `s`, `t`, `m`, and a home folder `home` with `x`.
fn world() -> tempfile::TempDir {
    let world = tempfile::tempdir().unwrap();
    for folder in ["b", "s", "t", "m", "home/x"] {
        std::fs::create_dir_all(world.path().join(folder)).unwrap();
    }
    world
}

fn answered(world: &Path, init: &Init, answers: &str) -> (Result<Job, Error>, String) {
    let (mut input, mut asked) = (answers.as_bytes(), Vec::new());
    let home = world.join("home");
    let base = Base { folder: world, home: Some(&home) };
    let job = Person { input: &mut input, output: &mut asked, base }.complete(init);
    (job, String::from_utf8(asked).unwrap())
}

fn job() -> Job {
    Job {
        backup: "/b \"x\".tar".into(),
        sources: vec!["/s".into(), "C:\\t".into()],
        maps: vec![Map { from: b"a/b".to_vec(), to: "/m".into() }],
        restore_to: "/r".into(),
        sample: SampleSize::Share(0.05),
    }
}

#[test]
fn every_example_can_be_read() {
    for setting in Settings::all() {
        let line = format!("{} = {}", setting.name, setting.example);
        if let Err(error) = Config::parse("/c/x.toml".into(), &line, None) {
            panic!("{}", error.render(None));
        }
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let text = render("every night", &job()).unwrap();
    let config = Config::parse("/elsewhere/bkverify.toml".into(), &text, None).unwrap();
    let (name, read) = config.choose(None).unwrap();
    assert_eq!(name.as_deref(), Some("every night"));
    assert_eq!(read.backup.unwrap().0, Path::new("/b \"x\".tar"));
    assert_eq!(read.source[0].0, Path::new("/s"));
    assert_eq!(read.map, job().maps);
    assert_eq!(read.restore_to.unwrap(), Path::new("/r"));
    assert_eq!(read.sample.unwrap().0, SampleSize::Share(0.05));
}

#[test]
fn the_hooks_and_notifications_that_are_offered_can_be_used() {
    let text = render("every night", &job()).unwrap();
    let (said, offered) = text.split_once("# Run something before").unwrap();
    let offered: String =
        offered.lines().skip(1).map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    let offered = offered.replace("Tell somebody", "# Tell somebody");
    let config = Config::parse("/c/bkverify.toml".into(), &format!("{said}\n{offered}"), None).unwrap();
    let (_, read) = config.choose(None).unwrap();
    assert_eq!(read.notify.resolve().len(), 2);
    let hooks = read.hooks.resolve();
    assert!(hooks.before.is_some() && hooks.after.is_some());
}

#[test]
fn a_name_of_more_than_a_line_is_refused() {
    for name in ["", "a\nb"] {
        assert!(render(name, &job()).unwrap_err().render(None).contains("one line of text"), "{name:?}");
    }
}

#[test]
fn the_file_explains_every_key_and_offers_what_is_not_said() {
    let text = render("main", &job()).unwrap();
    for name in Settings::names() {
        assert!(text.contains(&help_of(&name)), "{name} is not explained");
        assert!(text.contains(&format!("\n{name} = ")) || text.contains(&format!("\n# {name} = ")), "{name}");
    }
    assert!(text.contains("\n[jobs.main]\n"));
    assert!(text.contains("# default-job = \"main\"\n"));
}

#[test]
fn a_person_is_asked_for_what_no_flag_says_until_the_answer_makes_sense() {
    let world = world();
    let (job, asked) = answered(world.path(), &init(), "\nb\ns\n t \n\nr\nmany\n0\n5%\n");
    let (job, at) = (job.unwrap(), |path: &str| world.path().join(path));
    assert_eq!((job.backup, job.restore_to), (at("b"), at("r")));
    assert_eq!(job.sources, [at("s"), at("t")]);
    assert_eq!(job.sample, SampleSize::Share(0.05));
    assert_eq!(asked.matches("The backup").count(), 2);
    assert!(asked.contains("expected a number") && asked.contains("a sample of nothing"), "{asked}");
}

#[test]
fn what_flags_say_is_not_asked() {
    let sample = Some(Sample(SampleSize::All));
    let map = vec![Map { from: Vec::new(), to: "m".into() }];
    let init = Init { backup: Some("b".into()), map, restore_to: Some("r".into()), sample, ..init() };
    let (job, asked) = answered(world().path(), &init, "");
    assert!(job.is_ok());
    assert_eq!(asked, "");
}

#[test]
fn wrong_answers_are_explained_and_asked_for_again() {
    let world = world();
    let answers = "gone\nb\nb\ngone\ns\ngone\nt\n\ns/deep\nb\n~/r\n\n";
    let (job, asked) = answered(world.path(), &init(), answers);
    let job = job.unwrap();
    assert_eq!(job.restore_to, world.path().join("home/r"));
    assert_eq!(job.sources, [world.path().join("s"), world.path().join("t")]);
    let asked_for = |question: &str| asked.matches(question).count();
    assert_eq!(asked_for("The backup"), 2, "{asked}");
    assert_eq!(asked_for("The folder that holds the originals"), 3, "{asked}");
    assert_eq!(asked_for("Another folder of originals"), 3, "{asked}");
    assert_eq!(asked_for("The folder to restore to"), 3, "{asked}");
    for problem in ["cannot open the backup", "the backup is the folder of the originals", "is inside"] {
        assert!(asked.contains(problem), "{problem}: {asked}");
    }
    assert!(!job.restore_to.exists(), "init makes no folder");
}

#[test]
fn a_wrong_flag_is_an_error_though_there_is_a_person_to_ask() {
    let world = world();
    let wrong = |init: Init| answered(world.path(), &init, "b\ns\n\nr\n\n").0.unwrap_err();
    assert_eq!(wrong(Init { backup: Some("gone".into()), ..init() }).exit_code(), ExitCode::Unusable);
    assert_eq!(wrong(Init { source: vec!["gone".into()], ..init() }).exit_code(), ExitCode::Unusable);
    assert_eq!(wrong(Init { restore_to: Some("s/r".into()), ..init() }).exit_code(), ExitCode::Usage);
}

#[test]
fn questions_that_are_not_answered_write_nothing() {
    let (job, _) = answered(world().path(), &init(), "b\n");
    assert!(job.err().unwrap().render(None).contains("nothing was written"));
}

#[test]
fn an_existing_file_is_only_replaced_when_asked_and_then_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x.toml");
    write(&place, "one", false).unwrap();
    let error = write(&place, "two", false).unwrap_err();
    assert!(error.render(None).contains("already exists; not overwritten"), "{}", error.render(None));
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "one");
    write(&place, "three", true).unwrap();
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "three");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest! {
    #[test]
    fn any_name_and_any_path_survive_the_file(name in "\\PC{1,12}", path in any::<String>()) {
        // On Windows no name holds a colon; "/a:" would be the drive.
        let path = if cfg!(windows) { path.replace(':', "_") } else { path };
        let backup = PathBuf::from(format!("/{path}"));
        let text = render(&name, &Job { backup: backup.clone(), ..job() }).unwrap();
        let config = Config::parse("/elsewhere/bkverify.toml".into(), &text, None)
            .map_err(|error| TestCaseError::fail(error.render(None)))?;
        let (read_name, read) = config.choose(None).unwrap();
        prop_assert_eq!(read_name, Some(name));
        prop_assert_eq!(read.backup, Some(Address(backup)));
    }
}
