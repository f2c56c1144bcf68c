use super::*;
use crate::report::samples;
use crate::verify::counts::Counts;
use std::path::PathBuf;

#[test]
fn a_pass_says_what_it_proves() {
    let expected = "\
PASS  500 of 500 identical.
      With 95% confidence, of the files whose originals have not been modified
      since the backup, at most 58 are bad (0.58% of up to 10,000).

backup     /srv/backup/data.tar.gz (tar.gz), taken 2026-07-01T02:00:00Z
originals  /srv/data, /home
drawn      500 of 10,000 files (45.0 GiB), strategy random, hash blake3
redraw     --seed spring
speed      2.31 GiB restored in 14.2 s (167 MiB/s), catalog 0.41 s, total 14.7 s
";
    assert_eq!(render(&samples::plan(), &samples::passed()), expected);
}

#[test]
fn a_failure_lists_each_bad_file_with_its_reason_and_escapes_its_name() {
    let expected = "\
FAIL  498 of 500 identical, 2 bad in the backup; 500 of 503 drawn could be
      compared.
      With 95% confidence, of the files whose originals have not been modified
      since the backup, at most 123 are bad (1.24% of up to 9,997).
      3 of 503 drawn (about 1%) could not be compared: 3 modified as far as
      times tell. Nothing is said about such files.

Bad in the backup:
  corrupt: docs/re\\x1b[31mport\\xff.odt
      differs from byte 1,048,576 on: 512 bytes in 1 block, overwritten with
      zeros; the original is as old as the backup says
  restore-failed: photos/a\\x0a.jpg
      the checksum stored in the backup does not match
";
    let mut plan = samples::plan();
    plan.outputs.terminal.quiet = true;
    assert_eq!(render(&plan, &samples::failed()), expected);
    plan.outputs.terminal.quiet = false;
    let whole = render(&plan, &samples::failed());
    assert!(whole.starts_with(expected));
}

#[test]
fn an_incomplete_run_says_why_and_what_was_proven_until_then() {
    let text = render(&samples::plan(), &samples::cut_short());
    assert!(text.starts_with(
        "\
INCOMPLETE  120 of 120 identical; 120 of 121 drawn could be compared.
            The time limit ended the run: 120 of 500 files wanted were compared.
            With 95% confidence, of the files whose originals have not been
            modified since the backup, at most 245 are bad (2.46% of up to
            9,999).
"
    ));
}

#[test]
fn a_run_that_ended_while_the_backup_was_listed_says_nothing_of_the_whole() {
    let text = render(&samples::plan(), &samples::interrupted());
    assert!(text.starts_with(
        "\
INCOMPLETE  120 of 120 identical.
            The run was interrupted: 120 files were compared. The backup was not
            listed to its end: there are at least 640 files to verify.

backup"
    ));
    assert!(text.contains("drawn      120 of at least 640 files"), "{text}");
    assert!(!text.contains("redraw") && !text.contains("wanted"), "{text}");
    let mut outcome = samples::interrupted();
    (outcome.counts, outcome.population.files) = (Counts::default(), 0);
    let text = render(&samples::plan(), &outcome);
    assert!(text.starts_with(
        "INCOMPLETE  No file could be compared.\n            The run was interrupted before anything was listed.\n"
    ));
}

#[test]
fn what_is_lost_is_not_in_the_statement() {
    let mut outcome = samples::passed();
    outcome.damage = vec!["folder x cannot be listed".to_owned()];
    let text = render(&samples::plan(), &outcome);
    assert!(text.contains("of the files that can be listed and whose originals"), "{text}");
}

#[test]
fn an_empty_backup_proves_nothing() {
    let text = render(&samples::plan(), &samples::empty());
    assert!(
        text.starts_with("INCOMPLETE  There is no file to verify.\n            So nothing is proven.\n\n")
    );
}

#[test]
fn the_worst_run_still_fits_two_screens_and_a_common_failure_one() {
    let lines = |outcome| render(&samples::plan(), &outcome).lines().count();
    assert!(lines(samples::failed()) <= 24);
    // A console has 25 lines.
    assert!(lines(samples::disaster()) <= 50);
    let mut many = samples::failed();
    many.findings = (0..700).map(|n| samples::finding(format!("{n}").as_bytes(), Verdict::Corrupt)).collect();
    assert!(lines(many) <= 24);
}

#[test]
fn sentences_keep_to_the_width() {
    for outcome in samples::all() {
        let text = render(&samples::plan(), &outcome);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}

#[test]
fn a_seed_with_spaces_is_quoted() {
    let mut outcome = samples::passed();
    outcome.sample.seed = "two words".to_owned();
    assert!(render(&samples::plan(), &outcome).contains("--seed \"two words\"\n"));
}

#[test]
fn originals_that_cannot_be_read_are_named() {
    let mut outcome = samples::passed();
    outcome.counts.add(Verdict::Unreadable, false);
    outcome.findings = vec![samples::finding(b"secret", Verdict::Unreadable)];
    assert!(render(&samples::plan(), &outcome).contains("\n  unreadable: secret\n"));
}

#[test]
fn what_does_not_fit_is_counted_and_its_place_named() {
    let mut plan = samples::plan();
    let outcome = samples::disaster();
    assert!(render(&plan, &outcome).contains("  and 59 more, see --json\n"));
    plan.outputs.reports.json = Some(PathBuf::from("/var/report.json"));
    assert!(render(&plan, &outcome).contains("  and 59 more, see /var/report.json\n"));
}

#[test]
fn colour_marks_the_verdict_alone_and_changes_no_word() {
    let mut plan = samples::plan();
    for outcome in samples::all() {
        plan.outputs.terminal.color = false;
        let plain = render(&plan, &outcome);
        plan.outputs.terminal.color = true;
        let colored = render(&plan, &outcome);
        assert_eq!(colored.matches('\x1b').count(), 2);
        assert!(!plain.contains('\x1b'), "names are escaped");
        assert!(colored.ends_with(&plain[plain.find(' ').unwrap()..]));
    }
}

#[test]
fn a_long_word_stands_alone_and_lines_keep_the_width() {
    let long = "x".repeat(100);
    assert_eq!(wrap(&format!("a {long} b"), 2), format!("  a\n  {long}\n  b\n"));
    let text = wrap(&"word ".repeat(60), 6);
    assert!(text.lines().all(|line| line.len() <= WIDTH));
}
