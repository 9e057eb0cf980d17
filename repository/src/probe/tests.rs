use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use lifeboat_config::RepositoryUrl;
use object_store::{
    ListResult, ObjectStore,
    list::{PaginatedListResult, PaginatedListStore},
    path::Path,
};
use tempfile::TempDir;

use super::*;
use crate::{
    Repository,
    store::Created,
    testing::{CLUSTER, Fault, FaultyStore, commit_many, folder_of, scratch},
};

/// Lists in pages; the token is the number of names that were told.
struct Pages {
    store: Arc<FaultyStore>,
    /// What comes after a page goes missing.
    forgets: bool,
}

#[async_trait]
impl PaginatedListStore for Pages {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> object_store::Result<PaginatedListResult> {
        let folder = Path::from(prefix.unwrap());
        let mut all: Vec<_> = self.store.list(Some(&folder)).try_collect().await?;
        all.sort_by(|a, b| a.location.cmp(&b.location));
        let from: usize = options.page_token.map_or(0, |token| token.parse().unwrap());
        let to = all.len().min(from + options.max_keys.unwrap());
        let more = to < all.len() && !self.forgets;
        Ok(PaginatedListResult {
            result: ListResult {
                common_prefixes: Vec::new(),
                objects: all[from..to].to_vec(),
                extensions: object_store::Extensions::default(),
            },
            page_token: more.then(|| to.to_string()),
        })
    }
}

struct Place {
    _folder: TempDir,
    url: RepositoryUrl,
    store: Store,
    remote: Remote,
}

impl Place {
    fn new(fault: Fault, forgets: bool) -> Self {
        let (folder, url) = scratch();
        std::fs::create_dir_all(folder_of(&url)).unwrap();
        let faulty = Arc::new(FaultyStore::new(&url, fault));
        let remote = Remote {
            store: faulty.clone(),
            pages: Arc::new(Pages {
                store: faulty.clone(),
                forgets,
            }),
            signer: None,
            prefix: Path::default(),
        };
        Self {
            _folder: folder,
            url,
            store: Store::new(faulty),
            remote,
        }
    }

    async fn init(
        &self,
        writers: Writers,
        clock: &Clock,
    ) -> Result<(Repository, StoreReport), RepositoryError> {
        let url = self.url.to_string();
        let prober = Prober {
            store: &self.store,
            remote: &self.remote,
            url: &url,
            clock,
        };
        let store = self.store.clone();
        Repository::init_in(store, Some(prober), &url, writers, clock.now()).await
    }

    async fn objects(&self) -> Vec<String> {
        let names: Vec<_> = self.remote.store.list(None).try_collect().await.unwrap();
        names.iter().map(|meta| meta.location.to_string()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_is_refused_and_nothing_is_left_in_it() {
    for fault in [Fault::Overwrites, Fault::NoCreate] {
        let place = Place::new(fault, false);
        let made = place.init(Writers::Many, &Clock::system()).await;
        assert!(matches!(
            made,
            Err(RepositoryError::NoConditionalCreate { .. })
        ));
        assert_eq!(place.objects().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_one_writes_a_store_that_overwrites_keeps_every_commit() {
    for fault in [Fault::Overwrites, Fault::NoCreate] {
        let place = Place::new(fault, false);
        let (_, found) = place.init(Writers::One, &Clock::system()).await.unwrap();
        assert!(!found.remote.unwrap().conditional_create);
        // whoever opens it later knows
        let url = place.url.to_string();
        let opened = Repository::open_in(place.store.clone(), &url);
        let opened = opened.await.unwrap();
        let cluster = opened.cluster(CLUSTER).unwrap();
        commit_many(&cluster, 3).await;
        let catalog = cluster.catalog().await.unwrap();
        assert_eq!(catalog.snapshots().count(), 3);
        let store = opened.store();
        let again = store.create(layout::ROOT, Bytes::from_static(b"x")).await;
        assert_eq!(again.unwrap(), Created::Before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_forgets_the_rest_of_a_listing_is_unfit() {
    let place = Place::new(Fault::ReplyLost(0), true);
    let made = place.init(Writers::Many, &Clock::system()).await;
    let Err(RepositoryError::Unfit { problem, .. }) = made else {
        panic!("{made:?}")
    };
    assert!(problem.contains("listing"), "{problem}");
    assert_eq!(place.objects().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_delete_the_probe_stays_and_harms_nothing() {
    let place = Place::new(Fault::NoDelete, false);
    let (repository, found) = place.init(Writers::Many, &Clock::system()).await.unwrap();
    let found = found.remote.unwrap();
    assert!(!found.delete && found.conditional_create && found.multipart_abort);
    assert!(
        place
            .objects()
            .await
            .iter()
            .any(|name| name.starts_with("probe/"))
    );
    assert!(repository.clusters().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_measured() {
    let real = Clock::system().now().as_millis();
    for (ours, ahead) in [(real - 600_000, 600_000), (real + 600_000, -600_000)] {
        let place = Place::new(Fault::ReplyLost(0), false);
        let clock = Clock::fixed(Timestamp::from_millis(ours));
        let (_, found) = place.init(Writers::Many, &clock).await.unwrap();
        let measured = found.remote.unwrap().clock_ahead_ms;
        assert!((measured - ahead).abs() < 30_000, "{measured} for {ahead}");
    }
    let place = Place::new(Fault::ReplyLost(0), false);
    let (_, found) = place.init(Writers::Many, &Clock::system()).await.unwrap();
    assert_eq!(found.remote.unwrap().clock_ahead_ms, 0);
}
