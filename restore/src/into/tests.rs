use super::*;
use crate::testing::plans::{settings, topic_with_retention_put_off};

const ID: TopicId = TopicId([9; 16]);
const AT: Timestamp = Timestamp::from_millis(1_787_450_400_000);

fn there(ranges: &[(i64, i64)]) -> ExistingTopic {
    ExistingTopic {
        topic_id: ID,
        partitions: ranges
            .iter()
            .map(|&(start, end)| OffsetRange::new(start, end))
            .collect(),
        bytes: Some(77),
        ..ExistingTopic::default()
    }
}

fn earlier(content: &str, ranges: &[(i64, i64)]) -> Earlier {
    Earlier {
        at: AT,
        topic_id: ID,
        content: Sha256Hex::of(content.as_bytes()),
        written: (0..)
            .zip(ranges)
            .map(|(partition, &(start, end))| (partition, OffsetRange::new(start, end)))
            .collect(),
        journal: PathBuf::from("journal"),
        left_out: BTreeSet::new(),
    }
}

fn decide(existing: Existing, there: &ExistingTopic, earlier: Option<&Earlier>) -> TopicAction {
    let wanted = Wanted {
        partitions: 2,
        repartition: None,
        content: &Sha256Hex::of(b"it"),
        earlier,
        interrupted: None,
        existing,
    };
    action(wanted, Some(there), &mut Vec::new())
}

const ALL: [Existing; 3] = [Existing::Refuse, Existing::Append, Existing::Replace];

#[test]
fn a_topic_that_holds_records_is_refused_with_the_ways_that_there_are() {
    let TopicAction::Refuse { records, reason } =
        decide(Existing::Refuse, &there(&[(5, 9), (0, 0)]), None)
    else {
        panic!("it is refused");
    };
    assert_eq!(records, 4);
    for way in ["4 records", "--append", "--replace", "--rename", "--prefix"] {
        assert!(reason.contains(way), "{reason}");
    }
}

#[test]
fn on_request_it_is_added_to_or_emptied_up_to_the_ends_that_were_seen() {
    let full = there(&[(5, 9), (0, 0), (2, 3)]);
    assert_eq!(
        decide(Existing::Append, &full, None),
        TopicAction::Append {
            topic_id: ID,
            records: 5
        }
    );
    assert_eq!(
        decide(Existing::Replace, &full, None),
        TopicAction::Replace {
            topic_id: ID,
            records: 5,
            bytes: Some(77),
            before: vec![9, 0, 3],
        }
    );
    for existing in ALL {
        let empty = there(&[(9, 9), (0, 0)]);
        let used = TopicAction::UseEmpty { topic_id: ID };
        assert_eq!(decide(existing, &empty, None), used);
    }
}

#[test]
fn too_few_partitions_and_topics_of_kafkas_own_are_refused_whatever_is_asked_for() {
    for existing in ALL {
        for (few, why) in [(there(&[(0, 3)]), "--"), (there(&[]), "delete it")] {
            let refused = decide(existing, &few, None);
            let TopicAction::Refuse { reason, .. } = refused else {
                panic!("{refused:?}");
            };
            assert!(reason.contains(why), "{reason}");
        }
        let internal = ExistingTopic {
            internal: true,
            ..there(&[(0, 0), (0, 0)])
        };
        let refused = decide(existing, &internal, None);
        assert!(matches!(refused, TopicAction::Refuse { .. }), "{refused:?}");
    }
}

#[test]
fn what_an_earlier_restore_wrote_and_is_as_it_was_is_not_written_again() {
    let already = TopicAction::AlreadyThere {
        topic_id: ID,
        at: AT,
    };
    let there_still = there(&[(0, 9), (4, 4)]);
    let before = earlier("it", &[(0, 9), (4, 4)]);
    for existing in ALL {
        assert_eq!(decide(existing, &there_still, Some(&before)), already);
    }
    // it came behind other records: still there, unless those should go
    let appended = earlier("it", &[(5, 9), (4, 4)]);
    for existing in [Existing::Refuse, Existing::Append] {
        assert_eq!(decide(existing, &there_still, Some(&appended)), already);
    }
    let replaced = decide(Existing::Replace, &there_still, Some(&appended));
    assert!(matches!(replaced, TopicAction::Replace { records: 9, .. }));
}

