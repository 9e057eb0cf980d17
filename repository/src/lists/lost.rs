//! Whether what lists lead to is still in the store.

use std::collections::{HashMap, HashSet};

use lifeboat_archive::{lists::ArchiveReference, manifest::ManifestTopic};

use crate::{ClusterRepository, RepositoryError};

/// What the store does not have any more of what a topic's list leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The list itself: it is gone, damaged, or of a newer program.
    List,
    /// These archives, by their objects: gone, or not as large as they were.
    Archives(HashSet<String>),
}

impl ClusterRepository {
    /// What is lost of these topics, by name; those of which all is there are not among them.
    ///
    /// It takes a listing and the lists; nothing of the archives is read.
    pub async fn lost_of(
        &self,
        topics: Vec<&ManifestTopic>,
    ) -> Result<HashMap<String, Loss>, RepositoryError> {
        if topics.is_empty() {
            return Ok(HashMap::new());
        }
        let mut there = self.archives_there().await?;
        let mut lost = HashMap::new();
        let mut lacking: Vec<(&ManifestTopic, Vec<ArchiveReference>)> = Vec::new();
        let mut unanswered = Vec::new();
        let reading = self.archives_of(topics, |topic, named| match named {
            Ok(archives) => {
                let lacks = lacks(archives.clone(), &there);
                if !lacks.is_empty() {
                    lacking.push((topic, lacks));
                }
            }
            Err(error) if error.is_unusable() => {
                tracing::warn!(topic = topic.topic, %error, "its earlier list is of no use");
                lost.insert(topic.topic.clone(), Loss::List);
            }
            Err(_) => unanswered.push(topic),
        });
        reading.await;
        for topic in unanswered {
            // asked once more, alone: it is an answer, or the reason why there is none
            let list = self.list(topic).await?;
            lacking.push((topic, lacks(list.archives, &there)));
        }
        for (topic, archives) in lacking {
            let mut gone = HashSet::new();
            for archive in archives {
                if self.is_lost(&archive, &mut there).await? {
                    gone.insert(archive.object);
                }
            }
            if !gone.is_empty() {
                lost.insert(topic.topic.clone(), Loss::Archives(gone));
            }
        }
        Ok(lost)
    }

    /// A listing may be older than a commit: what it lacks is asked for by name before it is called lost.
    async fn is_lost(
        &self,
        archive: &ArchiveReference,
        there: &mut HashMap<String, u64>,
    ) -> Result<bool, RepositoryError> {
        if !there.contains_key(&archive.object) {
            let size = match self.repository().size(&archive.object).await {
                Ok(size) => size,
                Err(error) if error.is_unusable() => {
                    tracing::warn!(%error, "an archive of earlier snapshots is lost");
                    // asked once; no archive is empty
                    0
                }
                Err(error) => return Err(error),
            };
            there.insert(archive.object.clone(), size);
        }
        Ok(there.get(&archive.object) != Some(&archive.size))
    }

    /// The size of every archive.
    async fn archives_there(&self) -> Result<HashMap<String, u64>, RepositoryError> {
        let store = self.repository().store();
        let listed = store.list_objects(&self.layout().archives()).await?;
        let sizes = listed
            .into_iter()
            .map(|stored| (stored.object, stored.size));
        Ok(sizes.collect())
    }
}

/// Those that are not there as they are wanted.
fn lacks(
    mut archives: Vec<ArchiveReference>,
    there: &HashMap<String, u64>,
) -> Vec<ArchiveReference> {
    archives.retain(|archive| there.get(&archive.object) != Some(&archive.size));
    archives
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;
    use lifeboat_archive::{json::Xxh3Hex, manifest::ListReference, words::Clock};

    use super::*;
    use crate::Repository;
    use crate::testing::{CLUSTER, NOW, folder_of, list, manifest_topic, scratch, snapshot};

    async fn archive(cluster: &ClusterRepository) -> ArchiveReference {
        let mut upload = cluster.begin_archive(NOW).await.unwrap();
        upload
            .write(Bytes::from_static(b"0123456789"))
            .await
            .unwrap();
        upload.finish(10, Xxh3Hex::of(b"0123456789")).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_gone_or_cut_is_lost_and_nothing_else_is() {
        let (_folder, url) = scratch();
        let repository = Repository::init(&url, &Clock::fixed(NOW)).await.unwrap();
        let root = folder_of(&url);
        let cluster = repository.cluster(CLUSTER).unwrap();
        let archives = [
            archive(&cluster).await,
            archive(&cluster).await,
            archive(&cluster).await,
        ];
        let mut lists = cluster.lists(&snapshot(1));
        let mut topics = Vec::new();
        for (topic, needs) in [
            ("whole", &archives[..1]),
            ("cut", &archives[1..]),
            ("empty", &[]),
        ] {
            let mut named = list(topic);
            named.archives = needs.to_vec();
            topics.push(manifest_topic(topic, lists.append(&named).await.unwrap()));
        }
        lists.finish().await.unwrap();
        let nowhere = ListReference {
            object: format!("{CLUSTER}/lists/nowhere"),
            ..topics[0].list.clone()
        };
        topics.push(manifest_topic("nowhere", nowhere));
        let all = || topics.iter().collect::<Vec<_>>();
        let only = |topic: &str, loss| HashMap::from([(topic.to_owned(), loss)]);
        let mut expected = only("nowhere", Loss::List);
        assert_eq!(cluster.lost_of(all()).await.unwrap(), expected);

        fs::write(root.join(&archives[1].object), "012345678").unwrap();
        fs::remove_file(root.join(&archives[2].object)).unwrap();
        let gone = archives[1..].iter().map(|archive| archive.object.clone());
        expected.extend(only("cut", Loss::Archives(gone.collect())));
        assert_eq!(cluster.lost_of(all()).await.unwrap(), expected);
        assert_eq!(cluster.lost_of(Vec::new()).await.unwrap(), HashMap::new());
    }
}
