//! What flags, configuration and surroundings resolve to; and what is refused, in which words.

use std::time::{Duration, UNIX_EPOCH};

use clap::ColorChoice;

use super::*;
use crate::output::Output;
use crate::plan::{Completeness, DEFAULT_SAMPLE, Keep, Map};
use crate::report::RENDERERS;

const WHOLE: &str = "--backup b --source s --restore-to r";

fn plan_in(environment: &Environment, config: Option<&str>, flags: &str) -> Result<Plan, Error> {
    let home = environment.home.as_deref();
    let config = config.map(|text| Config::parse("/etc/bkverify.toml".into(), text, home).unwrap());
    resolve(Verify::parse(flags), config.as_ref(), environment)
}

fn plan(flags: &str) -> Result<Plan, Error> {
    plan_in(&Environment::for_tests(), None, flags)
}

fn whole(more: &str) -> Plan {
    plan(&format!("{WHOLE} {more}")).unwrap_or_else(|error| panic!("{}", error.render(None)))
}

#[track_caller]
fn refused(more: &str, error: &str) {
    let found = plan(&format!("{WHOLE} {more}")).unwrap_err();
    assert_eq!(found.exit_code() as u8, 2);
    assert_eq!(found.render(None).trim_end(), format!("bkverify: error: {error}"));
}

#[test]
fn what_nobody_says_has_the_documented_defaults() {
    let plan = whole("");
    assert_eq!(plan.draw.sample, SampleSize::Count(500));
    assert!((plan.claims.confidence - 0.95).abs() < f64::EPSILON);
    assert_eq!(plan.draw.seed, "0123456789abcdef");
    assert_eq!(
        (plan.engine.hash, plan.engine.cache, plan.outputs.keep),
        (Algorithm::Blake3, CachePolicy::Drop, Keep::None)
    );
    assert_eq!(plan.claims.completeness, Completeness { originals: 200, asked_for: false });
    assert_eq!((plan.limits.budget, plan.limits.time_limit), (None, None));
    assert_eq!(plan.draw.filters, Filters::default());
    assert_eq!(plan.started, UNIX_EPOCH + Duration::from_secs(1_778_414_400));
}

#[test]
fn relative_paths_start_at_the_current_folder_and_a_tilde_at_the_home_folder() {
    let plan = whole("--map a/b=m --json out/./r.json --junit=~/r.xml");
    assert_eq!(plan.target.backup.local(), Some(Path::new("/here/b")));
    assert_eq!(plan.target.sources, [Path::new("/here/s")]);
    assert_eq!(plan.target.restore_to, Path::new("/here/r"));
    assert_eq!(plan.target.maps, [Map { from: b"a/b".to_vec(), to: "/here/m".into() }]);
    let report = |name: &str, path: &str| {
        let renderer = RENDERERS.iter().find(|renderer| renderer.name == name).unwrap();
        renderer.to(Output::File(path.into()))
    };
    let reports = [report("json", "/here/out/r.json"), report("junit", "/home/me/r.xml")];
    assert_eq!(plan.outputs.reports, reports);
}

#[test]
fn everything_that_is_missing_is_named_at_once_with_a_line_to_copy() {
    let environment = Environment { user_config: Some("/u".into()), ..Environment::for_tests() };
    let error = plan_in(&environment, None, "").unwrap_err().render(None).replace('\\', "/");
    assert!(error.contains("missing: the backup (--backup PATH), the originals"), "{error}");
    assert!(
        error.contains("and a folder to restore to (--restore-to DIR)\n  hint: bkverify --backup "),
        "{error}"
    );
    assert!(error.contains("looked for /here/bkverify.toml, /u/bkverify.toml"), "{error}");
}

#[test]
fn the_line_to_copy_repeats_what_was_said() {
    let error = plan("--backup b --map x=m").unwrap_err().render(None).replace('\\', "/");
    assert!(error.contains("error: missing: a folder to restore to (--restore-to DIR)\n"), "{error}");
    assert!(error.contains("hint: bkverify --backup /here/b --map x=/here/m --restore-to "), "{error}");
}

