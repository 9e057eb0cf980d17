use lifeboat_archive::{json::Sha256Hex, words::TopicId};

use super::*;
use crate::{
    journal::{Prepared, PreparedTopic},
    rewrite::Producer,
    testing::plans::{NOW, topic, topic_with_retention_put_off},
};

fn settings(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    let of = of.iter();
    of.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

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
