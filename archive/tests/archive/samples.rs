//! Batches to test with, made byte by byte where Lifeboat itself would not make them.

use lifeboat_archive::{
    batch::{BatchHeader, Codec},
    records::{BatchBuilder, Produced},
    words::{TopicId, TopicPartition},
};

/// Attributes: the broker's time.
pub(crate) const LOG_APPEND_TIME: i16 = 0x08;
/// Attributes: part of a transaction.
pub(crate) const TRANSACTIONAL: i16 = 0x10;
/// Attributes: markers.
pub(crate) const CONTROL: i16 = 0x20;
/// Attributes: the base timestamp is a delete horizon.
pub(crate) const DELETE_HORIZON: i16 = 0x40;
/// The time of the first record of every sample.
pub(crate) const TIME: i64 = 1_700_000_000_000;

/// The partition that samples belong to.
pub(crate) fn topic_partition() -> TopicPartition {
    TopicPartition::new("orders", 3)
}

/// The id of its topic.
pub(crate) fn topic_id() -> TopicId {
    TopicId(*b"0123456789abcdef")
}

/// A name and a value, or none.
pub(crate) type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// Key, value and headers as they stand in a record.
pub(crate) fn tail(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> Vec<u8> {
    let mut tail = Vec::new();
    put_bytes(&mut tail, key);
    put_bytes(&mut tail, value);
    put_varint(&mut tail, i64::try_from(headers.len()).unwrap());
    for (name, value) in headers {
        put_bytes(&mut tail, Some(name));
        put_bytes(&mut tail, *value);
    }
    tail
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varint(
        out,
        bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap()),
    );
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// A zigzag varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        out.push(u8::try_from(raw & 0x7f).unwrap() | 0x80);
        raw >>= 7;
    }
    out.push(u8::try_from(raw).unwrap());
}

/// A batch of `count` small records, a millisecond apart.
pub(crate) fn batch(base_offset: i64, count: u32, codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for index in 0..count {
        let key = format!("key-{}", base_offset + i64::from(index));
        let value = format!("value {index} of the batch at {base_offset}, and some more text");
        let tail = tail(
            Some(key.as_bytes()),
            Some(value.as_bytes()),
            &[(b"h", None)],
        );
        builder.push(TIME + base_offset + i64::from(index), &tail);
    }
    let produced = Produced {
        base_offset,
        ..Produced::ANONYMOUS
    };
    builder.finish(produced).unwrap().to_vec()
}

/// The fields of a magic 2 header that samples change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    /// The leader epoch.
    pub(crate) leader_epoch: Option<i32>,
    /// Bits to set in the attributes.
    pub(crate) set: i16,
    /// Last offset less base offset.
    pub(crate) last_offset_delta: Option<i32>,
    /// The base timestamp.
    pub(crate) base_timestamp: Option<i64>,
    /// The largest timestamp.
    pub(crate) max_timestamp: Option<i64>,
    /// The producer's id.
    pub(crate) producer_id: Option<i64>,
    /// The producer's epoch.
    pub(crate) producer_epoch: Option<i16>,
    /// The number of records.
    pub(crate) record_count: Option<i32>,
}

/// The batch with other header fields, its checksum right.
pub(crate) fn changed(mut batch: Vec<u8>, change: Change) -> Vec<u8> {
    let mut put = |at: usize, bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes {
            batch[at..at + bytes.len()].copy_from_slice(bytes);
        }
    };
    put(
        12,
        change
            .leader_epoch
            .map(i32::to_be_bytes)
            .as_ref()
            .map(|b| &b[..]),
    );
    put(
        23,
        change
            .last_offset_delta
            .map(i32::to_be_bytes)
            .as_ref()
            .map(|b| &b[..]),
    );
    put(
        27,
        change
            .base_timestamp
            .map(i64::to_be_bytes)
            .as_ref()
            .map(|b| &b[..]),
    );
    put(
        35,
        change
            .max_timestamp
            .map(i64::to_be_bytes)
            .as_ref()
            .map(|b| &b[..]),
    );
    put(
        43,
        change
            .producer_id
            .map(i64::to_be_bytes)
            .as_ref()
            .map(|b| &b[..]),
    );
    put(
        51,
        change
            .producer_epoch
            .map(i16::to_be_bytes)
            .as_ref()
            .map(|b| &b[..]),
    );
    put(
        57,
        change
            .record_count
            .map(i32::to_be_bytes)
            .as_ref()
            .map(|b| &b[..]),
    );
    let attributes = i16::from_be_bytes([batch[21], batch[22]]) | change.set;
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    reseal(&mut batch);
    batch
}

/// Makes the checksum of a magic 2 batch right.
pub(crate) fn reseal(batch: &mut [u8]) {
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A data batch of a transaction.
pub(crate) fn transactional(base_offset: i64, count: u32, producer_id: i64) -> Vec<u8> {
    changed(
        batch(base_offset, count, Codec::None),
        Change {
            set: TRANSACTIONAL,
            producer_id: Some(producer_id),
            producer_epoch: Some(0),
            ..Change::default()
        },
    )
}

/// A control batch of one record of that type: 0 aborts, 1 commits, 2 tells of a new leader.
pub(crate) fn control(offset: i64, producer_id: i64, kind: i16) -> Vec<u8> {
    let mut key = vec![0, 0];
    key.extend(kind.to_be_bytes());
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(
        TIME + offset,
        &tail(Some(&key), Some(&[0, 0, 0, 0, 0, 7]), &[]),
    );
    let produced = Produced {
        producer_id,
        producer_epoch: 1,
        base_sequence: -1,
        base_offset: offset,
    };
    let batch = builder.finish(produced).unwrap().to_vec();
    changed(
        batch,
        Change {
            set: TRANSACTIONAL | CONTROL,
            ..Change::default()
        },
    )
}

/// A message of magic 0 or 1; with a codec in `attributes`, `value` is a compressed run of messages.
pub(crate) fn old_message(
    magic: i8,
    offset: i64,
    attributes: u8,
    key: &[u8],
    value: &[u8],
) -> Vec<u8> {
    let mut body = vec![magic.cast_unsigned(), attributes];
    if magic == 1 {
        body.extend(TIME.to_be_bytes());
    }
    for bytes in [key, value] {
        body.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        body.extend_from_slice(bytes);
    }
    let mut message = offset.to_be_bytes().to_vec();
    message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(crc_fast::crc32_iso_hdlc(&body).to_be_bytes());
    message.extend(body);
    message
}

/// The header at the front of `batch`.
pub(crate) fn header(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).unwrap().unwrap()
}
