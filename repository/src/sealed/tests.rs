use std::ops::Range;

use lifeboat_archive::{
    documents::Documents, json, lists::ArchiveReference, tarball::documents_archive,
};

use super::*;
use crate::testing::{CLUSTER, NOW, manifest, scratch_repository, snapshot};

/// Two key pairs that age-keygen made.
const KEYS: [(&str, &str); 2] = [
    (
        "age1cd9rj0ymmyp9ztvzkt8hu9qvk4e5fxn323y8ccvag2ugpucrz9fs3p8w2p",
        "AGE-SECRET-KEY-15076M9F0RNLXP4WVNEHZMMG3KNL0DTXX4JUYXYQH6SVYEDJLDDGQHEDJ76",
    ),
    (
        "age14hyrpqm3sdt9amrqvf09hu2cplhzky7dzl2zsyt2g5md53z4fs2qg0j8zl",
        "AGE-SECRET-KEY-14GUUDR492PZ2S6687J3PMPL37EYRWEM7F407T5UCRF98HRS6UJDQCU07EU",
    ),
];

fn recipient(which: usize) -> Recipient {
    KEYS[which].0.parse().unwrap()
}

fn identities(which: usize) -> Identities {
    Identities::parse(KEYS[which].1).unwrap()
}

/// Text that is found wherever it stands in the clear.
fn records(count: usize) -> Vec<u8> {
    let lines = (0..count).map(|n| format!("the secret record {n}\n"));
    lines.collect::<String>().into_bytes()
}

async fn store(repository: &Repository, plain: &[u8]) -> ArchiveReference {
    let cluster = repository.cluster(CLUSTER).unwrap();
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    for piece in plain.chunks(300_001) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(upload.written(), plain.len() as u64);
    let finished = upload.finish(plain.len() as u64, Xxh3Hex::of(plain));
    finished.await.unwrap()
}

/// Reads a range as a restore does.
async fn range(
    repository: &Repository,
    archive: &ArchiveReference,
    plain: Range<u64>,
) -> Result<Vec<u8>, RepositoryError> {
    let ArchiveReference { object, size, .. } = archive;
    let header = repository.open_header(object, *size).await?.unwrap();
    let stored = header.stored_range(&plain, *size);
    let chunks = repository.read_range(object, stored).await?;
    let mut found = Vec::new();
    let mut reader = header.reader(plain, chunks.as_ref()).unwrap();
    reader.read_to_end(&mut found).unwrap();
    Ok(found)
}

#[tokio::test]
async fn an_archive_is_stored_sealed_and_named_by_what_is_stored_of_it() {
    let (_folder, repository) = scratch_repository().await;
    let sealing = repository.clone().sealing_to(vec![recipient(0)]);
    let plain = records(200_000);
    let archive = store(&sealing, &plain).await;
    assert!(archive.object.ends_with(".tar.zst.age"), "{archive:?}");
    let stored = repository.read_range(&archive.object, 0..archive.size);
    let stored = stored.await.unwrap();
    assert_eq!(archive.xxh3_128, Xxh3Hex::of(&stored));
    assert_eq!(
        repository.size(&archive.object).await.unwrap(),
        archive.size
    );
    assert!(!stored.windows(6).any(|window| window == b"secret"));
    let opening = repository.opening_with(Some(identities(0)));
    for (start, end) in [
        (0, 100),
        (65_000, 66_000),
        (65_536, 65_537),
        (3_000_000, 4_000_000),
    ] {
        let found = range(&opening, &archive, start..end).await.unwrap();
        let (start, end) = (start.try_into().unwrap(), end.try_into().unwrap());
        assert!(found == plain[start..end], "{start}..{end}");
    }
}

