//! One cluster's part of a repository: what its snapshots are written to and read from.

use std::collections::BTreeMap;

use bytes::Bytes;
use lifeboat_archive::{
    documents::Documents,
    json::{self, Document, JsonError, Sha256Hex},
    lists::{ObjectReference, TopicList},
    manifest::{Commit, Manifest, ManifestTopic},
    tarball::{compress_frame, decompress_frame, read_documents},
    words::{ByteSize, SnapshotId, Timestamp},
};

use crate::{
    ArchiveUpload, Catalog, ListsUpload, Repository, RepositoryError, catalog,
    layout::{ClusterLayout, new_ulid},
    repository::{WHOLE_BYTES, check_sha256},
    store::Created,
};

/// No manifest, and no list of a topic, is larger when it is unpacked.
const PLAIN_BYTES: usize = 1 << 30;
/// So often others may be faster with a commit: each time one of them has made a snapshot.
const RACES: usize = 1_000;

/// One cluster's part of a repository. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ClusterRepository {
    repository: Repository,
    layout: ClusterLayout,
}

/// Whose a commit's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbered {
    Ours,
    /// Another commit has it.
    Taken,
    /// The store says that it is there, and that it is not.
    Nobodys,
}

impl ClusterRepository {
    pub(crate) fn new(repository: Repository, layout: ClusterLayout) -> Self {
        Self { repository, layout }
    }

    /// The cluster's id.
    pub fn id(&self) -> &str {
        self.layout.cluster()
    }

    /// The repository that it is a part of.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(crate) fn map_repository(self, with: impl FnOnce(Repository) -> Repository) -> Self {
        Self {
            repository: with(self.repository),
            ..self
        }
    }

    pub(crate) fn layout(&self) -> &ClusterLayout {
        &self.layout
    }

    /// All snapshots that were ever committed, the damaged ones included.
    pub async fn catalog(&self) -> Result<Catalog, RepositoryError> {
        catalog::load(self.repository.store(), &self.layout).await
    }

    /// The newest of them, at most so many.
    pub async fn newest(&self, most: usize) -> Result<Catalog, RepositoryError> {
        catalog::load_newest(self.repository.store(), &self.layout, most).await
    }

    /// Begins an archive with a name that was never used; sealed where the repository seals.
    pub async fn begin_archive(&self, now: Timestamp) -> Result<ArchiveUpload, RepositoryError> {
        self.repository.confirm().await?;
        let name = new_ulid(now);
        let seals = self.repository.seals();
        let object = seals.name(self.layout.archive(now, name));
        let sealing = seals.sealing(&object)?;
        ArchiveUpload::begin(self.repository.store().clone(), name, object, sealing).await
    }

    /// Stores the cluster's documents, a whole `metadata.tar.zst`; sealed where the repository seals.
    pub async fn put_documents(
        &self,
        snapshot: &SnapshotId,
        bytes: Vec<u8>,
    ) -> Result<ObjectReference, RepositoryError> {
        let seals = self.repository.seals();
        let object = seals.name(self.layout.documents(snapshot));
        let bytes = match seals.sealing(&object)? {
            None => bytes,
            Some(mut sealing) => {
                let mut sealed = Vec::from(sealing.push(&object, &bytes)?);
                sealed.extend_from_slice(&sealing.finish(&object)?.0);
                sealed
            }
        };
        self.put(object, bytes).await
    }

    /// Begins the segment lists of a snapshot.
    pub fn lists(&self, snapshot: &SnapshotId) -> ListsUpload {
        ListsUpload::new(self.repository.store().clone(), self.layout.lists(snapshot))
    }

    /// Stores a manifest: everything that it names must be stored already.
    pub async fn put_manifest(
        &self,
        manifest: &Manifest,
    ) -> Result<ObjectReference, RepositoryError> {
        let object = self.layout.manifest(&manifest.snapshot);
        let frame = pack(&object, &json::to_vec(manifest))?;
        self.put(object, frame).await
    }

    /// Create-only, and confirmed: a manifest or commit never names what is not there.
    pub(crate) async fn put(
        &self,
        object: String,
        bytes: Vec<u8>,
    ) -> Result<ObjectReference, RepositoryError> {
        let bytes = Bytes::from(bytes);
        let reference = ObjectReference {
            object,
            size: bytes.len() as u64,
            sha256: Sha256Hex::of(&bytes),
        };
        let store = self.repository.store();
        store.create_confirmed(&reference.object, bytes).await?;
        Ok(reference)
    }

    /// Makes a snapshot exist, with the next number. Everything that it leads to must be stored already.
    ///
    /// Returns the commit with its number. When this fails before the object was written, nothing has changed; when
    /// only the store's answer was lost, the snapshot may exist.
    pub async fn commit(&self, mut commit: Commit) -> Result<Commit, RepositoryError> {
        self.repository.confirm().await?;
        let store = self.repository.store();
        let mut patience = store.patience();
        let mut taken = 0;
        for _ in 0..RACES {
            // Numbers only go up, past damaged and foreign commits too, so none is ever used twice.
            let last = self.last_sequence().await?.max(taken);
            commit.sequence = last.checked_add(1).ok_or_else(|| {
                RepositoryError::damaged(
                    &self.layout.commit(last),
                    "there is no number after this one",
                )
            })?;
            match self.create_commit(&commit).await? {
                Numbered::Ours => return Ok(commit),
                Numbered::Taken => {
                    tracing::debug!(sequence = commit.sequence, "another commit took the number");
                    taken = commit.sequence;
                }
                Numbered::Nobodys => {
                    let object = self.layout.commit(commit.sequence);
                    patience.contradicted(&object).await?;
                }
            }
        }
        Err(RepositoryError::Exists {
            object: self.layout.commit(commit.sequence),
        })
    }

    /// Creates a commit under the number that it has, if nobody has that.
    pub(crate) async fn create_commit(&self, commit: &Commit) -> Result<Numbered, RepositoryError> {
        let store = self.repository.store();
        let object = self.layout.commit(commit.sequence);
        let bytes = Bytes::from(json::to_root(commit));
        // The commit point: before this line the snapshot does not exist, after it it does, and nothing is in between,
        // because the object appears whole.
        if store.create(&object, bytes).await? == Created::Now {
            return Ok(Numbered::Ours);
        }
        // Somebody else took the number, or it was we ourselves and the store's answer was lost on the way.
        match catalog::read_commit(store, &self.layout, commit.sequence).await {
            Ok(there) if there == *commit => Ok(Numbered::Ours),
            // nobody has it, whatever the store has said
            Err(RepositoryError::NotFound { .. }) => Ok(Numbered::Nobodys),
            Ok(_) => Ok(Numbered::Taken),
            Err(error) if error.is_unusable() => Ok(Numbered::Taken),
            Err(error) => Err(error),
        }
    }

    async fn last_sequence(&self) -> Result<u64, RepositoryError> {
        let sequences = catalog::sequences(self.repository.store(), &self.layout).await?;
        Ok(sequences.last().copied().unwrap_or(0))
    }

    /// The manifest of a snapshot.
    pub async fn manifest(&self, commit: &Commit) -> Result<Manifest, RepositoryError> {
        let bytes = self.repository.read(&commit.manifest).await?;
        let manifest: Manifest = unpack(&commit.manifest.object, &bytes)?;
        if manifest.snapshot != commit.snapshot || manifest.cluster_id != commit.cluster_id {
            let problem = format!(
                "it is the manifest of {} of cluster {}, not of {}",
                manifest.snapshot, manifest.cluster_id, commit.snapshot
            );
            return Err(RepositoryError::damaged(&commit.manifest.object, problem));
        }
        Ok(manifest)
    }

    /// The segments of a topic.
    pub async fn list(&self, topic: &ManifestTopic) -> Result<TopicList, RepositoryError> {
        let reference = &topic.list;
        let object = &reference.object;
        let end = reference.position.checked_add(reference.length);
        let end = end.ok_or_else(|| RepositoryError::damaged(object, "a list has no end"))?;
        let frame = self
            .repository
            .read_range(object, reference.position..end)
            .await?;
        open_list(topic, &frame)
    }

    /// What the cluster was besides its records.
    pub async fn documents(&self, manifest: &Manifest) -> Result<Documents, RepositoryError> {
        let members = self.document_members(manifest).await?;
        let object = &manifest.documents.object;
        Documents::read(&members).map_err(|error| match error.source {
            JsonError::TooNew { .. } => RepositoryError::from_json(object, &error.source),
            _ => RepositoryError::damaged(object, error.to_string()),
        })
    }

    /// The same as it is stored, by name: `topics.json`, `groups.json`, ….
    pub async fn document_members(
        &self,
        manifest: &Manifest,
    ) -> Result<BTreeMap<String, Vec<u8>>, RepositoryError> {
        let bytes = self.repository.read_plain(&manifest.documents).await?;
        read_documents(&bytes).map_err(|error| {
            RepositoryError::damaged(&manifest.documents.object, error.to_string())
        })
    }
}

