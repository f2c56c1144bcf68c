//! Tests of both files together: what people write in either file survives every later run.

use proptest::prelude::*;

use super::*;

const DAY: &str = "2026-11-20";

fn found(names: &[&str]) -> Vec<Discovered> {
    names.iter().map(|name| Discovered { name: (*name).to_owned(), path: format!("/srv/{name}") }).collect()
}

/// One run of the check on the files in `folder`.
fn run(folder: &Path, names: &[&str]) -> Table {
    let mut files = Files::read(folder).unwrap();
    let last = files.last.clone();
    update(&mut files.table, &last, &found(names), DAY, |path| format!("looked at {path}"));
    let table = files.table.clone();
    files.write().unwrap();
    table
}

fn edit_markdown(folder: &Path, change: impl FnOnce(&mut markdown::TableDocument)) {
    let place = folder.join(MARKDOWN);
    let mut document = markdown::parse(&std::fs::read_to_string(&place).unwrap()).unwrap();
    change(&mut document);
    std::fs::write(place, markdown::render(&document)).unwrap();
}

fn edit_csv(folder: &Path, change: impl FnOnce(&mut Table)) {
    let place = folder.join(CSV);
    let (style, mut table) = csv::parse(&std::fs::read_to_string(&place).unwrap()).unwrap();
    change(&mut table);
    std::fs::write(place, csv::render(&style, &table)).unwrap();
}

#[test]
fn new_rows_are_added_at_the_end_and_rows_of_removed_applications_keep_their_notes() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["a", "b"]);
    edit_markdown(folder.path(), |document| document.table.rows[0].notes = "call Ann".into());
    let table = run(folder.path(), &["b", "c"]);
    let shown: Vec<_> =
        table.rows.iter().map(|row| (row.name.as_str(), row.notes.as_str(), row.found.as_str())).collect();
    let expected = [
        ("a", "call Ann", "gone since 2026-11-20; looked at /srv/a"),
        ("b", "", "looked at /srv/b"),
        ("c", "", "looked at /srv/c"),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn edits_in_both_files_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["a", "b"]);
    edit_markdown(folder.path(), |document| {
        document.table.rows[0].notes = "from the editor".into();
        document.before.push_str("My own words.\n\n");
    });
    edit_csv(folder.path(), |table| {
        table.rows[0].notes = "from the sheet".into();
        table.rows[1].notes = "only here".into();
        table.rows.push(Row { name: "Paper files".into(), notes: "in the cellar".into(), ..Row::default() });
    });
    let table = run(folder.path(), &["a", "b"]);
    assert_eq!(table.rows[0].notes, "from the editor\nfrom the sheet");
    assert_eq!(table.rows[1].notes, "only here");
    assert_eq!(table.rows[2].name, "Paper files");
    assert!(table.rows[2].found.starts_with("written by hand"));
    let text = std::fs::read_to_string(folder.path().join(MARKDOWN)).unwrap();
    assert!(text.contains("My own words.\n"));
}

#[test]
fn a_deleted_row_stays_only_if_it_was_edited_in_the_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let hand = |name: &str| Row { name: name.into(), ..Row::default() };
    run(folder.path(), &[]);
    edit_csv(folder.path(), |table| table.rows.extend([hand("x"), hand("y")]));
    run(folder.path(), &[]);
    edit_markdown(folder.path(), |document| document.table.rows.clear());
    edit_csv(folder.path(), |table| table.rows[1].notes = "still needed".into());
    let names: Vec<String> = run(folder.path(), &[]).rows.into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["y"]);
}

#[test]
fn a_file_that_is_not_the_table_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(MARKDOWN);
    std::fs::write(&place, "# something else\n").unwrap();
    assert!(Files::read(folder.path()).is_err());
    std::fs::write(&place, b"\xff\xfe\0").unwrap();
    assert!(Files::read(folder.path()).is_err());
    assert_eq!(std::fs::read(&place).unwrap(), b"\xff\xfe\0");
}

#[test]
fn files_deleted_by_mistake_are_restored_with_their_notes() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["a"]);
    edit_csv(folder.path(), |table| table.rows[0].notes = "precious".into());
    run(folder.path(), &["a"]);
    std::fs::remove_file(folder.path().join(CSV)).unwrap();
    std::fs::remove_file(folder.path().join(MARKDOWN)).unwrap();
    assert_eq!(run(folder.path(), &["a"]).rows[0].notes, "precious");
}

#[test]
fn a_persons_row_without_a_path_stays_beside_the_found_row_of_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[]);
    let by_hand = Row { name: "c".into(), notes: "mine".into(), ..Row::default() };
    edit_markdown(folder.path(), |document| document.table.rows.push(by_hand));
    let table = run(folder.path(), &["c"]);
    let shown: Vec<_> = table.rows.iter().map(|row| (row.path.as_str(), row.notes.as_str())).collect();
    assert_eq!(shown, [("", "mine"), ("/srv/c", "")]);
}

