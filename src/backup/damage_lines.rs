//! A list of damage that stays short enough for a report.
//!
//! A container with a million damaged records must not make a report of a million lines, nor take
//! the memory for it. So only the first lines are kept, and one more stands for all that follow. It
//! says of no path that the loss ends there, because nobody can tell any more.

use super::Damage;

/// As many lines are kept unless a format says otherwise.
const MOST: usize = 50;

/// Damage, capped.
#[derive(Debug)]
pub(super) struct DamageLines {
    lines: Vec<Damage>,
    most: usize,
    /// Stands for all that are not kept.
    more: &'static str,
    rest: Option<Damage>,
    /// Kept whatever their number.
    last: Vec<Damage>,
}

impl DamageLines {
    /// None yet; `more` is what the line says that stands for those that are not kept.
    pub(super) fn new(more: &'static str) -> Self {
        Self::up_to(MOST, more)
    }

    /// The same for up to `most` lines.
    pub(super) fn up_to(most: usize, more: &'static str) -> Self {
        Self { lines: Vec::new(), most, more, rest: None, last: Vec::new() }
    }

    /// Adds one, or counts it among those that are not kept.
    pub(super) fn note(&mut self, damage: impl Into<Damage>) {
        let damage = damage.into();
        if self.lines.len() < self.most {
            self.lines.push(damage);
        } else {
            // More rights help only if they help with all of them.
            let denied = damage.denied && self.rest.as_ref().is_none_or(|rest| rest.denied);
            self.rest = Some(Damage { denied, ..self.more.to_owned().into() });
        }
    }

    /// Adds what ends the list, and is kept in any case.
    pub(super) fn end_with(&mut self, damage: impl IntoIterator<Item = impl Into<Damage>>) {
        self.last.extend(damage.into_iter().map(Into::into));
    }

    /// All lines, in the order in which they came.
    pub(super) fn into_lines(self) -> Vec<Damage> {
        self.lines.into_iter().chain(self.rest).chain(self.last).collect()
    }

    /// The same, those that were noted in the order of their words.
    pub(super) fn into_sorted_lines(mut self) -> Vec<Damage> {
        self.lines.sort_by(|one, other| one.problem.cmp(&other.problem));
        self.into_lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(lines: Vec<Damage>) -> Vec<String> {
        lines.into_iter().map(|damage| damage.problem).collect()
    }

    #[test]
    fn one_line_stands_for_all_beyond_the_limit_and_the_end_is_told_all_the_same() {
        let mut lines = DamageLines::new("more");
        (0..49).for_each(|number| lines.note(format!("{number:02}")));
        lines.end_with(Some("cut off".to_owned()));
        let few = problems(lines.into_lines());
        assert_eq!((few.len(), &few[48..]), (50, &["48".to_owned(), "cut off".to_owned()][..]));
        let mut lines = DamageLines::new("more");
        (0..1000).for_each(|number| lines.note(format!("{number:03}")));
        lines.end_with(Some("cut off".to_owned()));
        let many = problems(lines.into_lines());
        assert_eq!((many.len(), &many[50..]), (52, &["more".to_owned(), "cut off".to_owned()][..]));
    }

    #[test]
    fn the_line_for_the_rest_says_that_rights_are_missing_only_if_that_is_true_of_all() {
        let denied = |denied| Damage { denied, ..Damage::from("folder".to_owned()) };
        for rest in [[true, true], [true, false], [false, true]] {
            let mut lines = DamageLines::up_to(1, "more");
            lines.note(denied(true));
            rest.into_iter().for_each(|is_denied| lines.note(denied(is_denied)));
            let lines = lines.into_sorted_lines();
            assert_eq!((lines.len(), lines[1].denied), (2, rest == [true, true]));
        }
    }
}
