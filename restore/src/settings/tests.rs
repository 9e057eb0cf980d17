use super::*;

const DAY: i64 = 24 * 3_600_000;
const NOW: i64 = 1_787_450_400_000;

fn snapshot(settings: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
    let some = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).to_owned()));
    settings.iter().map(some).collect()
}

fn age(partition: i32, max_timestamp_ms: i64, bytes: u64) -> SegmentAge {
    SegmentAge {
        partition,
        max_timestamp_ms: Some(max_timestamp_ms),
        records: bytes / 100,
        bytes,
        largest_batch_bytes: 16_384,
    }
}

fn derive(
    settings: &[(&str, &str)],
    ages: &[SegmentAge],
    largest_batch_bytes: u64,
) -> TopicSettings {
    let context = SettingsContext {
        replication_factor: 1,
        largest_batch_bytes,
        defaults: &TopicDefaults::default(),
        ages,
        in_one_partition: false,
        done_at: Timestamp::from_millis(NOW),
    };
    TopicSettings::derive(
        &snapshot(settings),
        &BTreeMap::new(),
        &context,
        &mut Vec::new(),
    )
}

fn change(name: &str, value: Option<&str>) -> SettingChange {
    SettingChange {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    }
}

#[test]
fn r22_settings_while_writing_are_explicit_whatever_the_topic_says() {
    let settings = derive(
        &[
            ("cleanup.policy", "compact"),
            ("retention.ms", "1000"),
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "zstd"),
            ("remote.storage.enable", "true"),
            ("flush.messages", "7"),
        ],
        &[],
        2_000_000,
    );
    let writing = &settings.while_writing;
    for (name, value) in WHILE_WRITING {
        assert_eq!(writing[*name], *value, "{name}");
    }
    assert_eq!(writing["max.message.bytes"], "2250000");
    assert_eq!(writing["flush.messages"], "7");
    assert_eq!(settings.wanted["cleanup.policy"], "compact");
}

#[test]
fn r22_max_message_bytes_is_never_below_the_topics_own_or_kafkas() {
    assert_eq!(
        derive(&[], &[], 10).while_writing["max.message.bytes"],
        "1048588"
    );
    let own = derive(&[("max.message.bytes", "5000000")], &[], 10);
    assert_eq!(own.while_writing["max.message.bytes"], "5000000");
}

#[test]
fn r22_a_segment_is_never_smaller_than_the_largest_batch() {
    let settings = derive(&[("segment.bytes", "16384")], &[], 20_000);
    assert_eq!(settings.while_writing["segment.bytes"], "22500");
    assert!(
        settings
            .final_changes()
            .contains(&change("segment.bytes", Some("16384")))
    );
    let enough = derive(&[("segment.bytes", "16384")], &[], 14_000);
    assert_eq!(enough.while_writing["segment.bytes"], "16384");
}

#[test]
fn r23_the_end_puts_back_what_the_snapshot_says_and_takes_away_the_rest() {
    let settings = derive(
        &[("cleanup.policy", "compact"), ("flush.messages", "7")],
        &[],
        0,
    );
    let changes = settings.final_changes();
    assert!(changes.contains(&change("cleanup.policy", Some("compact"))));
    assert!(changes.contains(&change("retention.ms", None)));
    assert!(changes.contains(&change("max.message.bytes", None)));
    assert!(!changes.iter().any(|change| change.name == "flush.messages"));
}

#[test]
fn r23_retention_that_would_delete_at_once_is_put_off_with_its_size() {
    let ages = [
        age(0, NOW - 9 * DAY, 1_000),
        age(0, NOW - DAY, 500),
        age(1, NOW - 8 * DAY, 300),
    ];
    let settings = derive(&[("retention.ms", "604800000")], &ages, 0);
    let put_off = settings.put_off.clone().unwrap();
    assert_eq!(
        put_off.settings,
        [change("retention.ms", Some("604800000"))]
    );
    assert_eq!((put_off.records, put_off.bytes), (13, 1_300));
    let changes = settings.final_changes();
    assert!(!changes.iter().any(|change| change.name == "retention.ms"));
    assert!(
        changes
            .iter()
            .any(|change| change.name == "retention.bytes")
    );
}

#[test]
fn r23_the_brokers_default_retention_is_put_off_too() {
    let settings = derive(&[], &[age(0, NOW - 3_650 * DAY, 1_000)], 0);
    let put_off = settings.put_off.unwrap();
    assert_eq!(put_off.settings, [change("retention.ms", None)]);
    assert_eq!(put_off.retention, ["retention.ms 604800000"]);
}

