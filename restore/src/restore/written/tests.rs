use super::*;
use crate::journal::{Entry, PartitionStopped};

#[test]
fn a_topic_that_was_stopped_before_and_is_whole_now_gets_its_settings() {
    // the journal as it was when the run began was asked, and the topic kept the settings of the time of writing
    let stopped = Entry::Stopped(PartitionStopped {
        topic: "orders".to_owned(),
        partition: 0,
        start_offset: 0,
        why: "somebody else writes to it".to_owned(),
    });
    let before = Past::of([stopped]);
    let whole = Written::nothing(Vec::new(), None);
    assert!(whole.lacks_settings("orders", &before));
    let still = Written::recalled(Vec::new(), &before, None);
    assert!(!still.lacks_settings("orders", &before));
    let mut set = before;
    set.settings_restored.insert("orders".to_owned());
    assert!(!whole.lacks_settings("orders", &set));
}
