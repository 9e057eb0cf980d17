use lifeboat_archive::words::{OffsetRange, TopicId};

use super::*;
use crate::testing::plans::topic;

fn there(id: u8, ends: [i64; 2]) -> ExistingTopic {
    ExistingTopic {
        topic_id: TopicId([id; 16]),
        partitions: ends.map(|end| OffsetRange::new(0, end)).to_vec(),
        replication_factor: 1,
        settings: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        ..ExistingTopic::default()
    }
}

#[test]
fn a_topic_that_was_made_before_the_interruption_is_used_and_one_that_was_not_is_made() {
    let mut planned = topic("orders");
    adopt(&mut planned, None, true).unwrap();
    assert_eq!(planned.action, TopicAction::Create);
    adopt(&mut planned, Some(&there(7, [0, 0])), true).unwrap();
    let topic_id = TopicId([7; 16]);
    assert_eq!(planned.action, TopicAction::UseEmpty { topic_id });
    // what it is set to now is what counts, and it is to hold nothing
    assert_eq!(planned.existing_settings["retention.ms"], "-1");
    assert_eq!(planned.partitions[0].start_offset, 0);
}

#[test]
fn a_topic_that_is_not_what_it_was_is_named() {
    let refused = |planned: &mut PlannedTopic, there: Option<&ExistingTopic>| {
        let error = adopt(planned, there, true).unwrap_err();
        assert!(error.to_string().contains("topic orders"), "{error}");
        error.to_string()
    };
    let mut planned = topic("orders");
    let mut wider = there(7, [0, 0]);
    wider.partitions.push(OffsetRange::new(0, 0));
    let error = refused(&mut planned, Some(&wider));
    assert!(error.contains("3 partitions instead of 2"), "{error}");
    planned.action = TopicAction::UseEmpty {
        topic_id: TopicId([8; 16]),
    };
    let error = refused(&mut planned, Some(&there(7, [0, 0])));
    assert!(error.contains("made anew"), "{error}");
    assert!(refused(&mut planned, None).contains("deleted"));
}

#[test]
fn where_no_records_are_restored_others_may_have_begun_to_write() {
    let mut planned = topic("orders");
    adopt(&mut planned, Some(&there(7, [0, 12])), false).unwrap();
    assert_eq!(planned.partitions[1].start_offset, 12);
}

#[test]
fn a_topic_that_had_more_partitions_than_the_snapshot_is_gone_on_with() {
    // a restore into it that was killed before the first record could not be resumed
    let mut planned = topic("orders");
    let topic_id = TopicId([7; 16]);
    planned.action = TopicAction::UseEmpty { topic_id };
    let mut wider = there(7, [0, 0]);
    wider.partitions.push(OffsetRange::new(0, 0));
    adopt(&mut planned, Some(&wider), true).unwrap();
    assert_eq!(planned.partitions.len(), 2);
}

#[test]
fn what_gets_another_number_of_partitions_is_known_by_that_number() {
    let mut planned = topic("orders");
    let with = |count: usize| {
        let start_offsets = vec![0; count];
        Some(crate::repartition::Repartition { start_offsets })
    };
    planned.repartition = with(3);
    let error = adopt(&mut planned, Some(&there(7, [0, 0])), true).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("2 partitions instead of 3"), "{told}");
    planned.repartition = with(2);
    adopt(&mut planned, Some(&there(7, [0, 12])), false).unwrap();
    assert_eq!(planned.start_offsets(), [0, 12]);
}
