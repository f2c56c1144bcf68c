//! Which files are in the population: globs, sizes and times.

use std::borrow::Cow;
use std::path::{Component, Path};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::backup::{Entry, Needs};
use crate::plan::Filters;
use crate::platform;

use super::Error;

/// The plan's filters, compiled.
#[derive(Debug)]
pub struct Filter {
    limits: Filters,
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Filter {
    /// Compiles the globs; gitignore's rules hold, read from the backup's root.
    pub fn new(limits: &Filters) -> Result<Self, Error> {
        let include = compile(&limits.include)?;
        let exclude = compile(&limits.exclude)?;
        Ok(Self { limits: limits.clone(), include, exclude })
    }

    /// What a listing must tell for this filter.
    pub fn needs(&self) -> Needs {
        Needs {
            size: self.limits.min_size.is_some() || self.limits.max_size.is_some(),
            mtime: self.limits.newer_than.is_some() || self.limits.older_than.is_some(),
        }
    }

    /// Whether a file is in the population. An entry whose name is no path always is: it will not restore. A size or time that the format does not list (a hard link's, say) rules
    /// nothing out: a file that cannot be judged by a limit stays in.
    pub fn keeps(&self, entry: &Entry<'_>) -> bool {
        let limits = &self.limits;
        let size_fits = entry.size.is_none_or(|size| {
            limits.min_size.is_none_or(|least| size >= least)
                && limits.max_size.is_none_or(|most| size <= most)
        });
        let time_fits = entry.mtime.is_none_or(|time| {
            limits.newer_than.is_none_or(|first| time >= first)
                && limits.older_than.is_none_or(|last| time <= last)
        });
        size_fits && time_fits && (entry.problem.is_some() || self.keeps_name(entry.path))
    }

    /// Whether a file of this path passes the globs.
    pub fn keeps_name(&self, path: &[u8]) -> bool {
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let path = platform::path_from_bytes(path);
        let hit = |globs: &Gitignore| globs.matched_path_or_any_parents(&*relative(&path), false).is_ignore();
        self.include.as_ref().is_none_or(hit) && !self.exclude.as_ref().is_some_and(hit)
    }
}

/// The matcher takes no absolute path: a name that the system takes for one (`C:/x` on Windows) matches by what follows its root.
fn relative(path: &Path) -> Cow<'_, Path> {
    let is_plain = |component: &Component<'_>| matches!(component, Component::Normal(_));
    if path.components().all(|component| is_plain(&component)) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(path.components().filter(is_plain).collect())
}

fn compile(globs: &[String]) -> Result<Option<Gitignore>, Error> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("");
    for glob in globs {
        builder.add_line(None, glob).map_err(|source| Error::Glob { glob: glob.clone(), source })?;
    }
    builder.build().map(Some).map_err(|source| Error::Glob { glob: globs.join(" "), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let own = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        Filter::new(&Filters { include: own(include), exclude: own(exclude), ..Filters::default() }).unwrap()
    }

    #[test]
    fn globs_follow_gitignore_rules() {
        let filter = filter(&["*.rs", "/docs/"], &["target/", "**/old/*.rs", "!**/old/keep.rs"]);
        assert!(filter.keeps_name(b"src/main.rs"));
        assert!(filter.keeps_name(b"docs/deep/page.html"));
        assert!(!filter.keeps_name(b"src/docs/page.html"), "a leading slash binds to the root");
        assert!(!filter.keeps_name(b"target/debug/build.rs"));
        assert!(!filter.keeps_name(b"src/old/a.rs"));
        assert!(filter.keeps_name(b"src/old/keep.rs"));
    }

    #[test]
    fn a_size_that_is_not_listed_rules_nothing_out() {
        let limits = Filters { min_size: Some(10), ..Filters::default() };
        let filter = Filter::new(&limits).unwrap();
        assert!(filter.keeps(&Entry::named(b"link")));
        assert!(!filter.keeps(&Entry { size: Some(9), ..Entry::named(b"small") }));
        assert!(filter.keeps(&Entry { size: Some(10), ..Entry::named(b"enough") }));
    }

    #[test]
    fn a_name_that_is_no_path_is_kept_whatever_the_globs() {
        let filter = filter(&["*.rs"], &["evil"]);
        let problem = Some(crate::backup::NameProblem::Parent);
        assert!(filter.keeps(&Entry { problem, ..Entry::named(b".///../evil") }));
        assert!(!filter.keeps_name(b"/absolute/evil"));
    }

    #[test]
    fn a_broken_glob_is_an_error_that_names_it() {
        let limits = Filters { include: vec!["{a".to_owned()], ..Filters::default() };
        assert!(Filter::new(&limits).unwrap_err().to_string().contains("{a"));
    }
}
