use lifeboat_archive::{
    batch::Codec,
    documents::{AclBinding, AclOperation, PatternType, PermissionType, ResourceType},
    records::BatchBuilder,
};
use proptest::prelude::*;

use super::*;

/// A batch of the log.
pub(super) fn batch(offset: i64, records: &[MetadataRecord]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    for record in records {
        builder.push_pair(0, None, &record.encode());
    }
    builder.finish_for_log(offset, 1, false).unwrap().to_vec()
}

pub(super) fn user(name: &str, mechanism: i8, salt: &[u8]) -> MetadataRecord {
    MetadataRecord::UserScramCredential {
        user: name.to_owned(),
        mechanism,
        salt: SecretBytes::new(salt),
        stored_key: SecretBytes::new(b"stored"),
        server_key: SecretBytes::new(b"server"),
        iterations: 4096,
    }
}

fn remove(name: &str, mechanism: i8) -> MetadataRecord {
    MetadataRecord::RemoveUserScramCredential {
        user: name.to_owned(),
        mechanism,
    }
}

fn config(resource_type: i8, resource: &str, name: &str, value: Option<&str>) -> MetadataRecord {
    MetadataRecord::Config {
        resource_type,
        resource: resource.to_owned(),
        name: name.to_owned(),
        value: value.map(SecretText::new),
    }
}

fn acl(id: u8) -> MetadataRecord {
    MetadataRecord::AccessControlEntry {
        id: [id; 16],
        binding: AclBinding {
            resource_type: ResourceType(2),
            resource_name: "orders".to_owned(),
            pattern_type: PatternType(3),
            principal: "User:jörg".to_owned(),
            host: "*".to_owned(),
            operation: AclOperation(3),
            permission: PermissionType(3),
        },
    }
}

fn quota(value: f64, remove: bool) -> MetadataRecord {
    MetadataRecord::ClientQuota {
        entity: [("user".to_owned(), None)].into(),
        key: "producer_byte_rate".to_owned(),
        value,
        remove,
    }
}

fn feature(level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel {
        name: "group.version".to_owned(),
        level,
    }
}

fn replayed(batches: &[Vec<u8>], below: i64) -> Image {
    let mut replay = Replay::default();
    for bytes in batches {
        assert_eq!(replay.log(bytes, below).unwrap(), bytes.len());
    }
    replay.finish()
}

fn names(image: &Image) -> Vec<(&str, i8)> {
    let users = image.users.keys();
    users
        .map(|(user, mechanism)| (user.as_str(), *mechanism))
        .collect()
}

#[test]
fn a_snapshot_and_the_log_behind_it_make_an_image_with_deltas_and_removals() {
    let before = [
        user("alice", 1, b"old"),
        user("bob", 1, b"x"),
        user("bob", 2, b"x"),
        config(4, "1", "ssl.keystore.password", Some("hush")),
        config(4, "", "log.retention.ms", Some("1")),
        config(2, "orders", "retention.ms", Some("1")),
        acl(1),
        acl(2),
        quota(1.0, false),
        feature(1),
    ];
    let snapshot = bootstrap_checkpoint(&before).unwrap();
    let mut replay = Replay::of_snapshot(&snapshot, 100, 7).unwrap();
    assert_eq!((replay.next_offset(), replay.last_epoch()), (100, 7));
    // the log overlaps the snapshot: what is in both counts once, and what lies before it not at all
    let overlapping = batch(98, &[user("ghost", 1, b"x"), user("ghost", 2, b"x")]);
    replay.log(&overlapping, i64::MAX).unwrap();
    let after = [
        user("alice", 1, b"new"),
        remove("bob", 1),
        config(4, "", "log.retention.ms", None),
        MetadataRecord::RemoveAccessControlEntry { id: [1; 16] },
        quota(0.0, true),
        feature(0),
        MetadataRecord::Other {
            key: 20,
            version: 0,
            body: bytes::Bytes::from_static(&[0]),
        },
    ];
    replay.log(&batch(100, &after), i64::MAX).unwrap();
    let image = replay.finish();
    assert_eq!(names(&image), [("alice", 1), ("bob", 2)]);
    let alice = &image.users[&("alice".to_owned(), 1)];
    assert_eq!(alice.salt.expose(), b"new");
    assert_eq!(
        image.broker_configs.keys().collect::<Vec<_>>(),
        ["1"],
        "{image:?}"
    );
    assert_eq!(image.end_offset, 107);
    let sealed = image.credentials();
    assert_eq!(sealed.scram[1].mechanism, "SCRAM-SHA-512");
    let hush = &sealed.broker_configs["1"]["ssl.keystore.password"];
    assert_eq!(hush.expose(), "hush");
    assert!(!format!("{image:?}").contains("hush"));
}

