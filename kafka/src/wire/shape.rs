//! The shape of answers, walked before kafka-protocol decodes them: it takes memory for as many items as an answer
//! announces, and a broken or hostile one may announce billions.
//!
//! Walking reads nothing but lengths and counts, each checked against the bytes that are left. That the shapes are those
//! that kafka-protocol decodes is tested by decoding bytes that are made up from them.

use bytes::Bytes;
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use super::{answer::Answer, versions::Api};
use crate::error::KafkaError;

pub(crate) mod answers;

/// One field of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    /// So many bytes.
    Fixed(usize),
    /// A string, null or not.
    Text,
    /// A byte string.
    Data,
    /// Plain values.
    Each(&'static Field),
    /// Fields that have a tagged section of their own.
    Struct(&'static [Field]),
    /// Structs.
    List(&'static [Field]),
    /// There from this version on.
    Since(i16, &'static Field),
    /// There up to this version.
    Until(i16, &'static Field),
    /// In the tagged section, under this tag.
    Tagged(u32, &'static Field),
}

pub(crate) const BOOL: Field = Field::Fixed(1);
pub(crate) const I8: Field = Field::Fixed(1);
pub(crate) const I16: Field = Field::Fixed(2);
pub(crate) const I32: Field = Field::Fixed(4);
pub(crate) const I64: Field = Field::Fixed(8);
pub(crate) const F64: Field = Field::Fixed(8);
pub(crate) const UUID: Field = Field::Fixed(16);

/// Reads an answer of this shape.
pub(crate) fn decode<A: Decodable + HeaderVersion>(
    api: Api,
    shape: &[Field],
    body: Bytes,
    version: i16,
) -> Result<A, KafkaError> {
    // the header of an answer is flexible where its body is
    let flexible = A::header_version(version) >= 1;
    Encoding { version, flexible }.decode(api, shape, body)
}

/// How one version of an answer is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoding {
    pub(crate) version: i16,
    /// With varints as lengths, and tagged fields.
    pub(crate) flexible: bool,
}

impl Encoding {
    /// Reads an answer of this shape.
    pub(crate) fn decode<A: Decodable>(
        self,
        api: Api,
        shape: &[Field],
        mut body: Bytes,
    ) -> Result<A, KafkaError> {
        self.check(api.name, &body, shape)?;
        A::decode(&mut body, self.version).map_err(|error| KafkaError::Malformed {
            operation: api.name,
            detail: error.to_string(),
        })
    }

    /// Checks that `body` has no count or length beyond its end.
    fn check(
        self,
        operation: &'static str,
        body: &Bytes,
        fields: &[Field],
    ) -> Result<(), KafkaError> {
        let mut answer = Answer::new(operation, body.clone());
        self.walk_struct(&mut answer, fields)
    }

    fn walk_struct(self, answer: &mut Answer, fields: &[Field]) -> Result<(), KafkaError> {
        for field in fields {
            self.walk(answer, field)?;
        }
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..answer.unsigned_varint()? {
            let tag = answer.unsigned_varint()?;
            let size = answer.unsigned_varint()? as usize;
            let before = answer.left();
            match fields.iter().find_map(|field| self.tagged(field, tag)) {
                Some(field) => self.walk(answer, field)?,
                None => drop(answer.slice(size)?),
            }
            if before - answer.left() != size {
                return Err(answer.wrong(&format!("tagged field {tag} is not of {size} bytes")));
            }
        }
        Ok(())
    }

    fn walk(self, answer: &mut Answer, field: &Field) -> Result<(), KafkaError> {
        match *field {
            Field::Fixed(length) => drop(answer.slice(length)?),
            Field::Text => {
                let length = if self.flexible {
                    answer.compact_length()?
                } else {
                    usize::try_from(answer.i16()?).ok()
                };
                drop(answer.slice(length.unwrap_or(0))?);
            }
            Field::Data => {
                let length = self.length(answer)?;
                drop(answer.slice(length)?);
            }
            Field::Each(item) => {
                for _ in 0..self.count(answer, self.least(item))? {
                    self.walk(answer, item)?;
                }
            }
            Field::Struct(fields) => self.walk_struct(answer, fields)?,
            Field::List(fields) => {
                for _ in 0..self.count(answer, self.least_struct(fields))? {
                    self.walk_struct(answer, fields)?;
                }
            }
            Field::Since(..) | Field::Until(..) => {
                if let Some(field) = self.present(field) {
                    self.walk(answer, field)?;
                }
            }
            // with the others of its kind, at the end of its struct
            Field::Tagged(..) => {}
        }
        Ok(())
    }

    /// The field itself, where this version has it.
    fn present(self, field: &Field) -> Option<&Field> {
        match *field {
            Field::Since(first, field) => (self.version >= first).then_some(field),
            Field::Until(last, field) => (self.version <= last).then_some(field),
            _ => Some(field),
        }
    }

    fn tagged(self, field: &Field, wanted: u32) -> Option<&'static Field> {
        match *field {
            Field::Tagged(tag, field) if tag == wanted => Some(field),
            Field::Since(first, field) if self.version >= first => self.tagged(field, wanted),
            _ => None,
        }
    }

    /// The length of a byte string or array, null being none.
    fn length(self, answer: &mut Answer) -> Result<usize, KafkaError> {
        if self.flexible {
            return Ok(answer.compact_length()?.unwrap_or(0));
        }
        Ok(usize::try_from(answer.i32()?).unwrap_or(0))
    }

    fn count(self, answer: &mut Answer, least: usize) -> Result<usize, KafkaError> {
        let count = self.length(answer)?;
        if count > answer.left() / least.max(1) {
            return Err(answer.wrong(&format!(
                "{count} items announced with {} bytes left",
                answer.left()
            )));
        }
        Ok(count)
    }

    /// The bytes that a field has at least.
    fn least(self, field: &Field) -> usize {
        match *field {
            Field::Fixed(length) => length,
            Field::Text if !self.flexible => 2,
            Field::Data | Field::Each(_) | Field::List(_) if !self.flexible => 4,
            Field::Text | Field::Data | Field::Each(_) | Field::List(_) => 1,
            Field::Struct(fields) => self.least_struct(fields),
            Field::Since(..) | Field::Until(..) => {
                self.present(field).map_or(0, |field| self.least(field))
            }
            Field::Tagged(..) => 0,
        }
    }

    fn least_struct(self, fields: &[Field]) -> usize {
        let of_fields: usize = fields.iter().map(|field| self.least(field)).sum();
        of_fields + usize::from(self.flexible)
    }
}

#[cfg(test)]
mod tests;
