//! What is not as it was written, on either side.

use super::*;

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes.pop();
    fs::write(path, bytes).unwrap();
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}

/// The one thing that is wrong.
fn finding(report: &Report) -> &Finding {
    let findings = &report.clusters[0].findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    &findings[0]
}

fn objects_of(scene: &Scene, n: u32) -> [String; 4] {
    let id = snapshot(n);
    [
        scene.archives[n as usize - 1].clone(),
        format!("{CLUSTER}/lists/{id}.json.zst"),
        format!("{CLUSTER}/metadata/{id}.tar.zst"),
        format!("{CLUSTER}/manifests/{id}.json.zst"),
    ]
}

#[tokio::test]
async fn damage_of_the_source_is_named_and_never_seen_in_the_target_and_the_rest_is_copied() {
    for harm in [flip, cut, remove] {
        for kind in 0..4 {
            let scene = Scene::new(3).await;
            let object = objects_of(&scene, 2)[kind].clone();
            harm(&scene.source(&object));
            let report = scene.run(|_| ()).await;
            let found = finding(&report);
            assert_eq!((&found.object, found.side), (&object, Side::Source));
            // an archive and a list are needed by the next one, too
            let shared = kind < 2;
            let third = if shared {
                CopyState::NotCopied
            } else {
                CopyState::Copied
            };
            let expected = [third, CopyState::NotCopied, CopyState::Copied];
            assert_eq!(states(&report), expected, "{object}");
            assert_eq!(found.snapshots.len(), if shared { 2 } else { 1 });
            assert!(!scene.target(&object).try_exists().unwrap(), "{object}");
            scene.is_whole().await;
        }
    }
}

#[tokio::test]
async fn what_was_damaged_and_is_mended_comes_late_and_the_latest_stays_the_latest() {
    let scene = Scene::new(3).await;
    let documents = scene.source(&objects_of(&scene, 2)[2]);
    let intact = fs::read(&documents).unwrap();
    flip(&documents);
    scene.run(|_| ()).await;
    let there: Vec<_> = scene.snapshots().await;
    assert_eq!(there, [(1, snapshot(1)), (3, snapshot(3))]);
    fs::write(&documents, intact).unwrap();
    let report = scene.run(|_| ()).await;
    assert_eq!(report.clusters[0].findings, []);
    scene.has_all(3).await;
    scene.is_whole().await;
}

#[tokio::test]
async fn a_large_archive_is_proven_before_it_can_be_seen() {
    let scene = Scene::with_archives(&[LARGE]).await;
    flip(&scene.source(&scene.archives[0]));
    let report = scene.run(|_| ()).await;
    assert_eq!(finding(&report).kind, FindingKind::Damaged);
    // neither the archive, nor a part of it, nor what names it
    let left: Vec<_> = files(&scene.to).into_keys().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn all_that_is_damaged_is_named_at_once() {
    let scene = Scene::new(4).await;
    for n in [1, 3] {
        flip(&scene.source(&objects_of(&scene, n)[0]));
    }
    let report = scene.run(|_| ()).await;
    let found: Vec<_> = report.clusters[0]
        .findings
        .iter()
        .map(|finding| finding.object.clone())
        .collect();
    let mut damaged = vec![scene.archives[0].clone(), scene.archives[2].clone()];
    damaged.sort();
    assert_eq!(found, damaged);
    assert_eq!(states(&report), [CopyState::NotCopied; 4]);
}

#[tokio::test]
async fn a_list_that_only_another_snapshot_needs_is_proven_too() {
    let scene = Scene::new(0).await;
    let cluster = scene.from.cluster(CLUSTER).unwrap();
    let mut lists = cluster.lists(&snapshot(1));
    let mut topics = Vec::new();
    for topic in ["a", "b"] {
        let list = lists.append(&list(topic)).await.unwrap();
        topics.push(manifest_topic(topic, list));
    }
    lists.finish().await.unwrap();
    store(&cluster, 1, &topics).await;
    // topic b is gone
    store(&cluster, 2, &topics[..1]).await;
    let object = &topics[1].list.object;
    let path = scene.source(object);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = scene
        .run(|options| options.references = vec!["latest".to_owned()])
        .await;
    assert_eq!(&finding(&report).object, object);
    assert!(!scene.target(object).try_exists().unwrap());
}

#[tokio::test]
async fn a_commit_that_can_not_be_read_is_named_and_the_others_are_copied() {
    let scene = Scene::new(3).await;
    let commit = format!("{CLUSTER}/commits/{:020}.json", 2);
    cut(&scene.source(&commit));
    let report = scene.run(|_| ()).await;
    assert_eq!(finding(&report).object, commit);
    assert_eq!(states(&report), [CopyState::Copied; 2]);
    let there: Vec<_> = scene.snapshots().await;
    assert_eq!(there, [(1, snapshot(1)), (3, snapshot(3))]);
}

#[tokio::test]
async fn what_is_in_the_place_of_an_object_is_told_and_never_overwritten() {
    for kind in 0..4 {
        let scene = Scene::new(2).await;
        let object = objects_of(&scene, 2)[kind].clone();
        let place = scene.target(&object);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, b"something else").unwrap();
        let report = scene.run(|_| ()).await;
        let found = finding(&report);
        assert_eq!((&found.object, found.side), (&object, Side::Target));
        assert_eq!(found.snapshots, [snapshot(2)]);
        assert_eq!(states(&report), [CopyState::NotCopied, CopyState::Copied]);
        assert_eq!(fs::read(&place).unwrap(), b"something else");
    }
}

#[tokio::test]
async fn what_another_run_left_is_taken_if_it_is_right() {
    let scene = Scene::new(2).await;
    // an archive, which is as it is if it has its size; and documents, of which the content is looked at
    for at in [0, 2] {
        let object = &objects_of(&scene, 2)[at];
        let place = scene.target(object);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(scene.source(object), place).unwrap();
    }
    let report = scene.run(|_| ()).await;
    assert_eq!(states(&report), [CopyState::Copied; 2]);
    assert_eq!(report.objects, 6);
    let scene = Scene::new(1).await;
    let object = &objects_of(&scene, 1)[2];
    let place = scene.target(object);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(scene.source(object), &place).unwrap();
    flip(&place);
    let report = scene.run(|_| ()).await;
    assert_eq!(finding(&report).side, Side::Target);
    assert_eq!(states(&report), [CopyState::NotCopied]);
}

#[tokio::test]
async fn what_is_there_is_read_again_on_request_and_what_is_lost_comes_back() {
    let scene = Scene::new(3).await;
    scene.run(|_| ()).await;
    let verify = |options: &mut Options| options.verify_existing = true;
    let report = scene.run(verify).await;
    assert_eq!(states(&report), [CopyState::Present; 3]);
    assert_eq!((report.objects, report.verified_objects), (0, 12));

    for n in 1..=3 {
        for (kind, harm) in [flip, cut].into_iter().cycle().take(4).enumerate() {
            let object = &objects_of(&scene, n)[kind];
            let place = scene.target(object);
            harm(&place);
            let report = scene.run(verify).await;
            let found = finding(&report);
            assert_eq!((&found.object, found.side), (object, Side::Target));
            assert!(states(&report).contains(&CopyState::Damaged));
            // only who is told to removes it
            remove(&place);
            let report = scene.run(verify).await;
            assert_eq!(report.clusters[0].findings, []);
            assert!(states(&report).contains(&CopyState::Repaired));
            assert_eq!(report.objects, 1);
            scene.is_whole().await;
        }
    }
    scene.has_all(3).await;
}