#[test]
fn what_has_changed_since_is_not_taken_for_what_was_written() {
    let before = earlier("it", &[(0, 9), (4, 4)]);
    let another = ExistingTopic {
        topic_id: TopicId([1; 16]),
        ..there(&[(0, 9), (4, 4)])
    };
    let other_content = earlier("something else", &[(0, 9), (4, 4)]);
    for (now, before) in [
        // written behind it, deleted from its front, made anew, restored from another snapshot
        (there(&[(0, 10), (4, 4)]), &before),
        (there(&[(1, 9), (4, 4)]), &before),
        (another, &before),
        (there(&[(0, 9), (4, 4)]), &other_content),
    ] {
        let refused = decide(Existing::Refuse, &now, Some(before));
        assert!(matches!(refused, TopicAction::Refuse { .. }), "{refused:?}");
    }
}

#[test]
fn appending_tells_what_compaction_will_do_and_whose_settings_hold() {
    let told = |policy: &str, differing: &[&str]| {
        let mut warnings = Vec::new();
        warn_of_appending(policy, differing, &mut warnings);
        warnings
    };
    assert_eq!(told("delete", &[]), [] as [&str; 0]);
    assert!(told("delete, compact", &[])[0].contains("newer"));
    assert!(told("delete", &["retention.ms"])[0].ends_with("retention.ms"));
}

/// `--append` anew, instead of `--resume`, wrote everything once more.
#[test]
fn what_an_interrupted_restore_wrote_is_not_written_once_more_but_may_be_replaced() {
    let interrupted = Interrupted {
        at: AT,
        topic_id: ID,
        journal: "/state/restore-1.jsonl".into(),
    };
    let decide = |existing, there: &ExistingTopic, warnings: &mut Vec<String>| {
        let wanted = Wanted {
            partitions: 2,
            repartition: None,
            content: &Sha256Hex::of(b"it"),
            earlier: None,
            interrupted: Some(&interrupted),
            existing,
        };
        action(wanted, Some(there), warnings)
    };
    let mut warnings = Vec::new();
    let half = there(&[(0, 9), (0, 0)]);
    for existing in [Existing::Refuse, Existing::Append] {
        let refused = decide(existing, &half, &mut warnings);
        let TopicAction::Refuse { records: 9, reason } = refused else {
            panic!("{refused:?}");
        };
        for word in [
            "--resume",
            "--finish",
            "--replace",
            "/state/restore-1.jsonl",
        ] {
            assert!(reason.contains(word), "{reason}");
        }
    }
    assert_eq!(warnings, Vec::<String>::new());
    let replaced = decide(Existing::Replace, &half, &mut warnings);
    assert!(matches!(replaced, TopicAction::Replace { records: 9, .. }));
    assert!(warnings[0].contains("can't be resumed"), "{warnings:?}");
    // nothing of it is there, or the topic is another one
    let empty = decide(Existing::Append, &there(&[(0, 0), (0, 0)]), &mut warnings);
    assert!(matches!(empty, TopicAction::UseEmpty { .. }));
    let anew = ExistingTopic {
        topic_id: TopicId([8; 16]),
        ..half
    };
    let appended = decide(Existing::Append, &anew, &mut warnings);
    assert!(matches!(appended, TopicAction::Append { records: 9, .. }));
}

/// A restore of that name has left a topic whose retention becomes an hour.
fn unsettled(journal: &str, topic_id: Option<TopicId>) -> Unsettled {
    let planned = topic_with_retention_put_off("orders");
    Unsettled {
        topic_id,
        ..Unsettled::of(&planned, Path::new(journal))
    }
}

