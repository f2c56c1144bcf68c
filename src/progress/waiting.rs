//! What a watching person sees while checks of the checklist are under way: a spinner with their
//! names, on standard error. It is gone when this is dropped, and nothing is drawn where standard
//! error is no terminal.

use indicatif::ProgressBar;

use super::bars::{keep_drawing, style};

pub(super) const TEMPLATE: &str = "{spinner} {elapsed} {wide_msg}";

/// A spinner that names what is waited for.
#[derive(Debug)]
pub struct Waiting(ProgressBar);

impl Waiting {
    /// Begins to draw.
    pub fn new() -> Self {
        let bar = ProgressBar::no_length().with_style(style(TEMPLATE));
        keep_drawing(&bar);
        Self(bar)
    }

    /// These are under way now.
    pub fn on(&self, names: &[&str]) {
        self.0.set_message(format!("waiting for {}", names.join(", ")));
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
