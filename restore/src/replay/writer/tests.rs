use bytes::Bytes;
use lifeboat_archive::words::OffsetRange;
use lifeboat_kafka::error::TlsProblem;

use super::*;

const START: i64 = 100;

struct Bench {
    writer: PartitionWriter,
    done: oneshot::Receiver<Result<(), WriteError>>,
    room: Arc<Semaphore>,
}

fn bench(batches: &[u32]) -> Bench {
    resumed(0, batches)
}

/// With so many records that were written before.
const PATIENCE: Duration = Duration::from_secs(180);

fn resumed(written: u64, batches: &[u32]) -> Bench {
    let room = Arc::new(Semaphore::new(1_000));
    let (sender, done) = oneshot::channel();
    let topic_partition = TopicPartition::new("orders", 1);
    let mut writer = PartitionWriter::new(
        topic_partition,
        TopicId([1; 16]),
        START,
        written,
        PATIENCE,
        Arc::clone(&room),
        sender,
    );
    let mut before = 0;
    for &records in batches {
        // a reader whose partition was stopped ends
        let Ok(memory) = Arc::clone(&room).try_acquire_many_owned(10) else {
            assert!(room.is_closed());
            break;
        };
        writer.enqueue(Queued {
            batch: OutputBatch {
                output: 0,
                bytes: Bytes::from_static(b"batch"),
                before,
                records,
                source: OffsetRange::new(0, 1),
            },
            _memory: memory,
        });
        before += u64::from(records);
    }
    writer.close(before);
    Bench { writer, done, room }
}

impl Bench {
    fn answer(&mut self, answer: Result<i64, KafkaError>) -> Next {
        assert!(self.writer.sendable().is_some());
        self.writer.wait();
        assert!(self.writer.sendable().is_none(), "one batch at a time");
        self.writer.answered(answer, Instant::now())
    }

    fn outcome(&mut self) -> Result<(), WriteError> {
        self.done.try_recv().expect("it has ended")
    }
}

fn broker(code: ErrorCode) -> KafkaError {
    KafkaError::Broker {
        operation: "Produce",
        subject: "orders-1".to_owned(),
        code,
        message: None,
    }
}

fn disconnected() -> KafkaError {
    KafkaError::Disconnected {
        operation: "Produce",
        address: "a:9092".to_owned(),
        cause: "gone".into(),
    }
}

#[test]
fn rule_4_each_answer_must_say_start_plus_the_records_before() {
    let mut bench = bench(&[3, 2]);
    assert!(matches!(bench.answer(Ok(100)), Next::Send));
    assert!(matches!(bench.answer(Ok(103)), Next::Send));
    assert!(bench.outcome().is_ok());
    assert_eq!(bench.room.available_permits(), 1_000);
}

#[test]
fn rule_4_any_other_offset_stops_the_partition_and_says_both() {
    for found in [99, 101, 0, -1] {
        let mut bench = bench(&[3, 2]);
        assert!(matches!(bench.answer(Ok(found)), Next::Nothing));
        let stopped = bench.outcome();
        assert!(
            matches!(stopped, Err(WriteError::Displaced { expected: 100, found: f }) if f == found)
        );
        assert!(bench.room.is_closed(), "the reader must not wait for ever");
        assert!(bench.writer.sendable().is_none());
    }
}

#[test]
fn rule_5_a_batch_of_unknown_fate_is_never_sent_again_without_looking() {
    let unknown = [
        (disconnected(), true),
        (broker(ErrorCode::NOT_LEADER_OR_FOLLOWER), false),
        (broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), false),
        (broker(ErrorCode::DUPLICATE_SEQUENCE_NUMBER), false),
        (broker(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND), false),
        (broker(ErrorCode::REQUEST_TIMED_OUT), false),
        (broker(ErrorCode::KAFKA_STORAGE_ERROR), false),
    ];
    for (error, waits) in unknown {
        let mut bench = bench(&[3, 2]);
        let next = bench.answer(Err(error.clone()));
        assert!(
            matches!(next, Next::FindPlace { outstanding } if outstanding == waits),
            "{error}"
        );
        assert!(bench.writer.sendable().is_none(), "{error}");
    }
}