#[test]
fn tolerance_chooses_the_number_and_threads_follow_cores_and_cache() {
    assert_eq!(whole("--confidence 99% --tolerance 1%").draw.sample, SampleSize::Tolerance(0.01));
    for (cores, cold, warm) in [(1, 8, 2), (2, 16, 3), (4, 32, 5), (64, 32, 65)] {
        assert_eq!(default_threads(CachePolicy::Drop, false, cores), cold);
        assert_eq!(default_threads(CachePolicy::Drop, true, cores), 1);
        assert_eq!(default_threads(CachePolicy::Use, true, cores), warm);
    }
    assert_eq!(whole("--threads 3").engine.threads, 3);
    assert_eq!(whole("--cache use").engine.threads, 5);
}

#[test]
fn a_spinning_disk_is_read_in_its_order_unless_the_run_is_meant_to_end_early() {
    let spins = |place: &std::path::Path| place.ends_with("s");
    let environment = Environment { spins, ..Environment::for_tests() };
    let plan = |more: &str| plan_in(&environment, None, &format!("{WHOLE} {more}")).unwrap();
    let order = |more: &str| (plan(more).engine.spinning, plan(more).engine.in_disk_order);
    assert_eq!(order(""), (true, true));
    assert_eq!(plan("").engine.threads, 1);
    assert_eq!(plan("--threads 4").engine.threads, 4);
    assert_eq!(order("--time-limit 2h"), (true, false));
    assert_eq!(order("--budget 5GiB"), (true, false));
    assert_eq!((whole("").engine.spinning, whole("").engine.in_disk_order), (false, false));
}

#[test]
fn contradictions_and_empty_limits_are_refused() {
    refused(
        "--min-size 2KiB --max-size 1KiB",
        "no file can be both larger than --min-size and smaller than --max-size\n  hint: swap or change the limits",
    );
    refused(
        "--newer-than 1d --older-than 7d",
        "no file can be both newer than --newer-than and older than --older-than\n  hint: swap or change the limits",
    );
    refused("--budget 0", "--budget must be greater than zero\n  hint: for example 50GiB");
    refused(
        "--json - --junit -",
        "--json and --junit name the same file\n  hint: give each report a file of its own",
    );
    assert_eq!(whole("--min-size 1KiB --max-size 1KiB").draw.filters.max_size, Some(1024));
}