/// The applications that come and go on the machine.
const INSTALLABLE: [&str; 4] = ["a", "b", "c", "d"];

/// One thing a person does between two runs.
#[derive(Debug, Clone)]
enum Edit {
    /// Writes a note, in the CSV file (`sheet`) or in the Markdown file.
    Note { sheet: bool, row: usize, text: String },
    /// Adds a row in one of the files.
    Add { sheet: bool, name: String, text: String },
    /// Writes text above or below the table.
    Around { above: bool, text: String },
    /// Installs or removes applications.
    Machine(Vec<bool>),
}

/// Text with everything that either format treats specially.
fn text() -> impl Strategy<Value = String> {
    "(\\PC|[|\\\\<br>&;,\"'\n\r\t#*_` -]){1,30}".prop_filter("says something", |text| !tidy(text).is_empty())
}

/// The name of a row that a person adds. A row of that name that is found later is a row of its
/// own, because it has a path: a test above. Here it would only make the model ambiguous.
fn name() -> impl Strategy<Value = String> {
    text().prop_filter("is no application", |name| !INSTALLABLE.contains(&tidy(name).as_str()))
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<bool>(), any::<usize>(), text()).prop_map(|(sheet, row, text)| Edit::Note { sheet, row, text }),
        2 => (any::<bool>(), name(), text()).prop_map(|(sheet, name, text)| Edit::Add { sheet, name, text }),
        1 => (any::<bool>(), "[a-z #*]{1,20}").prop_map(|(above, text)| Edit::Around { above, text }),
        2 => proptest::collection::vec(any::<bool>(), 4).prop_map(Edit::Machine),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ten_edits_and_runs_lose_no_character_of_a_persons_notes(edits in proptest::collection::vec(edit(), 10)) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut installed: Vec<&str> = INSTALLABLE[..2].to_vec();
        // What the person's columns must contain, row by row.
        let mut expected: Vec<(String, String)> =
            run(folder, &installed).rows.into_iter().map(|row| (row.name, row.notes)).collect();
        let (mut above, mut below) = (String::new(), String::new());
        for edit in edits {
            match edit {
                Edit::Note { sheet, row, text } if !expected.is_empty() => {
                    let row = row % expected.len();
                    expected[row].1 = tidy(&text);
                    if sheet {
                        edit_csv(folder, |table| table.rows[row].notes = text);
                    } else {
                        edit_markdown(folder, |document| document.table.rows[row].notes = text);
                    }
                }
                Edit::Note { .. } => {}
                Edit::Add { sheet, name, text } => {
                    expected.push((tidy(&name), tidy(&text)));
                    let row = Row { name, notes: text, ..Row::default() };
                    if sheet {
                        edit_csv(folder, |table| table.rows.push(row));
                    } else {
                        edit_markdown(folder, |document| document.table.rows.push(row));
                    }
                }
                Edit::Around { above: true, text } => {
                    above.push_str(&format!("{text}\n\n"));
                    edit_markdown(folder, |document| document.before.push_str(&format!("{text}\n\n")));
                }
                Edit::Around { above: false, text } => {
                    below.push_str(&format!("\n{text}\n"));
                    edit_markdown(folder, |document| document.after.push_str(&format!("\n{text}\n")));
                }
                Edit::Machine(flags) => {
                    installed = INSTALLABLE.iter().zip(flags).filter(|(_, on)| *on).map(|(name, _)| *name).collect();
                }
            }
            let table = run(folder, &installed);
            for name in &installed {
                if !expected.iter().any(|(known, _)| known == name) {
                    expected.push(((*name).to_owned(), String::new()));
                }
            }
            let mut shown: Vec<_> = table.rows.iter().map(|row| (row.name.clone(), row.notes.clone())).collect();
            let mut wanted = expected.clone();
            shown.sort();
            wanted.sort();
            prop_assert_eq!(&shown, &wanted);
            // The order may differ only if new rows were added at the end. Go on with the order in
            // the files.
            expected = table.rows.iter().map(|row| (row.name.clone(), row.notes.clone())).collect();
            let document = markdown::parse(&std::fs::read_to_string(folder.join(MARKDOWN)).unwrap()).unwrap();
            prop_assert!(document.before.ends_with(&above));
            prop_assert_eq!(&document.after, &below);
            prop_assert_eq!(&document.table.rows, &csv::parse(&std::fs::read_to_string(folder.join(CSV)).unwrap()).unwrap().1.rows);
        }
    }
}
