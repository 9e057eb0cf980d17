use super::*;

const TIME: i64 = 1_500_000_000_000;

fn message(magic: i8, offset: i64, codec: u8, value: &[u8]) -> Vec<u8> {
    let mut body = vec![magic.cast_unsigned(), codec];
    if magic == 1 {
        body.extend((TIME + offset).to_be_bytes());
    }
    body.extend((-1_i32).to_be_bytes());
    body.extend((value.len() as u32).to_be_bytes());
    body.extend_from_slice(value);
    let mut message = offset.to_be_bytes().to_vec();
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(0_u32.to_be_bytes());
    message.extend(body);
    message
}

/// A message that holds others, compressed.
fn around(magic: i8, last: i64, inner: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(inner).unwrap();
    message(magic, last, 1, &encoder.finish().unwrap())
}

/// A restore ended at the first of them.
#[test]
fn r28_old_formats_come_out_as_current_batches_with_codec_order_and_times() {
    let inner: Vec<u8> = (0..10).flat_map(|n| message(1, n, 0, &[n as u8])).collect();
    let stored = [
        message(0, 10, 0, b"without a time"),
        message(1, 11, 0, b"with one"),
        around(1, 29, &inner),
        Stored::run(30, 5, 10).bytes(),
    ];
    let partition = ManifestPartition {
        log_start_offset: 10,
        high_watermark: 35,
        last_stable_offset: 35,
        ..crate::testing::plans::partition(0)
    };
    for depth in [Depth::Batches, Depth::Records] {
        let mut rewriter = Rewriter::new(
            OffsetTranslator::new(&partition, [11, 15, 25]),
            Producer { id: 3, epoch: 0 },
            BatchLimits {
                encoded_bytes: 1 << 20,
            },
            depth,
        );
        rewriter.turn_to(
            &partition,
            &TransactionTable::default(),
            RecordSelection::default(),
        );
        let mut out = Vec::new();
        for bytes in &stored {
            for batch in Batches::new(bytes) {
                rewriter.push(&batch.unwrap(), &mut out).unwrap();
            }
        }
        let rewritten = rewriter.finish(&mut out).unwrap().pop().unwrap();
        assert_eq!(
            (rewritten.counts.records, rewritten.counts.batches_read),
            (17, 4)
        );
        let mut told = Vec::new();
        let mut codecs = Vec::new();
        for output in &out {
            let batch = Batch::parse(&output.bytes).unwrap().unwrap();
            assert_eq!(batch.header.magic, 2);
            codecs.push(batch.header.codec().unwrap());
            let mut decompressor = Decompressor::new(LARGEST_PLAIN);
            let plain = decompressor.records_section(&batch).unwrap();
            told.extend(records(&batch.header, plain).map(|record| record.unwrap().timestamp));
        }
        assert_eq!(codecs, [Codec::None, Codec::Gzip, Codec::None]);
        let mut times = vec![-1, TIME + 11];
        times.extend((0..10).map(|n| TIME + n));
        times.extend((30..35).map(|offset| 1_000 + offset));
        assert_eq!(told, times);
        // what compaction took of the compressed one lies before its records
        let to = |offset| rewritten.offsets.translate(offset, 0).unwrap().0;
        assert_eq!((to(11), to(15), to(25)), (1, 2, 7));
    }
}