#[test]
fn r23_retention_holds_at_once_where_it_deletes_nothing() {
    let young = [age(0, NOW - DAY, 1_000)];
    assert_eq!(derive(&[], &young, 0).put_off, None);
    let old = [age(0, NOW - 3_650 * DAY, 1_000)];
    assert_eq!(derive(&[("retention.ms", "-1")], &old, 0).put_off, None);
    assert_eq!(
        derive(&[("cleanup.policy", "compact")], &old, 0).put_off,
        None
    );
    assert!(
        derive(&[("cleanup.policy", "compact,delete")], &old, 0)
            .put_off
            .is_some()
    );
    // deleted from the front only: a young segment before it keeps an old one
    let behind_young = [age(0, NOW, 10), age(0, NOW - 3_650 * DAY, 10)];
    assert_eq!(derive(&[], &behind_young, 0).put_off, None);
    // a record without a time is as old as its file
    assert_eq!(derive(&[], &[age(0, -1, 10)], 0).put_off, None);
}

#[test]
fn r23_retention_by_size_is_put_off_where_a_whole_segment_lies_beyond_it() {
    let big = [age(0, NOW, 5_000_000)];
    let sized = |retention_bytes: &str| {
        derive(
            &[
                ("segment.bytes", "1016384"),
                ("retention.bytes", retention_bytes),
            ],
            &big,
            0,
        )
    };
    let put_off = sized("2500000").put_off.unwrap();
    assert_eq!(
        put_off.settings,
        [change("retention.bytes", Some("2500000"))]
    );
    assert_eq!((put_off.records, put_off.bytes), (20_000, 2_000_000));
    assert_eq!(sized("4500000").put_off, None);
    assert_eq!(sized("-1").put_off, None);
}

#[test]
fn r24_the_brokers_recompression_waits_until_the_end() {
    let settings = derive(&[("compression.type", "gzip")], &[], 0);
    assert_eq!(settings.while_writing["compression.type"], "producer");
    assert!(
        settings
            .final_changes()
            .contains(&change("compression.type", Some("gzip")))
    );
}

#[test]
fn r25_min_insync_replicas_is_capped_to_the_replicas_with_a_warning() {
    let mut warnings = Vec::new();
    let context = SettingsContext {
        replication_factor: 1,
        largest_batch_bytes: 0,
        defaults: &TopicDefaults::default(),
        ages: &[],
        in_one_partition: false,
        done_at: Timestamp::from_millis(NOW),
    };
    let settings = TopicSettings::derive(
        &snapshot(&[("min.insync.replicas", "2")]),
        &BTreeMap::new(),
        &context,
        &mut warnings,
    );
    assert_eq!(settings.wanted["min.insync.replicas"], "1");
    assert_eq!(settings.while_writing["min.insync.replicas"], "1");
    assert_eq!(warnings.len(), 1);
}

#[test]
fn r25_throttled_replicas_are_never_restored_and_do_not_make_it_partial() {
    let settings = derive(&[("leader.replication.throttled.replicas", "0:1")], &[], 0);
    assert!(
        !settings
            .while_writing
            .contains_key("leader.replication.throttled.replicas")
    );
    assert_eq!(settings.left_out.len(), 1);
    assert!(!settings.left_out[0].partial);
}

#[test]
fn r25_a_refused_setting_is_left_out_and_named() {
    let mut settings = derive(
        &[("confluent.tier.enable", "true"), ("cleanup.policy", "x")],
        &[],
        0,
    );
    settings.leave_out("confluent.tier.enable", "unknown to the target");
    settings.leave_out("cleanup.policy", "invalid");
    assert!(!settings.while_writing.contains_key("confluent.tier.enable"));
    assert_eq!(settings.while_writing["cleanup.policy"], "delete");
    assert_eq!(settings.left_out.len(), 2);
    assert!(settings.left_out.iter().all(|left_out| left_out.partial));
    assert!(
        settings
            .final_changes()
            .contains(&change("cleanup.policy", None))
    );
}

#[test]
fn r25_our_own_settings_are_dropped_only_where_some_brokers_lack_them() {
    let mut settings = derive(&[], &[], 0);
    assert!(settings.write_without("message.timestamp.difference.max.ms"));
    assert!(!settings.write_without("retention.ms"));
    assert!(!settings.write_without("message.timestamp.difference.max.ms"));
}

#[test]
fn settings_of_an_existing_topic_stay_where_the_snapshot_says_nothing() {
    let existing: BTreeMap<String, String> = [("flush.ms", "5"), ("retention.ms", "9")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let context = SettingsContext {
        replication_factor: 1,
        largest_batch_bytes: 0,
        defaults: &TopicDefaults::default(),
        ages: &[],
        in_one_partition: false,
        done_at: Timestamp::from_millis(NOW),
    };
    let wanted = snapshot(&[("retention.ms", "8000")]);
    let settings = TopicSettings::derive(&wanted, &existing, &context, &mut Vec::new());
    let first = settings.first_changes(&existing);
    assert!(first.contains(&change("retention.ms", Some("-1"))));
    assert!(!first.iter().any(|change| change.name == "flush.ms"));
    let last = settings.final_changes();
    assert!(last.contains(&change("retention.ms", Some("8000"))));
    assert!(!last.iter().any(|change| change.name == "flush.ms"));
}
