//! A file: its base record, and the other records that its attribute list names.
//!
//! In: a reference. Out: the attributes of the file and their values. The other records are read
//! when a value in them is asked for. Attribute lists in them are not followed, so no loop can
//! arise.

use std::sync::Arc;

use super::attribute::{Attribute, AttributeKind, Body, Name};
use super::attribute_list::{ListEntries, ListEntry, MAX_SIZE};
use super::mft::{self, Mft};
use super::record::Record;
use super::reference::FileReference;
use super::value::{Assembly, Value};
use crate::image::Error;

/// A file or a folder.
#[derive(Debug)]
pub struct File {
    mft: Arc<Mft>,
    reference: FileReference,
    /// The base record. Its update sequence was applied.
    base: Vec<u8>,
    /// The attribute list, if there is one.
    list: Option<Vec<u8>>,
}

impl File {
    pub(super) fn open(mft: &Arc<Mft>, reference: FileReference) -> Result<Self, Error> {
        let mut base = Vec::new();
        let record = mft.read(reference.record, &mut base)?;
        let other = match record.base() {
            _ if !record.is_in_use() => Some("is not in use".to_owned()),
            _ if record.reference() != reference => {
                Some(format!("belongs to another file now: {}", record.reference()))
            }
            Some(base) => Some(format!("is not the first of its file, which is {base}")),
            None => None,
        };
        if let Some(other) = other {
            return Err(Error::Damaged(format!("{reference} {other}")));
        }
        let mut list = Assembly::default();
        for attribute in record.attributes() {
            let attribute = attribute?;
            if attribute.kind == AttributeKind::ATTRIBUTE_LIST {
                list.add(&attribute, &mft.on())
                    .map_err(|what| damaged(reference, "its attribute list", &what))?;
            }
        }
        let list = list.finish().map_err(|what| damaged(reference, "its attribute list", &what))?;
        let list = list.map(|list| list.read_whole(MAX_SIZE)).transpose()?;
        Ok(Self { mft: mft.clone(), reference, base, list })
    }

    /// The reference of the file.
    pub fn reference(&self) -> FileReference {
        self.reference
    }

    fn base(&self) -> Result<Record<'_>, Error> {
        Record::parse_header(&self.base, self.reference.record)
    }

    fn entries(&self) -> impl Iterator<Item = Result<ListEntry<'_>, Error>> {
        let list = ListEntries::new(self.list.as_deref().unwrap_or_default());
        list.map(|entry| entry.map_err(|error| Error::Damaged(format!("{}: {error}", self.reference))))
    }

    /// Calls `act` for every attribute with this type, or for every part of one.
    fn each(
        &self,
        is_wanted: &dyn Fn(AttributeKind, Name<'_>) -> bool,
        act: &mut dyn FnMut(&Attribute<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let base = self.base()?;
        let mut in_base = 0_usize;
        for attribute in base.attributes() {
            let attribute = attribute?;
            if is_wanted(attribute.kind, attribute.name) {
                in_base += 1;
                if self.list.is_none() {
                    act(&attribute)?;
                }
            }
        }
        if self.list.is_none() {
            return Ok(());
        }
        let mut buffer = Vec::new();
        let mut listed_in_base = 0_usize;
        for entry in self.entries() {
            let entry = entry?;
            if !is_wanted(entry.kind, entry.name) {
                continue;
            }
            if entry.reference == self.reference {
                listed_in_base += 1;
                act(&mft::find(&base, &entry)?)?;
            } else {
                let record = self.mft.extension(entry.reference, self.reference, &mut buffer)?;
                act(&mft::find(&record, &entry)?)?;
            }
        }
        if in_base != listed_in_base {
            return Err(Error::Damaged(format!(
                "{}: its attribute list names {listed_in_base} of the {in_base} attributes in the record",
                self.reference
            )));
        }
        Ok(())
    }

    /// The value of the attribute with this type and name, as it is stored.
    pub fn value(&self, kind: AttributeKind, name: &[u16]) -> Result<Option<Value>, Error> {
        let what = || describe(kind, name);
        let mut assembly = Assembly::default();
        self.each(&|other, its_name| other == kind && its_name.is(name), &mut |part| {
            assembly.add(part, &self.mft.on()).map_err(|error| damaged(self.reference, &what(), &error))
        })?;
        assembly.finish().map_err(|error| damaged(self.reference, &what(), &error))
    }

    /// The values of all attributes of a type that is always in the record, such as `$FILE_NAME`.
    pub fn values(&self, kind: AttributeKind) -> Result<Vec<Vec<u8>>, Error> {
        let mut values = Vec::new();
        self.each(&|other, _| other == kind, &mut |attribute| match attribute.body {
            Body::Resident(value) => {
                values.push(value.to_vec());
                Ok(())
            }
            Body::NonResident(_) => {
                Err(damaged(self.reference, &kind.to_string(), "it is not in the record"))
            }
        })?;
        Ok(values)
    }
}

/// The type of an attribute, and its name if it has one.
fn describe(kind: AttributeKind, name: &[u16]) -> String {
    if name.is_empty() { kind.to_string() } else { format!("{kind}:{}", String::from_utf16_lossy(name)) }
}

fn damaged(reference: FileReference, what: &str, how: &str) -> Error {
    Error::Damaged(format!("{reference}: {what} is damaged: {how}"))
}
