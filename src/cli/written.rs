//! Values as they are written in a configuration, for serde: texts and numbers that go through the
//! same parsers as the flags.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::values::{Address, Password, Source, StateFolder, parse_map};
use crate::plan::Map;
use crate::secret::Secret;

/// A value as it may be written in a configuration: text, or a bare number where the text would be
/// one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected text in quotes, or a number")]
enum Written {
    Text(String),
    Whole(u64),
    Number(f64),
}

impl Written {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// One text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected text in quotes, or a list of such texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A value by its own parser.
pub fn parsed<'de, D: Deserializer<'de>, T>(input: D) -> Result<Option<T>, D::Error>
where
    T: FromStr,
    T::Err: Display,
{
    let text = Written::deserialize(input)?.into_text();
    text.parse().map(Some).map_err(|error| D::Error::custom(format!("invalid value '{text}': {error}")))
}

/// One of the names of a choice.
pub fn choice<'de, D: Deserializer<'de>, T: ValueEnum>(input: D) -> Result<Option<T>, D::Error> {
    let text = Written::deserialize(input)?.into_text();
    T::from_str(&text, false).map(Some).map_err(|_| {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
        D::Error::custom(format!("invalid value '{text}': expected one of {}", names.join(", ")))
    })
}

/// A list of texts, or one of them alone.
pub fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    let texts = match OneOrMany::deserialize(input)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    };
    // Where a value is needed, an empty one is a slip, never a choice.
    if texts.iter().any(String::is_empty) { Err(D::Error::custom("a value is empty")) } else { Ok(texts) }
}

/// A path.
pub fn path<'de, D: Deserializer<'de>>(input: D) -> Result<Option<PathBuf>, D::Error> {
    let text = Written::deserialize(input)?.into_text();
    if text.is_empty() { Err(D::Error::custom("the path is empty")) } else { Ok(Some(text.into())) }
}

/// A list of paths, or one of them alone.
pub fn paths<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(texts(input)?.into_iter().map(PathBuf::from).collect())
}

/// The path or address of a backup.
pub fn address<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Address>, D::Error> {
    Ok(path(input)?.map(Address))
}

/// Where a password is: text, or a table as for other secrets. What is written is never repeated.
pub fn password<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Password>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected { file = \"PATH\" }, { env = \"NAME\" } or { command = [\"PROGRAM\"] }"
    )]
    enum WrittenSecret {
        Text(String),
        Place(Place),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Place {
        File(PathBuf),
        Env(String),
        Command(Vec<String>),
    }
    Ok(Some(match WrittenSecret::deserialize(input)? {
        WrittenSecret::Text(text) => OsString::from(text).into(),
        WrittenSecret::Place(Place::File(path)) => Password::At(Secret::File(path)),
        WrittenSecret::Place(Place::Env(name)) => Password::At(Secret::Env(name)),
        WrittenSecret::Place(Place::Command(words)) => {
            Password::At(Secret::Command(words.into_iter().map(OsString::from).collect()))
        }
    }))
}

/// A list of folders of originals, or one of them alone.
pub fn sources<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Source>, D::Error> {
    Ok(texts(input)?.into_iter().map(|text| Source(text.into())).collect())
}

/// A state folder, or none.
pub fn state_folder<'de, D: Deserializer<'de>>(input: D) -> Result<Option<StateFolder>, D::Error> {
    Ok(path(input)?.map(|path| path.into_os_string().into()))
}

/// A list of maps, or one of them alone.
pub fn maps<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Map>, D::Error> {
    let read =
        |text: String| parse_map(text.as_ref()).map_err(|error| format!("invalid value '{text}': {error}"));
    texts(input)?.into_iter().map(read).collect::<Result<_, _>>().map_err(D::Error::custom)
}