#[test]
fn what_is_no_glob_is_refused() {
    for (glob, why) in
        [("a[", "not a valid glob"), ("!a", "cannot begin with !"), ("#a", "it would be a comment")]
    {
        let error = plan(&format!("{WHOLE} --exclude {glob}")).unwrap_err().render(None);
        assert!(error.contains(&format!("invalid value '{glob}' for --exclude: ")), "{error}");
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(whole("--exclude *.tmp --exclude /var/**/x").draw.filters.exclude, ["*.tmp", "/var/**/x"]);
}

#[test]
fn flags_stand_over_the_job_and_the_job_over_the_defaults() {
    let config =
        "seed = 'top'\nsample = 9\nrestore-to = 'r'\n[jobs.a]\nbackup = 'b'\nsource = 's'\nsample = 5";
    let environment = Environment::for_tests();
    let plan = plan_in(&environment, Some(config), "--restore-to x").unwrap();
    assert_eq!((plan.origin.job.as_deref(), plan.draw.seed.as_str()), (Some("a"), "top"));
    assert_eq!(plan.origin.config.as_deref(), Some(Path::new("/etc/bkverify.toml")));
    assert_eq!(plan.draw.sample, SampleSize::Count(5));
    assert_eq!(plan.target.backup.local(), Some(Path::new("/etc/b")));
    assert_eq!(plan.target.restore_to, Path::new("/here/x"));
}

#[test]
fn a_backup_on_the_command_line_needs_no_job() {
    let config = "restore-to = 'r'\n[jobs.a]\nsource = '/a'\n[jobs.b]\n";
    let environment = Environment::for_tests();
    let plan = plan_in(&environment, Some(config), "--backup b --source s").unwrap();
    assert_eq!((plan.origin.job, plan.target.sources), (None, vec!["/here/s".into()]));
    assert_eq!(plan.target.restore_to, Path::new("/etc/r"));
    let plan = plan_in(&environment, Some(config), "--backup b --job a").unwrap();
    assert_eq!((plan.origin.job.as_deref(), plan.target.sources), (Some("a"), vec!["/a".into()]));
}

#[test]
fn a_job_without_any_configuration_is_an_error() {
    let error = plan("--job nightly").unwrap_err().render(None);
    assert!(error.contains("no configuration with the job \"nightly\""), "{error}");
}

#[test]
fn colours_and_bars_follow_the_stream_that_is_read() {
    let look_by = |color_choice, out: bool, err: bool, flags: &str| {
        let terminals = Environment {
            stdout_is_terminal: out,
            stderr_is_terminal: err,
            color_choice,
            ..Environment::for_tests()
        };
        let terminal = plan_in(&terminals, None, &format!("{WHOLE} {flags}")).unwrap().outputs.terminal;
        (terminal.color, terminal.bars)
    };
    let look = |out, err, flags: &str| look_by(None, out, err, flags);
    assert_eq!(look(true, true, ""), (true, true));
    assert_eq!(look(true, true, "--quiet"), (true, false));
    assert_eq!(look(true, false, ""), (true, false));
    // The summary goes to standard error when a report takes standard output.
    assert_eq!(look(true, false, "--json -"), (false, false));
    assert_eq!(look(false, true, "--junit -"), (true, true));
    assert_eq!(look_by(Some(ColorChoice::Always), false, false, ""), (true, false));
    assert_eq!(look_by(Some(ColorChoice::Never), true, true, ""), (false, true));
}

#[test]
fn the_summary_is_as_wide_as_the_terminal_that_shows_it() {
    let columns = |out: bool, err: bool, flags: &str| {
        let terminals = Environment {
            stdout_is_terminal: out,
            stderr_is_terminal: err,
            columns: Some(120),
            ..Environment::for_tests()
        };
        plan_in(&terminals, None, &format!("{WHOLE} {flags}")).unwrap().outputs.terminal.columns
    };
    assert_eq!(columns(true, true, ""), Some(120));
    assert_eq!(columns(false, true, ""), None, "the summary goes to a file");
    assert_eq!(columns(false, true, "--json -"), Some(120), "the summary goes to standard error");
}

#[test]
fn no_color_and_a_dumb_terminal_are_honoured_unless_told_otherwise() {
    let mut environment =
        Environment { stdout_is_terminal: true, no_color: true, ..Environment::for_tests() };
    assert!(!plan_in(&environment, None, WHOLE).unwrap().outputs.terminal.color);
    environment.color_choice = Some(ColorChoice::Always);
    assert!(plan_in(&environment, None, WHOLE).unwrap().outputs.terminal.color);
    environment = Environment { stderr_is_terminal: true, dumb_terminal: true, ..Environment::for_tests() };
    assert!(!plan_in(&environment, None, WHOLE).unwrap().outputs.terminal.bars);
}

#[test]
fn help_names_the_defaults_that_hold() {
    let plan = whole("");
    let help = |name: &str| {
        let command = Settings::command();
        let flag = command.get_arguments().find(|flag| flag.get_long() == Some(name)).unwrap();
        flag.get_help().unwrap().to_string()
    };
    for (name, default) in [
        ("sample", DEFAULT_SAMPLE.to_string()),
        ("confidence", crate::words::percent(plan.claims.confidence)),
        ("completeness", plan.claims.completeness.originals.to_string()),
        ("hash", plan.engine.hash.name().to_owned()),
        ("cache", format!("{:?}", plan.engine.cache).to_lowercase()),
        ("keep", format!("{:?}", plan.outputs.keep).to_lowercase()),
    ] {
        assert!(help(name).ends_with(&format!("[default: {default}]")), "{name}: {}", help(name));
    }
}