fn own(there: &[(&str, &str)], unsettled: &[Unsettled]) -> (BTreeMap<String, String>, Vec<String>) {
    let existing = ExistingTopic {
        topic_id: ID,
        settings: settings(there),
        ..ExistingTopic::default()
    };
    let mut warnings = Vec::new();
    let own = own_settings(&existing, unsettled, &mut warnings);
    (own, warnings)
}

/// A restore after an interrupted one took retention -1 for the topic's own, and left it there for ever.
#[test]
fn what_a_restore_set_while_it_wrote_is_not_the_topics_own() {
    let of_ours = [unsettled("one", Some(ID))];
    let as_made = [
        ("retention.ms", "-1"),
        ("segment.ms", "9"),
        ("flush.ms", "7"),
    ];
    let (own_ones, told) = own(&as_made, &of_ours);
    let wanted = [
        ("retention.ms", "3600000"),
        ("segment.ms", "60000"),
        ("flush.ms", "7"),
    ];
    assert_eq!(own_ones, settings(&wanted));
    let [told] = told.try_into().unwrap();
    assert!(
        told.ends_with("its own retention.ms, segment.ms are taken from the journal of that, one"),
        "{told}"
    );

    // somebody has changed it since
    let changed = [("retention.ms", "5"), ("segment.ms", "9")];
    assert_eq!(
        own(&changed, &of_ours).0,
        settings(&[("retention.ms", "5"), ("segment.ms", "60000")])
    );

    // only what was put off is still as it was then
    let settled = Unsettled {
        settled: true,
        ..of_ours[0].clone()
    };
    let (own_ones, _) = own(&as_made, std::slice::from_ref(&settled));
    assert_eq!(own_ones["retention.ms"], "3600000");
    assert_eq!(own_ones["segment.ms"], "9");
    let mut nothing_put_off = settled;
    nothing_put_off.settings.put_off = None;
    assert_eq!(own(&as_made, &[nothing_put_off]).0, settings(&as_made));

    // another topic of that name
    let others = [unsettled("one", Some(TopicId([1; 16])))];
    assert_eq!(own(&as_made, &others), (settings(&as_made), Vec::new()));
}

/// A plan that came to nothing gave its retention to whatever topic was made under that name later.
#[test]
fn a_topic_of_which_no_id_is_known_is_the_restores_only_where_all_of_its_settings_are() {
    let planned = [unsettled("one", None)];
    let as_made = [("retention.ms", "-1"), ("segment.ms", "9")];
    assert_eq!(own(&as_made, &planned).0["retention.ms"], "3600000");
    let somebodys = [("retention.ms", "-1"), ("segment.ms", "8")];
    assert_eq!(
        own(&somebodys, &planned),
        (settings(&somebodys), Vec::new())
    );
}

/// The older one's settings stayed for ever.
#[test]
fn the_newest_restore_that_set_a_setting_knows_what_was_there_before() {
    let older = unsettled("older", Some(ID));
    let mut newer = unsettled("newer", Some(ID));
    newer.settings.wanted = settings(&[("retention.ms", "-1"), ("segment.ms", "60000")]);
    newer.settings.while_writing = settings(&[("retention.ms", "-1"), ("segment.ms", "10")]);
    // it has come no further than its plan: one setting is still the older one's
    let there = [("retention.ms", "-1"), ("segment.ms", "9")];
    let (own_ones, told) = own(&there, &[older, newer]);
    assert_eq!(
        own_ones,
        settings(&[("retention.ms", "-1"), ("segment.ms", "60000")])
    );
    let [told] = told.try_into().unwrap();
    assert!(
        told.ends_with("its own segment.ms are taken from the journal of that, older"),
        "{told}"
    );
}

#[test]
fn of_many_names_some_are_told_and_the_others_counted() {
    assert_eq!(some_of(&["a", "b", "c"]), "a, b, c");
    assert_eq!(some_of(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
}
