//! A list of damage that stays short enough for a report.
//!
//! A container with a million damaged records must not produce a report of a million lines, nor
//! take the memory for them. So only the first lines are stored, and one more line stands for all
//! others. That line names no path, because the damage it stands for can be anywhere.

use super::{Damage, DamageKind};

/// The number of lines that are stored unless a format sets another limit.
const MOST: usize = 50;

/// Damage lines, up to a limit.
#[derive(Debug)]
pub(super) struct DamageLines {
    lines: Vec<Damage>,
    most: usize,
    /// The text of the line that stands for all lines beyond the limit.
    more: &'static str,
    rest: Option<Damage>,
    /// Lines that are stored whatever their number.
    last: Vec<Damage>,
}

impl DamageLines {
    /// An empty list. `more` is the text of the line that stands for all lines beyond the limit.
    pub(super) fn new(more: &'static str) -> Self {
        Self::up_to(MOST, more)
    }

    /// An empty list with a limit of `most` lines.
    pub(super) fn up_to(most: usize, more: &'static str) -> Self {
        Self { lines: Vec::new(), most, more, rest: None, last: Vec::new() }
    }

    /// Adds one damage. Beyond the limit, only the line that stands for the rest is added.
    pub(super) fn note(&mut self, damage: impl Into<Damage>) {
        let damage = damage.into();
        if self.lines.len() < self.most {
            self.lines.push(damage);
        } else {
            // The rest is a gap only if all of it is.
            let known = self.rest.as_ref().map_or(DamageKind::Gap, |rest| rest.kind);
            let kind = if known == DamageKind::Gap { damage.kind } else { known };
            self.rest = Some(Damage { kind, ..self.more.to_owned().into() });
        }
    }

    /// Adds damage that is listed last and does not count towards the limit.
    pub(super) fn end_with(&mut self, damage: impl IntoIterator<Item = impl Into<Damage>>) {
        self.last.extend(damage.into_iter().map(Into::into));
    }

    /// All lines, in the order in which they were added.
    pub(super) fn into_lines(self) -> Vec<Damage> {
        self.lines.into_iter().chain(self.rest).chain(self.last).collect()
    }

    /// All lines, with those that were noted sorted by their text.
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
    fn one_line_stands_for_all_beyond_the_limit_and_the_last_lines_are_always_listed() {
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
    fn the_line_for_the_rest_is_a_gap_only_if_all_of_the_rest_is() {
        use DamageKind::{Gap, Loss};
        let damage = |kind| Damage { kind, ..Damage::from("folder".to_owned()) };
        for rest in [[Gap, Gap], [Gap, Loss], [Loss, Gap]] {
            let mut lines = DamageLines::up_to(1, "more");
            lines.note(damage(Gap));
            rest.into_iter().for_each(|kind| lines.note(damage(kind)));
            let lines = lines.into_sorted_lines();
            let expected = if rest == [Gap, Gap] { Gap } else { Loss };
            assert_eq!((lines.len(), lines[1].kind), (2, expected));
        }
    }
}
