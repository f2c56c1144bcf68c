//! The tables `[commands.NAME]` of the configuration: commands that list and restore the files of a
//! backup that another program made. There are no flags for them: what runs as root stands in a file
//! that root wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::error::Error;
use super::fields::Fields;
use super::paths::Base;
use super::source::Source;
use super::values::Limit;
use crate::backup::{Commands, ListForm};

const KEYS: &[&str] = &["list", "list-form", "restore", "restored-below", "batch", "time-limit"];
const HINT: &str = "write [commands.NAME] with list and restore: bkverify help command";

/// How long one call may take, unless the user says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(60 * 60);

/// The most files of one call, unless the user says otherwise.
const BATCH: u64 = 1000;

/// Reads all of these tables.
pub fn read<'a>(
    source: &Source<'a>,
    value: Spanned<DeValue<'a>>,
    base: Base<'_>,
) -> Result<BTreeMap<String, Commands>, Error> {
    let tables = source.table(value, HINT)?.into_iter();
    tables.map(|(name, value)| Ok((name.into_inner().into_owned(), commands(source, value, base)?))).collect()
}

fn commands<'a>(source: &Source<'a>, value: Spanned<DeValue<'a>>, base: Base<'_>) -> Result<Commands, Error> {
    let mut fields = Fields::new(source, base, value, KEYS, HINT)?;
    let list = fields.command_line("list")?;
    let restore = fields.command_line("restore")?;
    let batch = fields.get::<u64>("batch")?.unwrap_or(BATCH);
    if batch == 0 {
        return Err(fields.wrong("batch must be at least 1"));
    }
    Ok(Commands {
        list: fields.required("list", list)?,
        form: fields.choice("list-form", ListForm::ALL, ListForm::name)?.unwrap_or_default(),
        restore: fields.required("restore", restore)?,
        batch: usize::try_from(batch).unwrap_or(usize::MAX),
        below: fields.text("restored-below")?.unwrap_or_default(),
        time_limit: fields.parsed::<Limit>("time-limit")?.map_or(TIME_LIMIT, |limit| limit.0),
    })
}
