use lifeboat_archive::{json::Sha256Hex, words::TopicId};

use super::*;
use crate::{
    journal::{Planned, Prepared, PreparedTopic, superseded},
    restore::Options,
    rewrite::Producer,
    testing::plans::{NOW, plan, settings, topic, topic_with_retention_put_off},
};

fn restored(name: &str) -> Past {
    let topic = name.to_owned();
    Past::of([
        Entry::SettingsRestored {
            topic,
            target: String::new(),
        },
        Entry::Finished { at: NOW },
    ])
}

fn names(open: &OpenTopic) -> Vec<&str> {
    open.changes.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn r23_what_was_put_off_is_put_back_once() {
    let topic = topic_with_retention_put_off("old");
    let past = restored("old");
    let there = settings(&[("retention.ms", "-1"), ("segment.ms", "60000")]);
    let open = decide(&topic, &past, &there);
    assert_eq!(names(&open), ["retention.ms"]);
    assert_eq!(open.changes[0].value.as_deref(), Some("3600000"));
    // it is so already, or was done
    let there = settings(&[("retention.ms", "3600000")]);
    assert!(decide(&topic, &past, &there).changes.is_empty());
    let mut done = past;
    done.put_back.insert("old".to_owned());
    assert_eq!(lacking(&topic, &done), []);
}

#[test]
fn an_interrupted_restore_gives_its_topics_everything_that_they_lack() {
    let topic = topic_with_retention_put_off("old");
    let there = topic.settings.while_writing.clone();
    let open = decide(&topic, &Past::default(), &there);
    assert_eq!(names(&open), ["segment.ms", "retention.ms"]);
    assert!(is_interrupted(&Past::default()) && !is_interrupted(&restored("old")));
}

#[test]
fn what_somebody_has_changed_since_stays_and_is_told() {
    let topic = topic("orders");
    let there = settings(&[("retention.ms", "5"), ("segment.ms", "9")]);
    let open = decide(&topic, &Past::default(), &there);
    assert_eq!(names(&open), ["segment.ms"]);
    assert_eq!(open.left, ["retention.ms is 5: somebody has changed it"]);
}

#[test]
fn a_topic_that_was_made_anew_is_another_one() {
    let topic = topic("orders");
    let past = Past::of([Entry::Prepared(Prepared {
        producer: Producer { id: 1, epoch: 0 },
        topics: vec![PreparedTopic {
            topic: "orders".to_owned(),
            target: "orders".to_owned(),
            topic_id: TopicId([3; 16]),
            start_offsets: vec![0, 0],
            content: Sha256Hex::of(b"content"),
        }],
    })]);
    let there = |id| ExistingTopic {
        topic_id: TopicId([id; 16]),
        ..ExistingTopic::default()
    };
    assert!(is_same(&topic, &past, &there(3)));
    assert!(!is_same(&topic, &past, &there(4)));
}

#[test]
fn a_topic_whose_id_was_planned_is_known_by_it() {
    let mut topic = topic("orders");
    let as_made = topic.settings.while_writing.clone();
    let there = |id| ExistingTopic {
        topic_id: TopicId([id; 16]),
        settings: as_made.clone(),
        ..ExistingTopic::default()
    };
    // its settings alone tell where the restore did not come to writing its id down: all of them
    assert!(is_same(&topic, &Past::default(), &there(4)));
    let mut somebodys = there(4);
    somebodys.settings.remove("segment.ms");
    assert!(!is_same(&topic, &Past::default(), &somebodys));
    topic.action = crate::plan::TopicAction::UseEmpty {
        topic_id: TopicId([3; 16]),
    };
    assert!(is_same(&topic, &Past::default(), &there(3)));
    assert!(!is_same(&topic, &Past::default(), &there(4)));
}

#[test]
fn what_a_later_restore_wrote_into_is_left_to_it() {
    // the old one's retention was put on it, and deleted what the later one had restored
    let topic = topic_with_retention_put_off("old");
    let there = topic.settings.while_writing.clone();
    let folder = tempfile::tempdir().unwrap();
    let begin = |seconds| begin(folder.path(), seconds);
    let decide = |journal: &Journal| {
        let kept = read(journal);
        decide_after(&topic, &kept.past, &there, &kept.later().unwrap())
    };
    let (old, new) = (begin(0), begin(60));
    let open = decide(&old);
    assert_eq!(names(&open), Vec::<&str>::new());
    assert!(open.left[0].contains("later restore"), "{:?}", open.left);
    assert!(open.left[0].contains(&new.path().display().to_string()));
    assert_eq!(names(&decide(&new)), ["segment.ms", "retention.ms"]);
    // one that was given up before it came to writing has taken nothing
    new.append(&Entry::GivenUp { at: NOW }).unwrap();
    assert_eq!(names(&decide(&old)), ["segment.ms", "retention.ms"]);
    // one that has written keeps it, however it ended
    new.append(&Entry::Prepared(prepared("old"))).unwrap();
    assert!(decide(&old).changes.is_empty());
    assert!(superseded(&read(&old), &read(&old).later().unwrap()).is_some());
    assert!(superseded(&read(&new), &read(&new).later().unwrap()).is_none());
}

fn prepared(topic: &str) -> Prepared {
    Prepared {
        producer: Producer { id: 1, epoch: 0 },
        topics: vec![PreparedTopic {
            topic: topic.to_owned(),
            target: topic.to_owned(),
            topic_id: TopicId([3; 16]),
            start_offsets: vec![0, 0],
            content: Sha256Hex::of(b"content"),
        }],
    }
}

/// A restore of the topic old that has begun.
fn begin(folder: &std::path::Path, seconds: i64) -> Journal {
    let plan = plan(vec![topic_with_retention_put_off("old")]);
    let at = Timestamp::from_millis(NOW.as_millis() + seconds * 1_000);
    let planned = Planned::of(&plan, &Options::default(), at);
    let journal = Journal::create(folder, &planned).unwrap();
    let planned = Entry::Planned(Box::new(planned));
    journal.append(&planned).unwrap();
    journal
}

fn read(journal: &Journal) -> KeptJournal {
    KeptJournal::read(journal.path()).unwrap()
}

#[test]
fn a_restore_that_went_on_after_the_look_at_its_journal_is_not_ended_by_it() {
    // the journal was not read again under its lease, and a restore that had just ended was given up
    let folder = tempfile::tempdir().unwrap();
    let journal = begin(folder.path(), 0);
    let planned = [read(&journal)];
    assert!(is_as_planned(&planned, &read(&journal)));
    journal.append(&Entry::AllWritten).unwrap();
    assert!(!is_as_planned(&planned, &read(&journal)));
}
