use lifeboat_archive::json::Sha256Hex;

use super::*;
use crate::{
    groups::RestoredGroup,
    journal::{PartitionWritten, Planned, Prepared},
    offsets::OffsetTranslator,
    restore::Options,
    rewrite::{Producer, RewriteCounts},
    salvage::Salvage,
    testing::plans,
    verify::{Damage, Place},
};

const CLUSTER: &str = "target";

/// A journal of a restore of orders into dr.orders, begun at that time.
fn begin(folder: &Path, at: i64, cluster: &str) -> Journal {
    let mut topic = plans::topic("orders");
    topic.target = "dr.orders".to_owned();
    let mut plan = plans::plan(vec![topic]);
    plan.target_cluster_id = cluster.to_owned();
    let at = Timestamp::from_millis(at);
    let planned = Planned::of(&plan, &Options::default(), at);
    let journal = Journal::create(folder, &planned).unwrap();
    let planned = Entry::Planned(Box::new(planned));
    journal.append(&planned).unwrap();
    journal
}

/// So many records of a partition of orders are there.
fn written(partition: i32, records: u64) -> PartitionWritten {
    let counts = RewriteCounts {
        records,
        ..RewriteCounts::default()
    };
    let translator = OffsetTranslator::new(&plans::partition(partition), []);
    PartitionWritten {
        topic: "orders".to_owned(),
        target: "dr.orders".to_owned(),
        partition,
        start_offset: 5,
        counts,
        digest: None,
        offsets: translator.finish(records),
        salvaged: Vec::new(),
    }
}

fn write(journal: &Journal) {
    let topic = PreparedTopic {
        topic: "orders".to_owned(),
        target: "dr.orders".to_owned(),
        topic_id: TopicId([3; 16]),
        start_offsets: vec![0, 5],
        content: Sha256Hex::of(b"content"),
    };
    let prepared = Prepared {
        producer: Producer { id: 7, epoch: 0 },
        topics: vec![topic],
    };
    for entry in [Entry::Prepared(prepared), Entry::Written(written(1, 8))] {
        journal.append(&entry).unwrap();
    }
}

fn end(journal: &Journal, at: i64) {
    let settled = Entry::SettingsRestored {
        topic: "orders".to_owned(),
        target: "dr.orders".to_owned(),
    };
    let at = Timestamp::from_millis(at);
    for entry in [settled, Entry::Finished { at }] {
        journal.append(&entry).unwrap();
    }
}

#[test]
fn what_a_restore_wrote_that_came_to_its_end_is_known_by_the_targets_name() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        earlier_in(folder.path(), CLUSTER)
            .unwrap()
            .earlier
            .is_empty()
    );
    let journal = begin(folder.path(), 5, CLUSTER);
    write(&journal);
    assert!(
        earlier_in(folder.path(), CLUSTER)
            .unwrap()
            .earlier
            .is_empty()
    );
    end(&journal, 9);
    let known = earlier_in(folder.path(), CLUSTER).unwrap().earlier;
    let ranges = [(0, OffsetRange::new(0, 0)), (1, OffsetRange::new(5, 13))];
    let expected = Earlier {
        at: Timestamp::from_millis(9),
        topic_id: TopicId([3; 16]),
        content: Sha256Hex::of(b"content"),
        written: ranges.into(),
        journal: journal.path().to_owned(),
        left_out: BTreeSet::new(),
    };
    assert_eq!(known, BTreeMap::from([("dr.orders".to_owned(), expected)]));
    assert!(
        earlier_in(folder.path(), "other")
            .unwrap()
            .earlier
            .is_empty()
    );
    let nowhere = folder.path().join("nowhere");
    assert!(earlier_in(&nowhere, CLUSTER).unwrap().earlier.is_empty());
}

#[test]
fn groups_that_a_restore_left_out_are_known_until_they_have_their_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(folder.path(), 5, CLUSTER);
    write(&journal);
    let billing = |skipped: Option<&str>| {
        Entry::GroupRestored(RestoredGroup {
            group: "billing".to_owned(),
            skipped: skipped.map(str::to_owned),
            partial: skipped.is_some(),
            ..RestoredGroup::default()
        })
    };
    journal.append(&billing(Some("it is active"))).unwrap();
    end(&journal, 9);
    let left_out = || {
        let known = earlier_in(folder.path(), CLUSTER).unwrap();
        known.earlier["dr.orders"].left_out.clone()
    };
    assert_eq!(left_out(), BTreeSet::from(["billing".to_owned()]));
    journal.append(&billing(None)).unwrap();
    assert_eq!(left_out(), BTreeSet::new());
}

#[test]
fn a_later_restore_that_did_not_come_to_its_end_leaves_nothing_to_rely_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = begin(folder.path(), 5, CLUSTER);
    write(&first);
    end(&first, 9);
    // it may have set the topic's settings, and was killed
    begin(folder.path(), 20, CLUSTER);
    assert!(
        earlier_in(folder.path(), CLUSTER)
            .unwrap()
            .earlier
            .is_empty()
    );
    let third = begin(folder.path(), 30, CLUSTER);
    write(&third);
    end(&third, 40);
    let known = earlier_in(folder.path(), CLUSTER).unwrap().earlier;
    assert_eq!(known["dr.orders"].at, Timestamp::from_millis(40));
}