/// The list of a topic, out of its frame, with everything that the manifest says of it checked.
pub(crate) fn open_list(topic: &ManifestTopic, frame: &[u8]) -> Result<TopicList, RepositoryError> {
    let object = &topic.list.object;
    check_sha256(object, frame, &topic.list.sha256)?;
    let list: TopicList = unpack(object, frame)?;
    let here = list.topic == topic.topic && list.topic_id == topic.topic_id;
    let archives = list.archives.len();
    let mut segments = list
        .partitions
        .iter()
        .flat_map(|partition| &partition.segments);
    if !here {
        let problem = format!(
            "it holds the list of {} where {} was expected",
            list.topic, topic.topic
        );
        return Err(RepositoryError::damaged(object, problem));
    }
    if segments.any(|segment| segment.archive >= archives) {
        let problem = format!(
            "the list of {} names an archive that it does not have",
            list.topic
        );
        return Err(RepositoryError::damaged(object, problem));
    }
    Ok(list)
}

/// What [`unpack`] is given. What could not be read again is not written.
pub(crate) fn pack(object: &str, plain: &[u8]) -> Result<Vec<u8>, RepositoryError> {
    pack_within(object, plain, PLAIN_BYTES)
}

fn pack_within(object: &str, plain: &[u8], most: usize) -> Result<Vec<u8>, RepositoryError> {
    let too_large = |size: usize, most: u64| RepositoryError::TooLarge {
        object: object.to_owned(),
        size: ByteSize(size as u64),
        most: ByteSize(most),
    };
    if plain.len() > most {
        return Err(too_large(plain.len(), most as u64));
    }
    let frame = compress_frame(plain);
    if frame.len() as u64 > WHOLE_BYTES {
        return Err(too_large(frame.len(), WHOLE_BYTES));
    }
    Ok(frame)
}

pub(crate) fn unpack<T: Document>(object: &str, frame: &[u8]) -> Result<T, RepositoryError> {
    let plain = decompress_frame(frame, PLAIN_BYTES)
        .map_err(|error| RepositoryError::damaged(object, error.to_string()))?;
    json::from_slice(&plain).map_err(|error| RepositoryError::from_json(object, &error))
}

#[cfg(test)]
mod tests;
