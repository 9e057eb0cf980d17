//! One suite for every kind of store, on real servers: what a repository rests on holds in each of them.

#![expect(clippy::unwrap_used, reason = "tests: what fails here should panic")]

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lifeboat_archive::{
    json::{Sha256Hex, Xxh3Hex},
    lists::{ObjectReference, PartitionList, TopicList, TransactionTable},
    manifest::{Commit, Manifest, ManifestTopic, SnapshotKind, SnapshotState, Totals},
    words::{Clock, Progress, SnapshotId, Timestamp, TopicId},
};
use lifeboat_config::{RepositoryLocation, StoreOptions};
use lifeboat_repository::{
    ClusterRepository, Repository, RepositoryError, Writers, check::FindingKind,
};
use lifeboat_tests::{Azurite, GoogleXml, Keys, MinIo};
use tokio::sync::OnceCell;

const CLUSTER: &str = "NrI2qCTxevO5IomtUq8w-_";

fn now() -> Timestamp {
    Clock::system().now()
}

fn location(url: &str, options: &[(&str, &str)]) -> RepositoryLocation {
    let mut told = StoreOptions::default();
    for (name, value) in options {
        told.set(name, value).unwrap();
    }
    RepositoryLocation {
        url: url.parse().unwrap(),
        options: told,
    }
}

fn on_minio(server: &MinIo, keys: &Keys, url: &str) -> RepositoryLocation {
    let mut options = vec![
        ("aws_allow_http", "true"),
        ("aws_access_key_id", keys.id.as_str()),
        ("aws_secret_access_key", keys.secret.as_str()),
    ];
    let endpoint = server.endpoint();
    options.push(("aws_endpoint", &endpoint));
    if let Some(token) = &keys.token {
        options.push(("aws_session_token", token));
    }
    location(url, &options)
}

/// One server for all tests of a kind: each has a bucket of its own.
async fn minio() -> &'static MinIo {
    static SERVER: OnceCell<MinIo> = OnceCell::const_new();
    let start = || async {
        tokio::task::spawn_blocking(|| MinIo::start().unwrap())
            .await
            .unwrap()
    };
    SERVER.get_or_init(start).await
}

fn commit(n: u32, manifest: ObjectReference) -> Commit {
    let snapshot: SnapshotId = format!("2026082{n}T020000Z-aaab").parse().unwrap();
    Commit {
        sequence: 0,
        follows: None,
        snapshot,
        cluster_id: CLUSTER.to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Complete,
        started_at: now(),
        bounds_at: now(),
        committed_at: now(),
        manifest,
        totals: Totals::default(),
    }
}

/// Everything that is ever asked of a store.
async fn conforms(at: RepositoryLocation) {
    let error = Repository::open(&at).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::NoRepository { .. }),
        "{error:?}"
    );
    let (made, found) = Repository::init_for(&at, Writers::Many, &Clock::system())
        .await
        .unwrap();
    if let Some(found) = &found.remote {
        assert!(found.conditional_create, "{found:?}");
        assert!(found.multipart_abort && found.delete, "{found:?}");
        assert!(found.clock_ahead_ms.abs() < 5_000, "{found:?}");
    }
    let again = Repository::init(&at, &Clock::system()).await.unwrap_err();
    assert!(matches!(again, RepositoryError::AlreadyInitialised { .. }));
    let repository = Repository::open(&at).await.unwrap();
    assert_eq!(repository.id(), made.id());
    assert!(repository.clusters().await.unwrap().is_empty());

    let cluster = repository.cluster(CLUSTER).unwrap();
    archives(&cluster).await;
    snapshots(&cluster).await;
    assert_eq!(repository.clusters().await.unwrap(), [CLUSTER]);
    let chosen = repository.choose_cluster(None).await.unwrap();
    assert_eq!(chosen.id(), CLUSTER);
}

