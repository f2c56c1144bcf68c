//! The flags and keys that say where reports go: one for each renderer there is, so that a new one
//! needs nothing here.

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::layer::Layer;
use super::paths::Base;
use crate::output::Output;
use crate::plan::ReportOutput;
use crate::report::RENDERERS;

/// The heading of the flags.
pub const HEADING: &str = "Reports";

/// Which reports are written, and where; in the order of the renderers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportSettings(pub Vec<ReportOutput>);

impl ReportSettings {
    /// Adds what `of` says, renderer by renderer.
    pub fn gather<E>(of: impl Fn(&str) -> Result<Option<Output>, E>) -> Result<Self, E> {
        let mut found = Vec::new();
        for renderer in RENDERERS {
            let output = of(renderer.name)?;
            found.extend(output.map(|output| renderer.to(output)));
        }
        Ok(Self(found))
    }

    /// Where this renderer's report goes.
    pub fn of(&self, renderer: &str) -> Option<&Output> {
        self.0.iter().find(|report| report.renderer == renderer).map(|report| &report.output)
    }

    /// This layer over a lower one.
    fn laid_over(&self, lower: &Self) -> Self {
        let both = RENDERERS.iter().filter_map(|renderer| {
            let output = self.of(renderer.name).or_else(|| lower.of(renderer.name))?;
            Some(renderer.to(output.clone()))
        });
        Self(both.collect())
    }
}

impl Layer for ReportSettings {
    fn over(self, lower: Self) -> Self {
        self.laid_over(&lower)
    }

    fn locate(&mut self, base: Base<'_>) {
        for report in &mut self.0 {
            report.output = located(&report.output, base);
        }
    }
}

/// The same output with an absolute path. Standard output stays what it is.
pub fn located(output: &Output, base: Base<'_>) -> Output {
    output.file().map_or(Output::Stdout, |path| Output::File(base.absolute(path)))
}

/// An [`Output`] as clap reads it: `-` or a path.
pub fn output_parser() -> impl TypedValueParser<Value = Output> {
    OsStringValueParser::new().try_map(|text| match text.is_empty() {
        true => Err("the path is empty"),
        false => Ok(Output::from(text)),
    })
}

impl Args for ReportSettings {
    fn augment_args(command: Command) -> Command {
        let flags = RENDERERS.iter().map(|renderer| {
            Arg::new(renderer.name)
                .long(renderer.name)
                .value_name("FILE")
                .help(renderer.summary)
                .help_heading(HEADING)
                .value_parser(output_parser())
        });
        command.args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ReportSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::gather(|name| Ok(matches.get_one::<Output>(name).cloned()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?.laid_over(self);
        Ok(())
    }
}