#[test]
fn rule_5_the_end_must_be_a_boundary_of_the_plan() {
    let mut before = bench(&[3, 2]);
    before.answer(Err(disconnected()));
    // it was not written: once more after a pause
    assert!(matches!(
        before.writer.found(Ok(100), Instant::now()),
        Next::Rest(_)
    ));
    before.writer.resume();
    assert_eq!(before.writer.sendable().unwrap().before, 0);

    let mut after = bench(&[3, 2]);
    after.answer(Err(disconnected()));
    assert!(matches!(
        after.writer.found(Ok(103), Instant::now()),
        Next::Send
    ));
    assert_eq!(after.writer.sendable().unwrap().before, 3);
    after.answer(Err(disconnected()));
    assert!(matches!(
        after.writer.found(Ok(105), Instant::now()),
        Next::Send
    ));
    assert!(after.outcome().is_ok());

    for end in [99, 101, 102, 104, 105] {
        let mut between = bench(&[3, 2]);
        between.answer(Err(disconnected()));
        assert!(matches!(
            between.writer.found(Ok(end), Instant::now()),
            Next::Nothing
        ));
        assert!(between.outcome().is_err(), "{end}");
    }
}

#[test]
fn a_batch_that_was_certainly_not_written_is_sent_again_until_patience_ends() {
    let undone = [
        broker(ErrorCode::NOT_ENOUGH_REPLICAS),
        broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        broker(ErrorCode::UNKNOWN_TOPIC_ID),
        // a broker that stops: the connection was never made
        KafkaError::Tls {
            address: "kafka:9093".to_owned(),
            problem: TlsProblem::Closed("eof".to_owned()),
        },
    ];
    for error in undone {
        let mut bench = bench(&[3]);
        assert!(matches!(bench.answer(Err(error.clone())), Next::Rest(_)));
        bench.writer.resume();
        bench.writer.wait();
        let late = Instant::now() + PATIENCE + Duration::from_secs(1);
        assert!(matches!(
            bench.writer.answered(Err(error), late),
            Next::Nothing
        ));
        assert!(matches!(
            bench.outcome(),
            Err(WriteError::NoProgress { .. })
        ));
    }
}

#[test]
fn a_batch_whose_fate_stays_unknown_is_not_sent_for_ever() {
    let mut bench = bench(&[3]);
    let begun = Instant::now();
    bench.answer(Err(disconnected()));
    assert!(matches!(
        bench.writer.found(Ok(START), begun),
        Next::Rest(_)
    ));
    bench.writer.resume();
    bench.answer(Err(disconnected()));
    let late = begun + PATIENCE + Duration::from_secs(1);
    assert!(matches!(bench.writer.found(Ok(START), late), Next::Nothing));
    assert!(matches!(
        bench.outcome(),
        Err(WriteError::NoProgress { .. })
    ));
}

#[test]
fn a_refusal_for_good_stops_the_partition() {
    let mut bench = bench(&[3]);
    bench.answer(Err(broker(ErrorCode::MESSAGE_TOO_LARGE)));
    assert!(matches!(bench.outcome(), Err(WriteError::Refused(_))));
}

#[test]
fn a_partition_without_records_is_written_at_once() {
    let mut bench = bench(&[]);
    assert!(bench.outcome().is_ok());
}

#[test]
fn rule_5_what_was_written_before_is_passed_over_and_the_rest_is_sent() {
    let mut bench = resumed(5, &[3, 2, 4]);
    assert_eq!(
        bench.room.available_permits(),
        990,
        "what is passed over takes no room"
    );
    assert_eq!(bench.writer.sendable().map(|batch| batch.before), Some(5));
    assert!(matches!(bench.answer(Ok(105)), Next::Send));
    assert!(bench.outcome().is_ok());
}

#[test]
fn rule_5_where_everything_was_written_before_nothing_is_sent() {
    let mut bench = resumed(5, &[3, 2]);
    assert!(bench.writer.sendable().is_none());
    assert!(bench.outcome().is_ok());
    assert!(resumed(0, &[]).outcome().is_ok());
}

#[test]
fn rule_5_an_end_inside_of_a_batch_or_behind_all_of_them_is_not_ours() {
    let inside = resumed(4, &[3, 2, 4]).outcome().unwrap_err();
    let expected = "ends at offset 104, inside of a batch that goes from 103 to 105";
    assert!(inside.to_string().contains(expected), "{inside}");
    let beyond = resumed(6, &[3, 2]).outcome();
    assert!(matches!(
        beyond,
        Err(WriteError::Displaced {
            expected: 105,
            found: 106
        })
    ));
}
