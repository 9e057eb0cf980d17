//! What a new cluster starts from: `bootstrap.checkpoint`.

use lifeboat_archive::{
    batch::Codec,
    records::{BatchBuilder, RecordError},
};

use super::MetadataRecord;

/// Keys of control records: version, type.
const SNAPSHOT_HEADER: [u8; 4] = [0, 0, 0, 3];
const SNAPSHOT_FOOTER: [u8; 4] = [0, 0, 0, 4];
/// Version and tagged fields; between them the header has the time of the last record.
const HEADER: [u8; 11] = [0; 11];
const FOOTER: [u8; 3] = [0; 3];
/// Records of one batch.
const RECORDS: usize = 500;
/// The epoch of what no leader wrote.
const EPOCH: i32 = 0;

/// The bytes of a `bootstrap.checkpoint` that gives a new cluster these records, in this order. The same records give the
/// same bytes.
pub fn bootstrap_checkpoint(records: &[MetadataRecord]) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::new();
    let mut builder = BatchBuilder::new(Codec::None);
    let mut offset = 0;
    let mut finish = |builder: &mut BatchBuilder, control| {
        let count = i64::from(builder.record_count());
        let batch = builder.finish_for_log(offset, EPOCH, control)?;
        offset += count;
        bytes.extend_from_slice(&batch);
        Ok::<_, RecordError>(())
    };
    builder.push_pair(0, Some(&SNAPSHOT_HEADER), &HEADER);
    finish(&mut builder, true)?;
    for chunk in records.chunks(RECORDS) {
        for record in chunk {
            builder.push_pair(0, None, &record.encode());
        }
        finish(&mut builder, false)?;
    }
    builder.push_pair(0, Some(&SNAPSHOT_FOOTER), &FOOTER);
    finish(&mut builder, true)?;
    Ok(bytes)
}
