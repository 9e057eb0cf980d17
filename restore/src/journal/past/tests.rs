use lifeboat_archive::{json::Sha256Hex, words::TopicId};

use super::*;
use crate::{
    journal::PreparedTopic,
    offsets::OffsetTranslator,
    parts::Parts,
    rewrite::{Producer, RewriteCounts},
    testing::plans::{self, NOW, plan, topic},
};

fn prepared() -> Entry {
    Entry::Prepared(Prepared {
        producer: Producer { id: 7, epoch: 0 },
        topics: vec![PreparedTopic {
            topic: "orders".to_owned(),
            target: "orders".to_owned(),
            topic_id: TopicId([3; 16]),
            start_offsets: vec![0, 5],
            content: Sha256Hex::of(b"content"),
        }],
    })
}

fn written(partition: i32) -> Entry {
    let manifest = plans::partition(partition);
    Entry::Written(PartitionWritten {
        topic: "orders".to_owned(),
        target: String::new(),
        partition,
        start_offset: 0,
        counts: RewriteCounts::default(),
        digest: None,
        offsets: OffsetTranslator::new(&manifest, []).finish(3),
        salvaged: Vec::new(),
    })
}

fn stopped(partition: i32) -> Entry {
    Entry::Stopped(PartitionStopped {
        topic: "orders".to_owned(),
        partition,
        start_offset: 0,
        why: "others".to_owned(),
    })
}

fn settings() -> Entry {
    Entry::SettingsRestored {
        topic: "orders".to_owned(),
        target: String::new(),
    }
}

#[test]
fn each_line_takes_a_restore_one_stage_further() {
    let mut plan = plan(vec![topic("orders")]);
    plan.parts = Parts::everything();
    plan.groups.push(plans::group("billing", 1, None));
    let lines = [
        (prepared(), Stage::Writing),
        (written(0), Stage::Writing),
        (Entry::AllWritten, Stage::Comparing),
        (Entry::Compared, Stage::Groups),
        (Entry::GroupsCommitted, Stage::Settings),
        (settings(), Stage::Cluster),
        (Entry::Finished { at: NOW }, Stage::Users),
        (Entry::UsersRestored, Stage::Finished),
    ];
    let mut entries = Vec::new();
    assert_eq!(Past::of(entries.clone()).stage(&plan), Stage::Preparing);
    for (entry, stage) in lines {
        entries.push(entry);
        let past = Past::of(entries.clone());
        assert_eq!(past.stage(&plan), stage, "{:?}", entries.last());
        assert_eq!(past.is_unfinished(&plan), stage != Stage::Finished);
        assert_eq!(past.is_proven(&plan), stage >= Stage::Groups);
    }
    entries.push(Entry::GivenUp { at: NOW });
    assert!(!Past::of(entries).is_unfinished(&plan));
}

#[test]
fn what_is_not_compared_is_proven_when_it_is_written() {
    let mut plan = plan(vec![topic("orders")]);
    plan.compare = None;
    let past = Past::of([prepared(), Entry::AllWritten]);
    assert!(past.is_proven(&plan));
    assert!(!Past::of([prepared()]).is_proven(&plan));
}

/// With other damage than before, records came twice or were missing, and nothing said so.
#[test]
fn what_is_salvaged_and_gone_on_with_is_compared_whatever_was_asked_for() {
    let mut plan = plan(vec![topic("orders")]);
    plan.compare = None;
    plan.salvage = true;
    let resumed = || Entry::Resumed { at: NOW };
    let whole = [prepared(), Entry::AllWritten, resumed()];
    assert!(Past::of(whole).is_proven(&plan), "all was written at once");
    let in_two = vec![prepared(), resumed(), Entry::AllWritten];
    assert!(!Past::of(in_two.clone()).is_proven(&plan));
    assert_eq!(Past::of(in_two.clone()).stage(&plan), Stage::Comparing);
    let compared = in_two.into_iter().chain([Entry::Compared]);
    assert!(Past::of(compared).is_proven(&plan));
    plan.salvage = false;
    assert!(Past::of([prepared(), resumed(), Entry::AllWritten]).is_proven(&plan));
}

#[test]
fn a_partition_is_what_the_last_line_says_of_it() {
    let past = Past::of([written(0), stopped(0), stopped(1), written(1)]);
    let key = |partition| ("orders".to_owned(), partition);
    assert_eq!(past.stopped.keys().collect::<Vec<_>>(), [&key(0)]);
    assert_eq!(past.written.keys().collect::<Vec<_>>(), [&key(1)]);
    // a topic that was stopped does not wait for its settings
    let plan = plan(vec![topic("orders")]);
    assert!(!past.lacks_settings(&plan.topics[0]));
}

/// It was said to have ended, with exit code 0, whatever it had not restored.
#[test]
fn what_a_restore_that_ended_did_not_restore_is_known() {
    let group = RestoredGroup {
        group: "shop".to_owned(),
        skipped: Some("it has members".to_owned()),
        partial: true,
        ..RestoredGroup::default()
    };
    let past = Past::of([
        prepared(),
        written(0),
        stopped(1),
        Entry::GroupRestored(group),
    ]);
    let mut plan = plan(vec![topic("orders")]);
    plan.groups = vec![
        plans::group("billing", 2, Some("it is active on the target (stable)")),
        plans::group("other", 0, Some("none of its topics is restored")),
        plans::group("shop", 1, None),
    ];
    assert_eq!(
        past.missing(&plan),
        [
            "orders-1: others",
            "group shop: it has members",
            "group billing: it is active on the target (stable)",
        ]
    );
    let left = |past: &Past| -> Vec<String> {
        let left = past.groups_left(&plan);
        left.map(|it| it.group.clone()).collect()
    };
    assert_eq!(left(&past), ["billing", "shop"]);
    let had = |name: &str| {
        Entry::GroupRestored(RestoredGroup {
            group: name.to_owned(),
            committed: 2,
            ..RestoredGroup::default()
        })
    };
    let past = Past::of([stopped(1), written(1), had("billing"), had("shop")]);
    assert_eq!(past.missing(&plan), [""; 0]);
    assert_eq!(left(&past), [""; 0]);
}
