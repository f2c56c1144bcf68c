//! Paths as a person writes them: relative to a folder, or below the home folder as `~/x`.
//!
//! Shells expand `~` at the beginning of a word, but not in `--backup=~/x`, not in a configuration
//! file, and not on Windows. So it is expanded here, for flags and configuration alike. `~` stands
//! for the home folder only as a whole first component: `~other` and `./~` are ordinary names.

use std::path::{Path, PathBuf};

/// Where the paths that a person writes start.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// Relative paths start here.
    pub folder: &'a Path,
    /// What `~` stands for; without one it is an ordinary name.
    pub home: Option<&'a Path>,
}

impl Base<'_> {
    /// The absolute path that is meant, without `.` components. Links are not looked at.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let below_home = self.home.and_then(|home| Some((home, path.strip_prefix("~").ok()?)));
        let path = match below_home {
            Some((home, rest)) => home.join(rest),
            None => self.folder.join(path),
        };
        path.components().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_at_the_folder_and_a_tilde_at_the_home_folder() {
        let base = Base { folder: Path::new("/here"), home: Some(Path::new("/home/me")) };
        for (written, meant) in [
            ("a/./b", "/here/a/b"),
            ("/abs", "/abs"),
            ("~", "/home/me"),
            ("~/x/y", "/home/me/x/y"),
            ("~other/x", "/here/~other/x"),
            ("./~/x", "/here/~/x"),
            ("a/~", "/here/a/~"),
        ] {
            assert_eq!(base.absolute(Path::new(written)), Path::new(meant), "{written}");
        }
        let homeless = Base { home: None, ..base };
        assert_eq!(homeless.absolute(Path::new("~/x")), Path::new("/here/~/x"));
    }
}