#[tokio::test]
async fn nobody_the_wrong_one_and_damage_are_three_errors_that_name_the_object() {
    let (_folder, repository) = scratch_repository().await;
    let sealing = repository.clone().sealing_to(vec![recipient(0)]);
    let archive = store(&sealing, &records(10)).await;
    let open = async |repository: &Repository| {
        let opened = repository.open_header(&archive.object, archive.size).await;
        opened.unwrap_err()
    };
    // who has only the recipients, as the agent, can't read what it wrote
    for without in [&repository, &sealing] {
        let error = open(without).await;
        assert!(
            matches!(error, RepositoryError::NoIdentity { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(&archive.object), "{error}");
        assert!(
            error.to_string().contains("1 recipient (X25519)"),
            "{error}"
        );
    }
    let stranger = repository.clone().opening_with(Some(identities(1)));
    let error = open(&stranger).await;
    assert!(
        matches!(error, RepositoryError::WrongIdentity { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(&archive.object), "{error}");
    assert!(error.to_string().contains(KEYS[1].0), "{error}");
    let path = repository.url().strip_prefix("file://").unwrap().to_owned() + "/" + &archive.object;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[2] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let opening = repository.opening_with(Some(identities(0)));
    let error = open(&opening).await;
    assert!(matches!(error, RepositoryError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn archives_of_two_keys_are_read_with_both_identities_and_each_with_its_own() {
    let (_folder, repository) = scratch_repository().await;
    let plain = records(10_000);
    let mut archives = Vec::new();
    for which in [0, 1] {
        let sealing = repository.clone().sealing_to(vec![recipient(which)]);
        archives.push(store(&sealing, &plain).await);
    }
    let both = identities(1).and(identities(0));
    let both = repository.clone().opening_with(Some(both));
    let one = repository.clone().opening_with(Some(identities(1)));
    for (which, archive) in archives.iter().enumerate() {
        let found = range(&both, archive, 70_000..80_000).await.unwrap();
        assert!(found == plain[70_000..80_000]);
        let found = range(&one, archive, 0..10).await;
        assert_eq!(found.is_ok(), which == 1, "{found:?}");
    }
    // what is not sealed needs nobody
    let open = store(&repository, &plain).await;
    let header = one.open_header(&open.object, open.size).await.unwrap();
    assert!(header.is_none());
}

#[tokio::test]
async fn documents_are_sealed_with_the_archives_and_read_with_an_identity_only() {
    let (_folder, repository) = scratch_repository().await;
    let sealing = repository
        .clone()
        .sealing_to(vec![recipient(0), recipient(1)]);
    let document = lifeboat_archive::documents::GroupsDocument { groups: Vec::new() };
    let members = [("groups.json", json::to_vec_pretty(&document))];
    let cluster = sealing.cluster(CLUSTER).unwrap();
    let id = snapshot(1);
    let stored = cluster.put_documents(&id, documents_archive(&members));
    let reference = stored.await.unwrap();
    assert!(reference.object.ends_with(".tar.zst.age"), "{reference:?}");
    let manifest = manifest(snapshot(1), reference.clone());
    let error = cluster.documents(&manifest).await.unwrap_err();
    assert!(error.is_for_want_of_identity(), "{error}");
    let told = error.to_string();
    assert!(
        told.contains("2 recipients") && told.contains(&reference.object),
        "{told}"
    );
    let opening = cluster.opening_with(Some(identities(1)));
    let documents: Documents = opening.documents(&manifest).await.unwrap();
    assert!(documents.groups.is_some());
}

#[tokio::test]
async fn an_archive_of_another_size_than_was_meant_does_not_appear_when_it_is_sealed() {
    let (_folder, repository) = scratch_repository().await;
    let sealing = repository.clone().sealing_to(vec![recipient(0)]);
    let cluster = sealing.cluster(CLUSTER).unwrap();
    let mut upload = cluster.begin_archive(NOW).await.unwrap();
    let object = upload.object().to_owned();
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    let error = upload.finish(4, Xxh3Hex::of(b"abcd")).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Damaged { .. }), "{error}");
    let size = repository.size(&object).await;
    assert!(
        matches!(size, Err(RepositoryError::NotFound { .. })),
        "{size:?}"
    );
}

#[test]
fn so_many_headers_are_kept_and_the_oldest_go_first() {
    let sealed = lifeboat_archive::seal::seal(&[recipient(0)], b"").unwrap();
    let header = Arc::new(OpenedHeader::open(Some(&identities(0)), &sealed).unwrap());
    let mut headers = Headers::default();
    for n in 0..MOST_HEADERS + 10 {
        headers.keep(&n.to_string(), &header);
        headers.keep(&n.to_string(), &header);
    }
    assert_eq!(headers.by_object.len(), MOST_HEADERS);
    assert_eq!(headers.order.len(), MOST_HEADERS);
    assert!(!headers.by_object.contains_key("9") && headers.by_object.contains_key("10"));
}
