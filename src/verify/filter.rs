//! Which files are in the population: globs, sizes and times.
//!
//! A glob matches every Unicode spelling of a name ([`super::spelling`]): what a person types must
//! match what a Mac stored.

use std::borrow::Cow;
use std::path::{Component, Path};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::backup::{Damage, Entry, Needs, PathRoot};
use crate::plan::Filters;
use crate::platform;

use super::{Error, spelling};

/// The plan's filters, compiled.
#[derive(Debug)]
pub struct Filter {
    limits: Filters,
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
    /// Matches folders that contain no file of the population.
    whole_folders: Option<Gitignore>,
    root: PathRoot,
}

impl Filter {
    /// Compiles the globs. They follow gitignore's rules, relative to the backup's root.
    pub fn new(limits: &Filters) -> Result<Self, Error> {
        let include = compile(&limits.include)?;
        let exclude = compile(&limits.exclude)?;
        let whole_folders = compile(&whole_folders(&limits.exclude))?;
        Ok(Self { limits: limits.clone(), include, exclude, whole_folders, root: PathRoot::default() })
    }

    /// The same filter for a backup whose paths begin so.
    #[must_use]
    pub fn for_paths(self, root: PathRoot) -> Self {
        Self { root, ..self }
    }

    /// The metadata that a listing must provide for this filter.
    pub fn needs(&self) -> Needs {
        Needs {
            size: self.limits.min_size.is_some() || self.limits.max_size.is_some(),
            mtime: self.limits.newer_than.is_some() || self.limits.older_than.is_some(),
        }
    }

    /// Whether a file is in the population. An entry whose name is not a valid path always is: it
    /// counts as a file that does not restore. A size or time that the format does not list (a hard
    /// link's, for example) excludes nothing: a file that a limit cannot be applied to stays in.
    pub fn includes(&self, entry: &Entry<'_>) -> bool {
        let limits = &self.limits;
        if !limits.only.is_empty() {
            return self.includes_path(entry.path);
        }
        let size_fits = entry.size.is_none_or(|size| {
            limits.min_size.is_none_or(|least| size >= least)
                && limits.max_size.is_none_or(|most| size <= most)
        });
        let time_fits = entry.mtime.is_none_or(|time| {
            limits.newer_than.is_none_or(|first| time >= first)
                && limits.older_than.is_none_or(|last| time <= last)
        });
        size_fits && time_fits && (entry.problem.is_some() || self.includes_path(entry.path))
    }

    /// Whether a folder of this path may contain files of the population. If that is not certain,
    /// the answer is yes.
    pub fn may_include_below(&self, folder: &[u8]) -> bool {
        let folder = self.root.strip(folder);
        // Single files are judged as in a run over the whole backup, by the newest time in all of it.
        if folder.is_empty() || !self.limits.only.is_empty() {
            return true;
        }
        let folder = &*spelling::composed(folder);
        let path = platform::path_from_bytes(folder);
        let hit = |globs: &Gitignore| globs.matched_path_or_any_parents(&*relative(&path), true).is_ignore();
        let include = &self.limits.include;
        !self.whole_folders.as_ref().is_some_and(hit)
            && (include.is_empty() || include.iter().any(|glob| may_match_below(glob, folder)))
    }

    /// Whether damage may have lost files of the population.
    pub fn concerns(&self, damage: &Damage) -> bool {
        damage.concerns(|path| self.may_include_below(path), |path| self.includes_path(path))
    }

    /// Whether a file of this path passes the globs.
    pub fn includes_path(&self, path: &[u8]) -> bool {
        let only = &self.limits.only;
        if !only.is_empty() {
            return only.binary_search_by(|one| one.as_slice().cmp(path)).is_ok();
        }
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let path = spelling::composed(self.root.strip(path));
        let path = platform::path_from_bytes(&path);
        let hit = |globs: &Gitignore| globs.matched_path_or_any_parents(&*relative(&path), false).is_ignore();
        self.include.as_ref().is_none_or(hit) && !self.exclude.as_ref().is_some_and(hit)
    }
}

/// Globs for folders that are excluded with everything in them: the globs that exclude files, and
/// for `name/*` and `name/**`, which match everything in a folder, the folder itself. Empty if a
/// glob takes back what others exclude.
fn whole_folders(exclude: &[String]) -> Vec<String> {
    if exclude.iter().any(|glob| glob.starts_with('!')) {
        return Vec::new();
    }
    let inside = |glob: &String| {
        let folder = glob.strip_suffix("/**").or_else(|| glob.strip_suffix("/*"))?.trim_start_matches('/');
        (!folder.is_empty()).then(|| format!("/{folder}"))
    };
    exclude.iter().cloned().chain(exclude.iter().filter_map(inside)).collect()
}

/// Whether a glob may match something below `folder`. It cannot if it is bound to the root and
/// begins with other names.
fn may_match_below(glob: &str, folder: &[u8]) -> bool {
    let glob = spelling::composed(glob.as_bytes());
    let glob = String::from_utf8_lossy(&glob);
    let glob = glob.trim_end().trim_end_matches('/');
    if glob.starts_with(['!', '#']) || glob.is_empty() {
        return false;
    }
    let names = glob.trim_start_matches('/').split('/');
    let names = names.take_while(|name| !name.contains(['*', '?', '[', '{', '\\']));
    !glob.contains('/')
        || names.zip(folder.split(|&byte| byte == b'/')).all(|(one, other)| one.as_bytes() == other)
}

