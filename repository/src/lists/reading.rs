//! The lists of a snapshot's topics, with as few requests as they take.

use bytes::Bytes;
use futures::{StreamExt, stream};
use lifeboat_archive::{lists::ArchiveReference, manifest::ManifestTopic};

use crate::{ClusterRepository, RepositoryError, catalog::READS, cluster::open_list};

/// What lies between two lists is read along with them, if it is no more.
const BETWEEN_BYTES: u64 = 64 << 10;
/// Bytes of one read, if a single list is not larger.
const RUN_BYTES: u64 = 4 << 20;

/// Lists that lie beside each other in one object.
struct Run<'m> {
    topics: Vec<&'m ManifestTopic>,
    begin: u64,
    end: u64,
}

/// Cuts lists into runs: those of one object that are neighbours are read at once.
fn runs(mut topics: Vec<&ManifestTopic>) -> Vec<Run<'_>> {
    topics
        .sort_by(|a, b| (&a.list.object, a.list.position).cmp(&(&b.list.object, b.list.position)));
    let mut runs: Vec<Run<'_>> = Vec::new();
    for topic in topics {
        let list = &topic.list;
        let end = list.position.saturating_add(list.length);
        let beside = |run: &&mut Run<'_>| {
            let last = run.topics.last().map(|last| &last.list.object);
            last == Some(&list.object)
                && list.position <= run.end.saturating_add(BETWEEN_BYTES)
                && end - run.begin <= RUN_BYTES
        };
        match runs.last_mut().filter(beside) {
            Some(run) => {
                run.topics.push(topic);
                run.end = run.end.max(end);
            }
            None => runs.push(Run {
                topics: vec![topic],
                begin: list.position,
                end,
            }),
        }
    }
    runs
}

/// What a topic's list says where its archives are.
pub(crate) type Named = Result<Vec<ArchiveReference>, RepositoryError>;

impl ClusterRepository {
    /// The archives of these topics, each told to `tell` as soon as it is known.
    pub(crate) async fn archives_of<'m>(
        &self,
        topics: Vec<&'m ManifestTopic>,
        mut tell: impl FnMut(&'m ManifestTopic, &Named),
    ) {
        let mut read = stream::iter(runs(topics))
            .map(async |run| {
                let Some(first) = run.topics.first() else {
                    return (run, Ok(Bytes::new()));
                };
                let range = run.begin..run.end;
                let bytes = self.repository().read_range(&first.list.object, range);
                let bytes = bytes.await;
                (run, bytes)
            })
            .buffered(READS);
        while let Some((run, bytes)) = read.next().await {
            match bytes {
                Ok(bytes) => {
                    for topic in &run.topics {
                        tell(topic, &archives_in(topic, &bytes, run.begin));
                    }
                }
                // one that ends too soon may still hold the first of them
                Err(RepositoryError::Damaged { .. }) if run.topics.len() > 1 => {
                    for topic in &run.topics {
                        let list = self.list(topic).await;
                        tell(topic, &list.map(|list| list.archives));
                    }
                }
                Err(error) => {
                    let error = Err(error);
                    for topic in &run.topics {
                        tell(topic, &error);
                    }
                }
            }
        }
    }
}

/// The archives of one topic of a run whose bytes begin at `begin`.
fn archives_in(topic: &ManifestTopic, bytes: &Bytes, begin: u64) -> Named {
    let list = &topic.list;
    let cut = || {
        let from = usize::try_from(list.position.checked_sub(begin)?).ok()?;
        bytes.get(from..from.checked_add(usize::try_from(list.length).ok()?)?)
    };
    let frame = cut().ok_or_else(|| RepositoryError::damaged(&list.object, "a list has no end"))?;
    Ok(open_list(topic, frame)?.archives)
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::{json::Sha256Hex, manifest::ListReference};

    use super::*;
    use crate::testing::manifest_topic;

    fn at(object: &str, position: u64, length: u64) -> ManifestTopic {
        let object = object.to_owned();
        let sha256 = Sha256Hex::of(b"");
        let list = ListReference {
            object,
            position,
            length,
            sha256,
        };
        manifest_topic("orders", list)
    }

    #[test]
    fn neighbouring_lists_are_read_at_once_and_no_read_is_large() {
        // 10,000 topics of one object, not in order, and one of another
        let mut topics: Vec<_> = (0..10_000).map(|n| at("a", n * 1_000, 1_000)).collect();
        topics.reverse();
        topics.push(at("b", 7, 5));
        let runs = runs(topics.iter().collect());
        assert_eq!(
            runs.iter().map(|run| run.topics.len()).sum::<usize>(),
            10_001
        );
        assert_eq!(runs.len(), 4);
        for run in &runs {
            assert!(run.end - run.begin <= RUN_BYTES);
            for topic in &run.topics {
                assert!(run.begin <= topic.list.position);
                assert!(topic.list.position + topic.list.length <= run.end);
            }
        }
    }

    #[test]
    fn what_lies_far_apart_or_ends_nowhere_is_read_alone() {
        let apart = [at("a", 0, 10), at("a", 11 + BETWEEN_BYTES, 10)];
        assert_eq!(runs(apart.iter().collect()).len(), 2);
        let large = [at("a", 0, RUN_BYTES), at("a", RUN_BYTES, 1)];
        assert_eq!(runs(large.iter().collect()).len(), 2);
        let endless = [at("a", 0, 1), at("a", 1, u64::MAX)];
        assert_eq!(runs(endless.iter().collect()).len(), 2);
    }
}
