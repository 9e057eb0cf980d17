//! What snapshots are made of, as their manifests and lists tell: read once, however many of them share it.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use lifeboat_archive::{
    lists::{ArchiveReference, ObjectReference},
    manifest::{Commit, Manifest, ManifestTopic},
    words::{Progress, SnapshotId},
};

use super::{
    object::{Kind, Needs, Object},
    proof::{Expected, Frame},
    report::{Obstacle, Side},
};
use crate::{Catalog, ClusterRepository, RepositoryError, catalog::READS};

/// The objects of some snapshots of the source.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Each object once.
    pub(super) objects: Vec<Object>,
    /// What each snapshot needs, in the order in which they were asked for; or why that is not known.
    pub(super) snapshots: Vec<(SnapshotId, Result<Needs, Vec<Obstacle>>)>,
}

/// A list: its object, and where it begins.
type Place = (String, u64);

/// Reads manifests and lists.
struct Reader<'r> {
    source: &'r ClusterRepository,
    inventory: Inventory,
    by_name: BTreeMap<String, usize>,
    /// Lists of snapshots that the target has: it has the archives that these name, too.
    settled: BTreeSet<Place>,
    /// The archives that the other lists name, or what is wrong with a list.
    lists: BTreeMap<Place, Result<Vec<usize>, Obstacle>>,
    /// The lists objects, and the frames in them that manifests name.
    frames: BTreeMap<String, BTreeSet<Frame>>,
}

/// What `wanted` are made of, but for what they share with `settled`, which the target has.
pub(super) async fn read(
    source: &ClusterRepository,
    catalog: &Catalog,
    wanted: &[&Commit],
    settled: &[&Commit],
    progress: &Progress,
) -> Result<Inventory, RepositoryError> {
    let mut reader = Reader {
        source,
        inventory: Inventory::default(),
        by_name: BTreeMap::new(),
        settled: BTreeSet::new(),
        lists: BTreeMap::new(),
        frames: BTreeMap::new(),
    };
    for commit in settled {
        reader.settle(commit).await?;
    }
    let mut named = Vec::with_capacity(wanted.len());
    for commit in wanted {
        progress.note(commit.snapshot.to_string());
        named.push(reader.name(commit).await?);
        progress.advance(1);
    }
    reader.complete_frames(catalog, wanted).await?;
    let lists = reader.name_lists().await?;
    for (commit, named) in wanted.iter().zip(named) {
        let needs = named.and_then(|named| reader.needs(&named, &lists));
        let snapshot = commit.snapshot.clone();
        reader.inventory.snapshots.push((snapshot, needs));
    }
    Ok(reader.inventory)
}

/// What a snapshot's manifest names.
struct Named {
    manifest: usize,
    documents: usize,
    lists: Vec<Place>,
}

