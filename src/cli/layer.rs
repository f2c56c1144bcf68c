//! How layers of settings are laid over each other, and the macro that declares a setting once.
//!
//! [`settings!`] takes the declaration of all settings: for each its help, its flag, how a
//! configuration holds it, an example, and what a resolved plan says of it. Out come the struct for
//! clap and serde, the merging, the handling of relative paths, and the table that `bkverify plan`
//! and `bkverify init` print from.
//!
//! Crates that derive the merging alone (`merge`, `conflate`) were looked at: they would leave the
//! examples and what `plan` prints in lists of their own, which is where settings were forgotten.
//! The JSON report is no part of this: its form is a promise to other programs, with a schema.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::paths::Base;
use super::values::{
    Address, Limit, Password, Percent, Sample, Share, Size, Source, StateFolder, StrategyName, Threads, When,
};
use crate::backup::registry;
use crate::plan::{Algorithm, CachePolicy, Keep, Map};
use crate::secret::Secret;

/// One value of a setting.
pub trait Value {
    /// Makes the paths in it absolute.
    fn locate(&mut self, _: Base<'_>) {}
}

/// A setting in one layer: set, or left to the layer below.
pub trait Layer: Sized {
    /// This layer's answer, or else that of the layer below. A list replaces a list as a whole.
    #[must_use]
    fn over(self, lower: Self) -> Self;

    /// Makes the paths in it absolute.
    fn locate(&mut self, base: Base<'_>);
}

impl<T: Value> Layer for Option<T> {
    fn over(self, lower: Self) -> Self {
        self.or(lower)
    }

    fn locate(&mut self, base: Base<'_>) {
        self.iter_mut().for_each(|value| value.locate(base));
    }
}

impl<T: Value> Layer for Vec<T> {
    fn over(self, lower: Self) -> Self {
        if self.is_empty() { lower } else { self }
    }

    fn locate(&mut self, base: Base<'_>) {
        self.iter_mut().for_each(|value| value.locate(base));
    }
}

impl Value for PathBuf {
    fn locate(&mut self, base: Base<'_>) {
        *self = base.absolute(self);
    }
}

impl Value for Address {
    fn locate(&mut self, base: Base<'_>) {
        // What is no path of this machine stays as it is.
        self.0 = registry::absolute(&self.0, base.folder, |path| base.absolute(path));
    }
}

impl Value for Password {
    fn locate(&mut self, base: Base<'_>) {
        match self {
            Self::At(Secret::File(path)) => *path = base.absolute(path),
            // A plain name is looked for where the system looks for programs.
            Self::At(Secret::Command(command)) => {
                if let Some(program) = command.first_mut()
                    && Path::new(&*program).components().count() > 1
                {
                    *program = base.absolute(Path::new(&*program)).into_os_string();
                }
            }
            Self::At(Secret::None | Secret::Env(_)) | Self::Unusable => {}
        }
    }
}

impl Value for Source {
    fn locate(&mut self, base: Base<'_>) {
        if !self.is_none() {
            self.0 = base.absolute(&self.0);
        }
    }
}

impl Value for Map {
    fn locate(&mut self, base: Base<'_>) {
        self.to = base.absolute(&self.to);
    }
}

impl Value for StateFolder {
    fn locate(&mut self, base: Base<'_>) {
        if let Self::Folder(folder) = self {
            *folder = base.absolute(folder);
        }
    }
}

/// Values without paths.
macro_rules! without_paths {
    ($($kind:ty),*) => { $(impl Value for $kind {})* };
}

without_paths!(
    bool,
    u64,
    String,
    Duration,
    Sample,
    Percent,
    Share,
    Size,
    StrategyName,
    Limit,
    When,
    Threads,
    Algorithm,
    CachePolicy,
    Keep
);

/// Declares the settings; see the module's documentation. Each is written as
///
/// ```text
/// /// Help, without a full stop
/// #[arg(long, value_name = "SIZE", help_heading = HOW)]
/// #[serde(deserialize_with = "parsed")]
/// budget: Option<Size> {
///     example: "\"50GiB\"",
///     plan: |plan| show::size(plan.limits.budget),
/// }
/// ```
///
/// What is `flattened` are settings that a list elsewhere declares: the reports.
///
/// The example is TOML. `plan` gives the lines of `bkverify plan`: none where the setting says
/// nothing about this run.
macro_rules! settings {
    (
        $(#[$outer:meta])*
        pub struct $name:ident { $(
            $(#[$meta:meta])*
            $field:ident: $kind:ty { example: $example:literal, plan: $plan:expr, }
        )* }
        flattened { $(
            $(#[$flat_meta:meta])*
            $flat:ident: $flat_kind:ty,
        )* }
    ) => {
        $(#[$outer])*
        pub struct $name { $(
            $(#[$meta])*
            pub $field: $kind,
        )* $(
            $(#[$flat_meta])*
            pub $flat: $flat_kind,
        )* }

        impl $name {
            /// What is declared of each setting, in order.
            const DECLARED: &[(&str, &str, fn(&Plan) -> Vec<String>)] = &[$(
                (stringify!($field), $example, $plan),
            )*];

            /// Each setting of this layer, or else of the one below.
            fn merged(self, lower: Self) -> Self {
                Self {
                    $($field: Layer::over(self.$field, lower.$field),)*
                    $($flat: Layer::over(self.$flat, lower.$flat),)*
                }
            }

            /// Makes all paths absolute.
            #[must_use]
            pub fn located(mut self, base: Base<'_>) -> Self {
                $(Layer::locate(&mut self.$field, base);)*
                $(Layer::locate(&mut self.$flat, base);)*
                self
            }
        }
    };
}

pub(super) use settings;
