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

fn answered(init: &Init, answers: &str) -> (Result<Job, Error>, String) {
    let (mut input, mut asked) = (answers.as_bytes(), Vec::new());
    let job = Person { input: &mut input, output: &mut asked }.complete(init);
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
fn every_setting_has_an_example_that_can_be_read() {
    let names: Vec<_> = examples().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, Settings::names());
    for (name, example) in examples() {
        if let Err(error) = Config::parse("/c/x.toml".into(), &format!("{name} = {example}")) {
            panic!("{}", error.render());
        }
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let text = render("every night", &job()).unwrap();
    let config = Config::parse("/elsewhere/bkverify.toml".into(), &text).unwrap();
    let (name, read) = config.choose(None).unwrap();
    assert_eq!(name.as_deref(), Some("every night"));
    assert_eq!(read.backup.unwrap(), Path::new("/b \"x\".tar"));
    assert_eq!(read.source[0], Path::new("/s"));
    assert_eq!(read.map, job().maps);
    assert_eq!(read.restore_to.unwrap(), Path::new("/r"));
    assert_eq!(read.sample.unwrap().0, SampleSize::Share(0.05));
}

#[test]
fn a_name_of_more_than_a_line_is_refused() {
    for name in ["", "a\nb"] {
        assert!(render(name, &job()).unwrap_err().render().contains("one line of text"), "{name:?}");
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
    let (job, asked) = answered(&init(), "\n/b\n/s\n /t \n\n/r\nmany\n0\n5%\n");
    let job = job.unwrap();
    assert_eq!((job.backup, job.restore_to), ("/b".into(), "/r".into()));
    assert_eq!(job.sources, [Path::new("/s"), Path::new("/t")]);
    assert_eq!(job.sample, SampleSize::Share(0.05));
    assert_eq!(asked.matches("The backup").count(), 2);
    assert!(asked.contains("expected a number") && asked.contains("a sample of nothing"), "{asked}");
}

#[test]
fn what_flags_say_is_not_asked() {
    let sample = Some(Sample(SampleSize::All));
    let map = vec![Map { from: Vec::new(), to: "/m".into() }];
    let init = Init { backup: Some("b".into()), map, restore_to: Some("r".into()), sample, ..init() };
    let (job, asked) = answered(&init, "");
    assert!(job.is_ok());
    assert_eq!(asked, "");
}

#[test]
fn questions_that_are_not_answered_write_nothing() {
    let (job, _) = answered(&init(), "/b\n");
    assert!(job.err().unwrap().render().contains("nothing was written"));
}

#[test]
fn an_existing_file_is_only_replaced_when_asked_and_then_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("x.toml");
    write(&place, "one", false).unwrap();
    let error = write(&place, "two", false).unwrap_err();
    assert!(error.render().contains("already exists; not overwritten"), "{}", error.render());
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
        let config = Config::parse("/elsewhere/bkverify.toml".into(), &text)
            .map_err(|error| TestCaseError::fail(error.render()))?;
        let (read_name, read) = config.choose(None).unwrap();
        prop_assert_eq!(read_name, Some(name));
        prop_assert_eq!(read.backup, Some(backup));
    }
}