#[test]
fn a_topic_of_which_records_are_lost_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(folder.path(), 5, CLUSTER);
    write(&journal);
    let lacking = Entry::Written(PartitionWritten {
        salvaged: vec![Salvage {
            damage: Damage::new(Place::object("archive"), "it is missing"),
            lost: vec![OffsetRange::new(1, 4)],
            lost_records: Some(3),
        }],
        ..written(0, 3)
    });
    journal.append(&lacking).unwrap();
    end(&journal, 9);
    assert!(
        earlier_in(folder.path(), CLUSTER)
            .unwrap()
            .earlier
            .is_empty()
    );
}

#[test]
fn a_topic_that_was_stopped_half_way_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(folder.path(), 5, CLUSTER);
    write(&journal);
    let at = Timestamp::from_millis(9);
    journal.append(&Entry::Finished { at }).unwrap();
    assert!(
        earlier_in(folder.path(), CLUSTER)
            .unwrap()
            .earlier
            .is_empty()
    );
}

/// `--append` anew after an interruption appended everything once more.
#[test]
fn a_restore_that_was_interrupted_while_it_wrote_is_known_until_it_ends_or_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let interrupted = || earlier_in(folder.path(), CLUSTER).unwrap().interrupted;
    let journal = begin(folder.path(), 5, CLUSTER);
    assert!(interrupted().is_empty(), "nothing is written yet");
    write(&journal);
    let expected = Interrupted {
        at: Timestamp::from_millis(5),
        topic_id: TopicId([3; 16]),
        journal: journal.path().to_owned(),
    };
    let expected = BTreeMap::from([("dr.orders".to_owned(), expected)]);
    assert_eq!(interrupted(), expected);
    let begun = Begun {
        topic_id: TopicId([3; 16]),
        start_offsets: vec![0, 5],
        snapshot: Some("20260823T020000Z-k3fa".parse().unwrap()),
        selection: Selection::default(),
        spread: None,
    };
    let known = earlier_in(folder.path(), CLUSTER).unwrap().begun;
    assert_eq!(known, BTreeMap::from([("dr.orders".to_owned(), begun)]));
    // another one that has written nothing does not change that
    begin(folder.path(), 20, CLUSTER);
    assert_eq!(interrupted(), expected);
    end(&journal, 30);
    assert!(interrupted().is_empty());

    let second = begin(folder.path(), 40, CLUSTER);
    write(&second);
    assert_eq!(interrupted().len(), 1);
    let at = Timestamp::from_millis(50);
    second.append(&Entry::GivenUp { at }).unwrap();
    assert!(interrupted().is_empty());
}

/// A restore after an interrupted one took the settings of the time of writing for the topic's own.
#[test]
fn what_a_restore_has_not_set_of_a_topic_is_known_until_it_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let unsettled = || {
        let mut known = earlier_in(folder.path(), CLUSTER).unwrap().unsettled;
        let of_topic = known.remove("dr.orders").unwrap_or_default();
        assert!(known.is_empty());
        let of_topic = of_topic.into_iter();
        of_topic
            .map(|it| (it.journal, it.topic_id, it.settled))
            .collect::<Vec<_>>()
    };
    let journal = begin(folder.path(), 5, CLUSTER);
    let first = || journal.path().to_owned();
    assert_eq!(unsettled(), [(first(), None, false)]);
    write(&journal);
    let id = Some(TopicId([3; 16]));
    assert_eq!(unsettled(), [(first(), id, false)]);
    end(&journal, 9);
    // what was put off is still as it was
    assert_eq!(unsettled(), [(first(), id, true)]);
    // another one that has only planned does not hide it, until it has come to writing
    let second = begin(folder.path(), 30, CLUSTER);
    let path = || second.path().to_owned();
    assert_eq!(unsettled(), [(first(), id, true), (path(), None, false)]);
    write(&second);
    assert_eq!(unsettled(), [(path(), id, false)]);
    let at = Timestamp::from_millis(40);
    let topic = "orders".to_owned();
    second.append(&Entry::PutBack { topic, at }).unwrap();
    assert_eq!(unsettled(), []);
}

/// `--append` was refused for ever for what an older restore had written, which could not be resumed any more.
#[test]
fn what_was_interrupted_is_over_when_a_later_restore_came_to_writing_there_and_ended_somehow() {
    let folder = tempfile::tempdir().unwrap();
    let interrupted = || earlier_in(folder.path(), CLUSTER).unwrap().interrupted;
    let journal = begin(folder.path(), 5, CLUSTER);
    write(&journal);
    let second = begin(folder.path(), 20, CLUSTER);
    write(&second);
    assert_eq!(interrupted()["dr.orders"].journal, second.path());
    // with the topic stopped: it has no settings
    let at = Timestamp::from_millis(30);
    second.append(&Entry::Finished { at }).unwrap();
    assert!(interrupted().is_empty());
}