/// Uploads in parts, of more than one; ranged reads; what is given up, missing or damaged.
async fn archives(cluster: &ClusterRepository) {
    let repository = cluster.repository();
    let bytes: Vec<u8> = (0..20_000_000u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let size = bytes.len() as u64;
    let mut upload = cluster.begin_archive(now()).await.unwrap();
    for piece in bytes.chunks(3_000_000) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let object = upload.object().to_owned();
    let error = repository.size(&object).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::NotFound { .. }),
        "before its end nothing is seen: {error:?}"
    );
    let archive = upload.finish(size, Xxh3Hex::of(&bytes)).await.unwrap();
    assert_eq!(repository.size(&object).await.unwrap(), size);
    for range in [0..1, 8_388_600..8_388_620, size - 5..size, 0..size] {
        let index = |at: u64| usize::try_from(at).unwrap();
        let (from, to) = (index(range.start), index(range.end));
        let read = repository.read_range(&object, range.clone()).await.unwrap();
        assert!(read == bytes[from..to], "{range:?}");
    }
    let pieces: Vec<Bytes> = repository
        .stream_range(&object, 5..size)
        .try_collect()
        .await
        .unwrap();
    assert!(pieces.concat() == bytes[5..], "in pieces");
    // whatever a store says to a range beyond the end: it is too short
    for range in [size - 3..size + 3, size + 10..size + 20] {
        let error = repository.read_range(&object, range).await.unwrap_err();
        assert!(
            matches!(error, RepositoryError::Damaged { .. }),
            "{error:?}"
        );
    }
    let damaged = ObjectReference {
        object: object.clone(),
        size,
        sha256: Sha256Hex::of(b"other"),
    };
    let error = repository.read(&damaged).await.unwrap_err();
    assert!(
        matches!(error, RepositoryError::Damaged { .. }),
        "{error:?}"
    );
    assert_eq!(archive.size, size);

    let mut given_up = cluster.begin_archive(now()).await.unwrap();
    for piece in bytes.chunks(9_000_000) {
        given_up.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let object = given_up.object().to_owned();
    given_up.abort().await.unwrap();
    for error in [
        repository.size(&object).await.unwrap_err(),
        repository.read_range(&object, 0..3).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, RepositoryError::NotFound { .. }),
            "{error:?}"
        );
    }
}

