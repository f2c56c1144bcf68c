use super::*;
use crate::report::samples;
use crate::verify::counts::Counts;
use crate::verify::outcome::Outcome;

fn shown_as(outcome: &Outcome, style: &SummaryStyle) -> String {
    render(&Model::new(&samples::plan(), Ok(outcome)), style)
}

fn shown(outcome: &Outcome) -> String {
    shown_as(outcome, &SummaryStyle::default())
}

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
    assert_eq!(shown(&samples::passed()), expected);
}

#[test]
fn a_failure_lists_each_bad_file_with_its_reason_and_escapes_its_name() {
    let expected = "\
FAIL  498 of 500 identical, 2 bad in the backup; 500 of 503 drawn could be
      compared.
      With 95% confidence, of the files whose originals have not been modified
      since the backup, at most 123 are bad (1.24% of up to 9,997).
      3 of 503 drawn (about 1%) could not be compared: 3 apparently modified
      since the backup. Nothing is claimed about such files.

Bad in the backup:
  corrupt: docs/re\\x1b[31mport\\xff.odt
      differs from byte 1,048,576 on: 512 bytes in 1 block, overwritten with
      zeros; the original is as old as the backup says
  restore-failed: photos/a\\x0a.jpg
      the checksum stored in the backup does not match
";
    let quiet = SummaryStyle { quiet: true, ..SummaryStyle::default() };
    assert_eq!(shown_as(&samples::failed(), &quiet), expected);
    assert!(shown(&samples::failed()).starts_with(expected));
}

#[test]
fn an_incomplete_run_says_why_and_what_was_proven_before() {
    let text = shown(&samples::cut_short());
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
fn a_run_that_ended_during_the_listing_claims_nothing_about_the_whole_backup() {
    let text = shown(&samples::interrupted());
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
    let text = shown(&outcome);
    assert!(text.starts_with(
        "INCOMPLETE  No file could be compared.\n            The run was interrupted before anything was listed.\n"
    ));
}

#[test]
fn files_that_cannot_be_listed_are_not_in_the_statement() {
    let mut outcome = samples::passed();
    outcome.damage = vec!["folder x cannot be listed".to_owned()];
    let text = shown(&outcome);
    assert!(text.contains("of the files that can be listed and whose originals"), "{text}");
}

#[test]
fn an_empty_backup_proves_nothing() {
    let text = shown(&samples::empty());
    assert!(
        text.starts_with("INCOMPLETE  There is no file to verify.\n            This proves nothing.\n\n")
    );
}

#[test]
fn the_worst_run_still_fits_two_screens_and_a_common_failure_one() {
    let lines = |outcome: Outcome| shown(&outcome).lines().count();
    assert!(lines(samples::failed()) <= 24);
    // A Linux text console has 25 lines.
    assert!(lines(samples::disaster()) <= 50);
    let mut many = samples::failed();
    many.findings = (0..700).map(|n| samples::finding(format!("{n}").as_bytes(), Verdict::Corrupt)).collect();
    assert!(lines(many) <= 24);
}

#[test]
fn sentences_keep_to_the_width() {
    for outcome in samples::all() {
        let text = shown(&outcome);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}

#[test]
fn a_seed_with_spaces_is_quoted() {
    let mut outcome = samples::passed();
    outcome.sample.seed = "two words".to_owned();
    assert!(shown(&outcome).contains("--seed \"two words\"\n"));
}

#[test]
fn originals_that_cannot_be_read_are_named() {
    let mut outcome = samples::passed();
    outcome.counts.add(Verdict::Unreadable, false);
    outcome.findings = vec![samples::finding(b"secret", Verdict::Unreadable)];
    assert!(shown(&outcome).contains("\n  unreadable: secret\n"));
}

#[test]
fn lines_that_do_not_fit_are_counted_and_the_full_list_is_named() {
    let outcome = samples::disaster();
    assert!(shown(&outcome).contains("  and 59 more, see --json\n"));
    let style = SummaryStyle { see: "/var/report.json".to_owned(), ..SummaryStyle::default() };
    assert!(shown_as(&outcome, &style).contains("  and 59 more, see /var/report.json\n"));
}

#[test]
fn colour_marks_only_the_verdict_and_changes_no_word() {
    for outcome in samples::all() {
        let plain = shown(&outcome);
        let colored = shown_as(&outcome, &SummaryStyle { color: true, ..SummaryStyle::default() });
        assert_eq!(colored.matches('\x1b').count(), 2);
        assert!(!plain.contains('\x1b'), "names are escaped");
        assert!(colored.ends_with(&plain[plain.find(' ').unwrap()..]));
    }
}

#[test]
fn a_word_wider_than_the_line_has_a_line_of_its_own() {
    let long = "x".repeat(100);
    assert_eq!(wrap(&format!("a {long} b"), 2, WIDTH), format!("  a\n  {long}\n  b\n"));
    let text = wrap(&"word ".repeat(60), 6, WIDTH);
    assert!(text.lines().all(|line| line.len() <= WIDTH));
}

#[test]
fn a_run_that_could_not_begin_says_why_and_what_to_do() {
    let failure = crate::report::Failure { hint: Some("one\ntwo".to_owned()), ..samples::failure() };
    let model = Model::new(&samples::plan(), Err(&failure));
    let expected = "\
ERROR  cannot open the backup /srv/backup/data.tar.gz: no such file
       one
       two
";
    assert_eq!(render(&model, &SummaryStyle::default()), expected);
}

#[test]
fn a_report_that_was_read_back_renders_the_same_and_cannot_command_the_terminal() {
    for outcome in samples::all() {
        let model = Model::new(&samples::plan(), Ok(&outcome));
        let text = serde_json::to_string(&model).unwrap();
        let style = SummaryStyle::default();
        assert_eq!(render(&Model::read(&text).unwrap(), &style), render(&model, &style));
        // An attacker may have written the report by hand.
        let hostile = text.replace("/srv", "\\u001b[2J\\n\\u202e").replace("log/", "\\u009b");
        let shown = render(&Model::read(&hostile).unwrap(), &style);
        assert!(!shown.chars().any(|each| each != '\n' && each.is_control()), "{shown:?}");
        assert_eq!(shown.lines().count(), render(&model, &style).lines().count());
    }
}

#[test]
fn the_summary_is_as_wide_as_the_terminal_but_at_most_100_columns() {
    assert_eq!([None, Some(72), Some(100), Some(250), Some(3)].map(width), [80, 72, 100, 100, 40]);
    let wide =
        shown_as(&samples::cut_short(), &SummaryStyle { width: width(Some(250)), ..SummaryStyle::default() });
    assert!(wide.lines().any(|line| line.chars().count() > 80), "{wide}");
}

#[test]
fn a_narrower_terminal_gets_shorter_lines() {
    let text = shown_as(&samples::cut_short(), &SummaryStyle { width: 60, ..SummaryStyle::default() });
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
}