/// The matcher does not accept absolute paths. A name that the system takes for one (`C:/x` on
/// Windows) is matched by the part after its root.
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
        let spelled = spelling::composed(glob.as_bytes());
        let spelled = String::from_utf8_lossy(&spelled);
        builder.add_line(None, &spelled).map_err(|source| Error::Glob { glob: glob.clone(), source })?;
    }
    builder.build().map(Some).map_err(|source| Error::Glob { glob: globs.join(" "), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Lost;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let own = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        Filter::new(&Filters { include: own(include), exclude: own(exclude), ..Filters::default() }).unwrap()
    }

    #[test]
    fn globs_follow_gitignore_rules() {
        let filter = filter(&["*.rs", "/docs/"], &["target/", "**/old/*.rs", "!**/old/keep.rs"]);
        assert!(filter.includes_path(b"src/main.rs"));
        assert!(filter.includes_path(b"docs/deep/page.html"));
        assert!(!filter.includes_path(b"src/docs/page.html"), "a leading slash binds to the root");
        assert!(!filter.includes_path(b"target/debug/build.rs"));
        assert!(!filter.includes_path(b"src/old/a.rs"));
        assert!(filter.includes_path(b"src/old/keep.rs"));
    }

    #[test]
    fn a_glob_holds_for_every_spelling_of_a_name() {
        let (composed, decomposed) = ("B\u{fc}ro", "Bu\u{308}ro");
        for (glob, name) in [(composed, decomposed), (decomposed, composed)] {
            let glob = format!("/{glob}/**");
            let (including, excluding) = (filter(&[&glob], &[]), filter(&[], &[&glob]));
            assert!(including.includes_path(format!("{name}/x").as_bytes()));
            assert!(including.may_include_below(name.as_bytes()));
            assert!(!excluding.includes_path(format!("{name}/x").as_bytes()));
            assert!(!excluding.may_include_below(name.as_bytes()));
        }
    }

    #[test]
    fn a_folder_is_ruled_out_only_if_nothing_in_it_can_be_in_the_population() {
        let excluding = filter(&[], &["*.log", "/private/", "cache", "/tmp/*", "run/**"]);
        for folder in ["private", "private/deep", "a/cache", "cache/x", "tmp", "tmp/x", "run", "run/y"] {
            assert!(!excluding.may_include_below(folder.as_bytes()), "{folder}");
        }
        for folder in ["", "a", "a/private", "a/tmp", "a/run", "caches"] {
            assert!(excluding.may_include_below(folder.as_bytes()), "{folder}");
        }
        assert!(filter(&[], &["/private/", "!keep.rs"]).may_include_below(b"private"), "a glob takes back");
        let including = filter(&["/docs/a/", "src/*.rs"], &[]);
        for folder in ["", "docs", "docs/a", "docs/a/b", "src", "src/b.rs"] {
            assert!(including.may_include_below(folder.as_bytes()), "{folder}");
        }
        for folder in ["private", "docs/b", "a/src"] {
            assert!(!including.may_include_below(folder.as_bytes()), "{folder}");
        }
        assert!(filter(&["*.rs"], &[]).may_include_below(b"private"));
        assert!(filter(&["**/a"], &[]).may_include_below(b"private"));
    }

    #[test]
    fn a_size_that_is_not_listed_rules_nothing_out() {
        let limits = Filters { min_size: Some(10), ..Filters::default() };
        let filter = Filter::new(&limits).unwrap();
        assert!(filter.includes(&Entry::named(b"link")));
        assert!(!filter.includes(&Entry { size: Some(9), ..Entry::named(b"small") }));
        assert!(filter.includes(&Entry { size: Some(10), ..Entry::named(b"enough") }));
    }

    #[test]
    fn a_name_that_is_no_path_is_kept_whatever_the_globs() {
        let filter = filter(&["*.rs"], &["evil"]);
        let problem = Some(crate::backup::NameProblem::Parent);
        assert!(filter.includes(&Entry { problem, ..Entry::named(b".///../evil") }));
        assert!(!filter.includes_path(b"/absolute/evil"));
    }

    #[test]
    fn single_files_are_in_the_population_whatever_the_other_filters_say() {
        let limits = Filters {
            exclude: vec!["a".to_owned()],
            min_size: Some(10),
            only: vec![b"a".to_vec(), b"d/b".to_vec()],
            ..Filters::default()
        };
        let filter = Filter::new(&limits).unwrap();
        assert!(filter.includes(&Entry { size: Some(1), ..Entry::named(b"a") }));
        assert!(filter.includes(&Entry::named(b"d/b")));
        assert!(!filter.includes(&Entry { size: Some(99), ..Entry::named(b"d/a") }));
        let problem = Some(crate::backup::NameProblem::Parent);
        assert!(!filter.includes(&Entry { problem, ..Entry::named(b"../evil") }));
        assert!(filter.may_include_below(b"other"), "all is listed, for the newest time in the backup");
    }

    #[test]
    fn a_broken_glob_is_an_error_that_names_it() {
        let limits = Filters { include: vec!["{a".to_owned()], ..Filters::default() };
        assert!(Filter::new(&limits).unwrap_err().to_string().contains("{a"));
    }

    #[test]
    fn what_may_be_a_file_is_left_out_only_by_globs_that_leave_out_the_file() {
        let concerns = |exclude: &str, lost: Lost| {
            filter(&[], &[exclude]).concerns(&Damage::loss(String::new(), Some(lost)))
        };
        for exclude in ["cache/", "cache/*", "*/*"] {
            assert!(concerns(exclude, Lost::Either(b"cache".to_vec())), "{exclude}");
        }
        for exclude in ["cache/", "cache/*", "cache"] {
            assert!(!concerns(exclude, Lost::Folder(b"cache".to_vec())), "{exclude}");
        }
        assert!(!concerns("*.tmp", Lost::Either(b"a/x.tmp".to_vec())));
        assert!(concerns("*.tmp", Lost::Either(b"a/x".to_vec())));
    }
}