/// Documents, lists, manifests, commits: created once, found again, and numbers never used twice.
async fn snapshots(cluster: &ClusterRepository) {
    let nothing = ObjectReference {
        object: format!("{CLUSTER}/manifests/x.json.zst"),
        size: 3,
        sha256: Sha256Hex::of(b"abc"),
    };
    let planned = commit(1, nothing.clone());
    let snapshot = &planned.snapshot;
    let documents = cluster
        .put_documents(snapshot, b"documents".to_vec())
        .await
        .unwrap();
    // a write whose answer was lost is done again; another one of that name is not
    let same = cluster.put_documents(snapshot, b"documents".to_vec()).await;
    assert_eq!(same.unwrap(), documents);
    let other = cluster.put_documents(snapshot, b"others".to_vec()).await;
    assert!(matches!(other, Err(RepositoryError::Exists { .. })));
    let stored = cluster.repository().read(&documents).await.unwrap();
    assert_eq!(stored, b"documents"[..]);

    let list = TopicList {
        topic: "orders".to_owned(),
        topic_id: TopicId([7; 16]),
        archives: Vec::new(),
        partitions: vec![PartitionList {
            partition: 0,
            segments: Vec::new(),
            holes: Vec::new(),
            transactions: TransactionTable::default(),
        }],
    };
    let mut lists = cluster.lists(snapshot);
    let reference = lists.append(&list).await.unwrap();
    lists.finish().await.unwrap();
    let topic = ManifestTopic {
        topic: list.topic.clone(),
        topic_id: list.topic_id,
        list: reference,
        cleanup: None,
        partitions: Vec::new(),
    };
    assert_eq!(cluster.list(&topic).await.unwrap(), list);
    let manifest = Manifest {
        snapshot: snapshot.clone(),
        cluster_id: CLUSTER.to_owned(),
        kind: SnapshotKind::Full,
        state: SnapshotState::Complete,
        started_at: now(),
        bounds_at: now(),
        finished_at: now(),
        created_by: "lifeboat test".to_owned(),
        topics: vec![topic],
        documents,
        totals: Totals::default(),
        builds_on: None,
        problems: Vec::new(),
    };
    let manifest_reference = cluster.put_manifest(&manifest).await.unwrap();
    assert!(cluster.catalog().await.unwrap().latest().unwrap().is_none());
    let first = cluster.commit(commit(1, manifest_reference)).await.unwrap();
    assert_eq!(first.sequence, 1);
    assert_eq!(cluster.manifest(&first).await.unwrap(), manifest);

    // all at once: each is kept, and no number is used twice
    let others = (2..=6).map(|n| cluster.commit(commit(n, nothing.clone())));
    let mut numbers: Vec<_> = futures::future::try_join_all(others)
        .await
        .unwrap()
        .iter()
        .map(|commit| commit.sequence)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 4, 5, 6]);
    let catalog = cluster.catalog().await.unwrap();
    assert_eq!(catalog.snapshots().count(), 6);
    assert_eq!(catalog.resolve("20260821").unwrap(), &first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_holds_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/repository", folder.path().display());
    conforms(location(&url, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_holds_a_repository() {
    let server = minio().await;
    server.make_bucket("whole").unwrap();
    let keys = MinIo::root_keys();
    conforms(on_minio(server, &keys, "s3://whole")).await;
    let (_, marks) = server.versions("whole").unwrap();
    assert_eq!(marks, 0, "nothing is deleted in a bucket without versions");
    // beside others, below a prefix
    conforms(on_minio(server, &keys, "s3://whole/deep/prefix")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_holds_a_repository() {
    let server = tokio::task::spawn_blocking(|| Azurite::start().unwrap())
        .await
        .unwrap();
    server.make_container("backups").unwrap();
    let (account, key) = server.account();
    let endpoint = server.endpoint();
    let options = [
        ("azure_allow_http", "true"),
        ("azure_storage_endpoint", endpoint.as_str()),
        ("azure_storage_account_name", account),
        ("azure_storage_account_key", key),
    ];
    conforms(location("az://backups/prod", &options)).await;
    let missing = Repository::open(location("az://nowhere", &options)).await;
    let error = missing.unwrap_err();
    assert!(
        matches!(error, RepositoryError::NoBucket { .. }),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_googles_xml_holds_a_repository() {
    let server = tokio::task::spawn_blocking(|| GoogleXml::start().unwrap())
        .await
        .unwrap();
    server.make_bucket("backups").unwrap();
    let endpoint = server.endpoint();
    let options = [
        ("google_allow_http", "true"),
        ("google_base_url", endpoint.as_str()),
        ("google_bearer_token", "none"),
    ];
    conforms(location("gs://backups/prod", &options)).await;
    let missing = Repository::open(location("gs://nowhere", &options)).await;
    let error = missing.unwrap_err();
    assert!(
        matches!(
            error,
            RepositoryError::NoBucket { .. } | RepositoryError::Denied { .. }
        ),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_bucket_is_seen_and_nothing_in_it_needs_a_delete() {
    let server = minio().await;
    server.make_locked_bucket("locked", 3).unwrap();
    let at = on_minio(server, &MinIo::root_keys(), "s3://locked/prod");
    let (repository, found) = Repository::init_for(&at, Writers::Many, &Clock::system())
        .await
        .unwrap();
    let lock = found.remote.unwrap().object_lock.unwrap();
    assert_eq!(lock.mode, "COMPLIANCE");
    assert!(lock.until.contains('T'), "{lock:?}");
    let (_, of_probe) = server.versions("locked").unwrap();

    let cluster = repository.cluster(CLUSTER).unwrap();
    archives(&cluster).await;
    snapshots(&cluster).await;
    let (_, marks) = server.versions("locked").unwrap();
    assert_eq!(marks, of_probe, "something was deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_stored_as_it_was_asked_for_with_checksums_that_the_store_checks() {
    let server = minio().await;
    server.make_bucket("asked").unwrap();
    let mut at = on_minio(server, &MinIo::root_keys(), "s3://asked");
    let options = &mut at.options;
    options.set("aws_server_side_encryption", "AES256").unwrap();
    options.set_storage_class("REDUCED_REDUNDANCY").unwrap();
    let repository = Repository::init(&at, &Clock::system()).await.unwrap();
    let cluster = repository.cluster(CLUSTER).unwrap();
    let mut upload = cluster.begin_archive(now()).await.unwrap();
    let bytes = Bytes::from(vec![7; 9 << 20]);
    upload.write(bytes.clone()).await.unwrap();
    let hash = Xxh3Hex::of(&bytes);
    let archive = upload.finish(bytes.len() as u64, hash).await.unwrap();
    let snapshot = SnapshotId::generate(now());
    let documents = cluster.put_documents(&snapshot, b"x".to_vec());
    let documents = documents.await.unwrap();

    for (object, class) in [
        (&archive.object, Some("REDUCED_REDUNDANCY")),
        // small, and read first: it stays where it is read fastest
        (&documents.object, None),
    ] {
        let found = server.properties("asked", object).unwrap();
        assert_eq!(found.storage_class.as_deref(), class, "{object}");
        assert_eq!(found.encryption.as_deref(), Some("AES256"), "{object}");
        assert!(found.sha256.is_some(), "{object}: {found:?}");
    }
    let read = repository.read(&documents).await.unwrap();
    assert_eq!(read, b"x"[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_store_is_told_apart() {
    let server = minio().await;
    let root = MinIo::root_keys();
    let open = |keys: Keys, url: &'static str| async move {
        Repository::open(on_minio(server, &keys, url))
            .await
            .unwrap_err()
    };
    let error = open(root.clone(), "s3://nowhere/x").await;
    assert!(
        matches!(error, RepositoryError::NoBucket { .. }),
        "{error:?}"
    );
    let stranger = Keys {
        id: "stranger".to_owned(),
        ..root.clone()
    };
    let wrong_secret = Keys {
        secret: "hunter2hunter2".to_owned(),
        ..root.clone()
    };
    for (keys, code) in [
        (stranger, "InvalidAccessKeyId"),
        (wrong_secret, "SignatureDoesNotMatch"),
    ] {
        let error = open(keys, "s3://nowhere/x").await;
        let RepositoryError::Credentials { source, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(source.code(), Some(code));
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}"#;
    let error = open(server.keys_with(nothing).unwrap(), "s3://nowhere/x").await;
    assert!(matches!(error, RepositoryError::Denied { .. }), "{error:?}");
}

/// Who may do these things to these objects of a bucket.
fn rights(server: &MinIo, bucket: &str, may_list: bool, readable: &[&str]) -> Keys {
    let arn = |below: &&str| format!("\"arn:aws:s3:::{bucket}/{below}\"");
    let readable: Vec<_> = readable.iter().map(arn).collect();
    let list = format!(
        r#",{{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::{bucket}"}}"#
    );
    let list = if may_list { list.as_str() } else { "" };
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":[{}]}}{list}]}}"#,
        readable.join(",")
    );
    server.keys_with(&policy).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_takes_nothing_that_it_may_not_see_for_missing() {
    let server = minio().await;
    server.make_bucket("rights").unwrap();
    let at = on_minio(server, &MinIo::root_keys(), "s3://rights");
    let repository = Repository::init(&at, &Clock::system()).await.unwrap();
    snapshots(&repository.cluster(CLUSTER).unwrap()).await;
    let check = |may_list, readable: &'static [&'static str]| async move {
        let keys = rights(server, "rights", may_list, readable);
        let opened = Repository::open(on_minio(server, &keys, "s3://rights")).await;
        let cluster = opened.unwrap().cluster(CLUSTER).unwrap();
        cluster.check(&Progress::default()).await
    };
    // neither a listing nor a commit that may not be seen is an empty one
    for (may_list, readable) in [(false, &["*"][..]), (true, &["lifeboat.json"])] {
        let error = check(may_list, readable).await.unwrap_err();
        assert!(
            matches!(error, RepositoryError::Denied { .. }),
            "{may_list} {readable:?}: {error:?}"
        );
    }
    let report = check(true, &["lifeboat.json", "*/commits/*"])
        .await
        .unwrap();
    assert_eq!(report.commits, 6);
    assert!(!report.findings.is_empty());
    for finding in &report.findings {
        assert_eq!(finding.kind, FindingKind::Unread, "{finding:?}");
        assert!(finding.problem.contains("not allowed"), "{finding:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_names_than_a_page_of_a_listing_has_are_all_found() {
    let server = minio().await;
    server.make_bucket("many").unwrap();
    let at = on_minio(server, &MinIo::root_keys(), "s3://many");
    let repository = Repository::init(&at, &Clock::system()).await.unwrap();
    let snapshot = SnapshotId::generate(now());
    // a page has 1,000 names
    let names: Vec<_> = (0..1_003).map(|n| format!("cluster-{n:04}")).collect();
    let put = |name: &String| {
        let cluster = repository.cluster(name).unwrap();
        let snapshot = snapshot.clone();
        async move { cluster.put_documents(&snapshot, b"x".to_vec()).await }
    };
    futures::stream::iter(names.iter().map(put))
        .buffer_unordered(32)
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    assert_eq!(repository.clusters().await.unwrap(), names);
}