impl Reader<'_> {
    async fn manifest(
        &self,
        commit: &Commit,
    ) -> Result<Result<Manifest, Obstacle>, RepositoryError> {
        match self.source.manifest(commit).await {
            Ok(manifest) => Ok(Ok(manifest)),
            Err(error) => Obstacle::of(Side::Source, &commit.manifest.object, error).map(Err),
        }
    }

    async fn settle(&mut self, commit: &Commit) -> Result<(), RepositoryError> {
        // it spares work, and is not what is copied: without it more is looked at
        if let Ok(manifest) = self.manifest(commit).await? {
            let lists = manifest.topics.into_iter().map(|topic| topic.list);
            self.settled
                .extend(lists.map(|list| (list.object, list.position)));
        }
        Ok(())
    }

    /// Everything that a snapshot's manifest names, and the archives behind the lists among that.
    async fn name(
        &mut self,
        commit: &Commit,
    ) -> Result<Result<Named, Vec<Obstacle>>, RepositoryError> {
        let manifest = match self.manifest(commit).await? {
            Ok(manifest) => manifest,
            Err(obstacle) => return Ok(Err(vec![obstacle])),
        };
        let mut unsettled = manifest.topics;
        unsettled.retain(|topic| {
            let place = (topic.list.object.clone(), topic.list.position);
            !self.settled.contains(&place)
        });
        for topic in &unsettled {
            if let Err(obstacle) = self.name_frame(topic) {
                return Ok(Err(vec![obstacle]));
            }
        }
        self.read_lists(&unsettled).await?;
        let both = self
            .name_whole(Kind::Manifest, &commit.manifest)
            .and_then(|at| Ok((at, self.name_whole(Kind::Documents, &manifest.documents)?)));
        let lists = unsettled.into_iter().map(|topic| topic.list);
        Ok(both
            .map(|(manifest, documents)| Named {
                manifest,
                documents,
                lists: lists.map(|list| (list.object, list.position)).collect(),
            })
            .map_err(|obstacle| vec![obstacle]))
    }

    fn name_frame(&mut self, topic: &ManifestTopic) -> Result<(), Obstacle> {
        let list = &topic.list;
        let end = list.position.checked_add(list.length).ok_or_else(|| {
            Obstacle::damaged(Side::Source, &list.object, "a list in it has no end")
        })?;
        let frames = self.frames.entry(list.object.clone()).or_default();
        frames.insert(Frame {
            start: list.position,
            end,
            sha256: list.sha256.clone(),
        });
        Ok(())
    }

    async fn read_lists(&mut self, topics: &[ManifestTopic]) -> Result<(), RepositoryError> {
        let place = |topic: &ManifestTopic| (topic.list.object.clone(), topic.list.position);
        let unread = topics.iter();
        let unread = unread.filter(|topic| !self.lists.contains_key(&place(topic)));
        let (source, unread) = (self.source, unread.collect());
        let mut failed = Vec::new();
        source
            .archives_of(unread, |topic, archives| match archives {
                Ok(archives) => {
                    let named = self.name_archives(archives);
                    self.lists.insert(place(topic), named);
                }
                Err(_) => failed.push(topic),
            })
            .await;
        // alone: one failure of several that were read at once says nothing of each
        for topic in failed {
            let archives = match source.list(topic).await {
                Ok(list) => self.name_archives(&list.archives),
                Err(error) => Err(Obstacle::of(Side::Source, &topic.list.object, error)?),
            };
            self.lists.insert(place(topic), archives);
        }
        Ok(())
    }

    fn name_archives(&mut self, archives: &[ArchiveReference]) -> Result<Vec<usize>, Obstacle> {
        let archives = archives.iter();
        archives
            .map(|archive| {
                self.add(Object {
                    name: archive.object.clone(),
                    kind: Kind::Archive,
                    size: archive.size,
                    expected: Expected::Xxh3(archive.xxh3_128.clone()),
                })
            })
            .collect()
    }

    fn name_whole(&mut self, kind: Kind, reference: &ObjectReference) -> Result<usize, Obstacle> {
        self.add(Object {
            name: reference.object.clone(),
            kind,
            size: reference.size,
            expected: Expected::Sha256(reference.sha256.clone()),
        })
    }

    /// The object's place in the table; names that contradict each other are damage.
    fn add(&mut self, object: Object) -> Result<usize, Obstacle> {
        if let Some(&at) = self.by_name.get(&object.name) {
            if self.inventory.objects.get(at) == Some(&object) {
                return Ok(at);
            }
            let problem = "it is named with two sizes or hashes";
            return Err(Obstacle::damaged(Side::Source, &object.name, problem));
        }
        let at = self.inventory.objects.len();
        self.by_name.insert(object.name.clone(), at);
        self.inventory.objects.push(object);
        Ok(at)
    }

    /// A lists object is copied whole, for all who name something in it: what the snapshot that wrote it knows of it is
    /// looked at as well, so that no damage of a list that is not needed yet comes along.
    async fn complete_frames(
        &mut self,
        catalog: &Catalog,
        wanted: &[&Commit],
    ) -> Result<(), RepositoryError> {
        let known: BTreeSet<_> = wanted.iter().map(|commit| commit.sequence).collect();
        for commit in catalog.snapshots() {
            let own = self.source.layout().lists(&commit.snapshot);
            if known.contains(&commit.sequence) || !self.frames.contains_key(&own) {
                continue;
            }
            let Ok(manifest) = self.manifest(commit).await? else {
                continue;
            };
            let topics = manifest.topics.iter();
            for topic in topics.filter(|topic| topic.list.object == own) {
                // without an end it is of no use to anybody
                self.name_frame(topic).ok();
            }
        }
        Ok(())
    }

    /// Nobody tells how large lists objects are but the store.
    async fn name_lists(
        &mut self,
    ) -> Result<BTreeMap<String, Result<usize, Obstacle>>, RepositoryError> {
        let source = self.source;
        let mut sizes = stream::iter(std::mem::take(&mut self.frames))
            .map(async |(object, frames)| {
                let size = source.repository().store().size(&object).await;
                (object, frames, size)
            })
            .buffered(READS);
        let mut lists = BTreeMap::new();
        while let Some((name, frames, size)) = sizes.next().await {
            let named = match size {
                Ok(size) => {
                    let object = Object {
                        name: name.clone(),
                        kind: Kind::Lists,
                        size,
                        expected: Expected::Frames(frames),
                    };
                    match object.wrong_size(size) {
                        None => self.add(object),
                        Some(problem) => Err(Obstacle::damaged(Side::Source, &name, problem)),
                    }
                }
                Err(error) => Err(Obstacle::of(Side::Source, &name, error)?),
            };
            lists.insert(name, named);
        }
        Ok(lists)
    }

    fn needs(
        &self,
        named: &Named,
        objects: &BTreeMap<String, Result<usize, Obstacle>>,
    ) -> Result<Needs, Vec<Obstacle>> {
        let (mut archives, mut lists) = (BTreeSet::new(), BTreeSet::new());
        // one thing that is wrong with an object is enough to be told
        let mut obstacles: BTreeMap<&str, &Obstacle> = BTreeMap::new();
        for place in &named.lists {
            match self.lists.get(place) {
                Some(Ok(found)) => archives.extend(found),
                Some(Err(obstacle)) => {
                    obstacles.entry(&obstacle.object).or_insert(obstacle);
                }
                None => {}
            }
            match objects.get(&place.0) {
                Some(Ok(at)) => drop(lists.insert(*at)),
                Some(Err(obstacle)) => {
                    obstacles.entry(&obstacle.object).or_insert(obstacle);
                }
                None => {}
            }
        }
        if !obstacles.is_empty() {
            return Err(obstacles.into_values().cloned().collect());
        }
        Ok(Needs {
            archives: archives.into_iter().collect(),
            documents: vec![named.documents],
            lists: lists.into_iter().collect(),
            manifest: vec![named.manifest],
        })
    }
}