#[test]
fn a_metadata_transaction_counts_when_it_is_ended_and_never_was_when_it_is_aborted() {
    use MetadataRecord as R;
    let batches = [
        batch(0, &[user("before", 1, b"x"), R::BeginTransaction]),
        batch(2, &[user("aborted", 1, b"x"), remove("before", 1)]),
        batch(4, &[R::AbortTransaction, R::BeginTransaction]),
        batch(6, &[user("ended", 1, b"x")]),
        batch(7, &[R::EndTransaction, R::BeginTransaction]),
        batch(9, &[user("open", 1, b"x")]),
    ];
    assert_eq!(
        names(&replayed(&batches, i64::MAX)),
        [("before", 1), ("ended", 1)]
    );
}

#[test]
fn what_is_not_committed_yet_is_left_out() {
    let batches = [
        batch(0, &[user("a", 1, b"x"), user("b", 1, b"x")]),
        batch(2, &[user("c", 1, b"x")]),
    ];
    let mut replay = Replay::default();
    replay.log(&batches.concat(), 1).unwrap();
    assert_eq!(replay.next_offset(), 1);
    assert_eq!(names(&replay.finish()), [("a", 1)]);
}

#[test]
fn a_hole_in_the_log_is_an_error() {
    let mut replay = Replay::default();
    let error = replay.log(&batch(5, &[feature(1)]), i64::MAX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "metadata log: a batch begins at offset 5 where 0 comes next"
    );
}

#[test]
fn a_cut_snapshot_is_an_error_wherever_it_is_cut() {
    let snapshot = bootstrap_checkpoint(&[user("alice", 1, b"x"), feature(1)]).unwrap();
    // between two batches, and where nothing is left of it, too
    for length in 0..snapshot.len() {
        let read = Replay::of_snapshot(&snapshot[..length], 0, 0);
        assert!(matches!(read, Err(ImageError::Cut { .. })), "{length}");
    }
    assert!(Replay::of_snapshot(&snapshot, 0, 0).is_ok());
}

#[test]
fn a_newer_version_of_a_record_that_is_of_no_use_is_passed_over() {
    let mut newer = feature(1).encode();
    newer[2] = 1;
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push_pair(0, None, &newer);
    builder.push_pair(0, None, &user("alice", 1, b"x").encode());
    let bytes = builder.finish_for_log(0, 1, false).unwrap();
    assert_eq!(
        names(&replayed(&[bytes.to_vec()], i64::MAX)),
        [("alice", 1)]
    );
}

#[test]
fn a_batch_that_says_it_comes_earlier_than_it_can_is_an_error() {
    let batches = [
        batch(0, &[user("a", 1, b"x")]),
        batch(0, &[remove("a", 1)]),
        batch(1, &[user("b", 1, b"x")]),
    ];
    let mut replay = Replay::default();
    let error = replay.log(&batches.concat(), i64::MAX).unwrap_err();
    assert!(matches!(error, ImageError::Hole { from: 1, to: 0 }));
}

#[test]
fn a_newer_version_of_a_record_is_named_with_its_place_and_not_guessed() {
    let mut value = user("alice", 1, b"x").encode();
    value[2] = 1;
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push_pair(0, None, &feature(1).encode());
    builder.push_pair(0, None, &value);
    let bytes = builder.finish_for_log(40, 1, false).unwrap();
    let mut replay = Replay::default();
    replay.image.end_offset = 40;
    let error = replay.log(&bytes, i64::MAX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "metadata log, record at offset 41: malformed UserScramCredentialRecord: version 1, which is newer than this \
         program knows, at byte 0"
    );
}

