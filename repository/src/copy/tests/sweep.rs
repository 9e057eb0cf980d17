//! Killed at every single operation.

use super::{stopping::StoppingStore, *};

/// Copies through a store that stops after `last` operations; whether it came to its end before.
async fn copy_until(scene: &Scene, side: Side, last: usize, reply_lost: bool) -> bool {
    let repository = match side {
        Side::Source => &scene.from,
        Side::Target => &scene.to,
    };
    let url: RepositoryUrl = repository.url().parse().unwrap();
    let stopping = StoppingStore::over(&url, last, reply_lost);
    let Ok(through) = Repository::open_in(stopping.store(), repository.url()).await else {
        return false;
    };
    let copy = match side {
        Side::Source => copy(&through, &scene.to),
        Side::Target => copy(&scene.from, &through),
    };
    let ended = copy.run().await;
    assert_eq!(ended.is_ok(), stopping.has_outlived(), "{ended:?}");
    if let Ok(report) = &ended {
        assert_eq!(report.clusters[0].findings, []);
    }
    ended.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_killed_at_any_operation_shows_only_whole_snapshots_and_the_next_one_completes_it() {
    for (side, reply_lost) in [
        (Side::Target, false),
        (Side::Target, true),
        (Side::Source, false),
    ] {
        let mut scene = Scene::new(3).await;
        let mut last = 0;
        loop {
            scene.empty_target().await;
            let over = copy_until(&scene, side, last, reply_lost).await;
            scene.is_whole().await;
            // what is there is the newest: the most useful
            let there = scene.snapshots().await;
            let newest: Vec<_> = (1..=3u32).map(|n| (n.into(), snapshot(n))).collect();
            assert!(newest.ends_with(&there), "{side} {last}: {there:?}");
            let before = files(&scene.to);
            let report = scene.run(|_| ()).await;
            assert_eq!(report.clusters[0].findings, [], "{side} {last}");
            scene.has_all(3).await;
            scene.is_whole().await;
            // only what was missing
            let whole = files(&scene.to);
            let came = whole.keys().filter(|name| !before.contains_key(*name));
            let came = came.filter(|name| !name.contains("/commits/") && !name.contains('#'));
            let came = came.count();
            assert_eq!(report.objects, came as u64, "{side} {last}");
            if over {
                break;
            }
            last += 1;
        }
        // or it was no sweep
        assert!(last > 20, "{side}: {last}");
    }
}
