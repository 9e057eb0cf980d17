//! Reading an answer by hand: every length and count is checked against the bytes that are left.

use bytes::{Buf, Bytes};

use crate::error::KafkaError;

/// The unread rest of an answer's body.
pub(crate) struct Answer {
    operation: &'static str,
    bytes: Bytes,
    length: usize,
}

impl Answer {
    pub(crate) fn new(operation: &'static str, bytes: Bytes) -> Self {
        let length = bytes.len();
        Self {
            operation,
            bytes,
            length,
        }
    }

    pub(crate) fn rest(self) -> Bytes {
        self.bytes
    }

    pub(crate) fn i8(&mut self) -> Result<i8, KafkaError> {
        self.want(1)?;
        Ok(self.bytes.get_i8())
    }

    pub(crate) fn f64(&mut self) -> Result<f64, KafkaError> {
        self.want(8)?;
        Ok(self.bytes.get_f64())
    }

    pub(crate) fn i16(&mut self) -> Result<i16, KafkaError> {
        self.want(2)?;
        Ok(self.bytes.get_i16())
    }

    pub(crate) fn i32(&mut self) -> Result<i32, KafkaError> {
        self.want(4)?;
        Ok(self.bytes.get_i32())
    }

    pub(crate) fn i64(&mut self) -> Result<i64, KafkaError> {
        self.want(8)?;
        Ok(self.bytes.get_i64())
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], KafkaError> {
        self.want(16)?;
        let mut id = [0; 16];
        self.bytes.copy_to_slice(&mut id);
        Ok(id)
    }

    /// The next `length` bytes, shared and not copied.
    pub(crate) fn slice(&mut self, length: usize) -> Result<Bytes, KafkaError> {
        self.want(length)?;
        Ok(self.bytes.split_to(length))
    }

    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, KafkaError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            self.want(1)?;
            let byte = self.bytes.get_u8();
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.wrong("a varint of more than 32 bits"))
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The length of a compact string, array or byte string; `None` is null.
    pub(crate) fn compact_length(&mut self) -> Result<Option<usize>, KafkaError> {
        let plus_one = self.unsigned_varint()?;
        plus_one
            .checked_sub(1)
            .map(|length| {
                usize::try_from(length).map_err(|_| self.wrong("a length beyond this machine"))
            })
            .transpose()
    }

    /// The count of a compact array whose items have at least `smallest` bytes each; null is none.
    pub(crate) fn count(&mut self, smallest: usize) -> Result<usize, KafkaError> {
        let count = self.compact_length()?.unwrap_or(0);
        if count > self.bytes.len() / smallest {
            return Err(self.wrong(&format!(
                "{count} items announced with {} bytes left",
                self.bytes.len()
            )));
        }
        Ok(count)
    }

    /// A compact byte string, shared and not copied; null is empty.
    pub(crate) fn compact_bytes(&mut self) -> Result<Bytes, KafkaError> {
        let length = self.compact_length()?.unwrap_or(0);
        self.slice(length)
    }

    /// A compact string.
    pub(crate) fn text(&mut self) -> Result<String, KafkaError> {
        self.nullable_text()?
            .ok_or_else(|| self.wrong("null where a text is expected"))
    }

    /// A compact string, or null.
    pub(crate) fn nullable_text(&mut self) -> Result<Option<String>, KafkaError> {
        let Some(length) = self.compact_length()? else {
            return Ok(None);
        };
        let bytes = self.slice(length)?;
        match str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(self.wrong("a text that is not UTF-8")),
        }
    }

    /// Hands each tagged field to `field`.
    pub(crate) fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, Self) -> Result<(), KafkaError>,
    ) -> Result<(), KafkaError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            let size = usize::try_from(size).map_err(|_| self.wrong("a huge tagged field"))?;
            let content = self.slice(size)?;
            field(tag, Self::new(self.operation, content))?;
        }
        Ok(())
    }

    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), KafkaError> {
        self.tagged_fields(|_, _| Ok(()))
    }

    pub(crate) fn wrong(&self, what: &str) -> KafkaError {
        KafkaError::Malformed {
            operation: self.operation,
            detail: format!("{what} at byte {}", self.length - self.bytes.len()),
        }
    }

    fn want(&self, length: usize) -> Result<(), KafkaError> {
        if self.bytes.len() < length {
            let left = self.bytes.len();
            return Err(self.wrong(&format!("{length} bytes wanted, {left} left")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &'static [u8]) -> Answer {
        Answer::new("Fetch", Bytes::from_static(bytes))
    }

    #[test]
    fn a_count_beyond_the_bytes_left_is_refused_before_anything_is_allocated() {
        let error = answer(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2])
            .count(1)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "malformed Fetch: 4294967294 items announced with 2 bytes left at byte 5"
        );
    }

    #[test]
    fn varints_of_more_than_32_bits_are_refused() {
        assert!(
            answer(&[0xff, 0xff, 0xff, 0xff, 0x1f])
                .unsigned_varint()
                .is_err()
        );
        assert!(answer(&[0x80]).unsigned_varint().is_err());
        assert_eq!(answer(&[0xac, 0x02]).unsigned_varint().unwrap(), 300);
    }

    #[test]
    fn byte_strings_share_the_frame() {
        let frame = Bytes::from_static(&[4, b'a', b'b', b'c', 9]);
        let mut answer = Answer::new("Fetch", frame.clone());
        let records = answer.compact_bytes().unwrap();
        assert_eq!(&records[..], b"abc");
        assert_eq!(records.as_ptr(), frame[1..].as_ptr());
    }
}