#[test]
fn every_flipped_byte_of_a_log_is_found_or_harmless() {
    let batches = [
        batch(0, &[user("alice", 1, b"salt"), acl(1)]),
        batch(2, &[user("bob", 1, b"salt")]),
        batch(3, &[user("carol", 1, b"salt")]),
    ];
    let good = batches.concat();
    let image = replayed(&batches, i64::MAX);
    for at in 0..good.len() {
        for flip in [0x01, 0x41, 0x80] {
            let mut damaged = good.clone();
            damaged[at] ^= flip;
            let mut replay = Replay::default();
            match replay.log(&damaged, i64::MAX) {
                Ok(read) if read == good.len() => {
                    assert_eq!(replay.finish().users, image.users, "{at}");
                }
                // who reads sees that not all was read
                Ok(read) => assert!(read < good.len()),
                Err(_) => {}
            }
        }
    }
}

fn any_record() -> impl Strategy<Value = MetadataRecord> {
    let text = "\\PC{0,20}";
    let secret = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (any::<i8>(), text, text, prop::option::of(text)).prop_map(
            |(kind, resource, name, value)| config(kind, &resource, &name, value.as_deref())
        ),
        (text, any::<i8>(), secret)
            .prop_map(|(name, mechanism, salt)| user(&name, mechanism, &salt)),
        (text, any::<i8>()).prop_map(|(name, mechanism)| remove(&name, mechanism)),
        (
            prop::collection::btree_map(text, prop::option::of(text), 0..4),
            text,
            -1e9..1e9,
            any::<bool>()
        )
            .prop_map(|(entity, key, value, remove)| MetadataRecord::ClientQuota {
                entity,
                key,
                value,
                remove
            }),
        (text, any::<i16>()).prop_map(|(name, level)| MetadataRecord::FeatureLevel { name, level }),
        any::<u8>().prop_map(acl),
        any::<[u8; 16]>().prop_map(|id| MetadataRecord::RemoveAccessControlEntry { id }),
        Just(MetadataRecord::BeginTransaction),
        Just(MetadataRecord::EndTransaction),
        Just(MetadataRecord::AbortTransaction),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|body| MetadataRecord::Other {
            key: 200,
            version: 3,
            body: body.into()
        }),
    ]
}

proptest! {
    #[test]
    fn records_read_back(record in any_record()) {
        prop_assert_eq!(MetadataRecord::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn hostile_bytes_are_an_error_that_names_the_place_and_nothing_worse(
        key in prop::sample::select(vec![4_u8, 11, 12, 14, 18, 19, 22, 23, 24, 25]),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let value = [&[1, key, 0][..], &body].concat();
        if let Err(error) = MetadataRecord::decode(&value) {
            let error = error.to_string();
            prop_assert!(error.contains("Record: ") && error.contains("at byte"), "{}", error);
        }
    }

    #[test]
    fn a_record_that_was_cut_is_an_error(record in any_record(), cut in any::<prop::sample::Index>()) {
        let value = record.encode();
        let cut = cut.index(value.len());
        let read = MetadataRecord::decode(&value[..cut]);
        // of another kind there is only a shorter one
        let other = matches!(record, MetadataRecord::Other { .. });
        prop_assert!(read.is_err() || other);
    }

    #[test]
    fn whatever_is_in_a_log_is_replayed_whole_or_refused(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..5),
        kind in prop::sample::select(vec![4_u8, 11, 22, 23, 24, 25, 200]),
    ) {
        let mut builder = BatchBuilder::new(Codec::None);
        for body in &values {
            builder.push_pair(0, None, &[&[1, kind, 0][..], body].concat());
        }
        let bytes = builder.finish_for_log(0, 1, false).unwrap();
        let mut replay = Replay::default();
        match replay.log(&bytes, i64::MAX) {
            Ok(read) => {
                prop_assert_eq!(read, bytes.len());
                prop_assert_eq!(replay.next_offset(), i64::try_from(values.len()).unwrap());
            }
            Err(error) => prop_assert!(error.to_string().contains("at offset"), "{}", error),
        }
    }
}
