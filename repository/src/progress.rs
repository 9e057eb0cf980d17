//! What backups have stored that have not committed yet, in small create-only objects.

use std::collections::BTreeMap;

use lifeboat_archive::{
    json, lists::ObjectReference, tarball::compress_frame, unfinished::ProgressNote,
    words::SnapshotId,
};

use crate::{ClusterRepository, RepositoryError, cluster::unpack};

/// A note of a run that is as long as a manifest is no note of this program.
const MOST_BYTES: u64 = 256 << 20;

impl ClusterRepository {
    /// Stores the `number`-th note of a run: every archive that it names must be stored already.
    pub async fn put_progress(
        &self,
        note: &ProgressNote,
        number: u32,
    ) -> Result<ObjectReference, RepositoryError> {
        let object = self.layout().progress(&note.snapshot, number);
        let frame = compress_frame(&json::to_vec(note));
        self.put(object, frame).await
    }

    /// The notes of the newest run behind `newest` that wrote any, in order. A damaged one ends them: what was stored
    /// behind it is read again.
    pub async fn unfinished(
        &self,
        newest: Option<&SnapshotId>,
    ) -> Result<Vec<ProgressNote>, RepositoryError> {
        let store = self.repository().store();
        let mut runs: BTreeMap<SnapshotId, BTreeMap<u32, String>> = BTreeMap::new();
        for object in store.list(&self.layout().all_progress()).await? {
            if let Some((snapshot, number)) = self.layout().progress_of(&object)
                && newest.is_none_or(|newest| snapshot > *newest)
            {
                runs.entry(snapshot).or_default().insert(number, object);
            }
        }
        let mut notes = Vec::new();
        let Some((snapshot, objects)) = runs.pop_last() else {
            return Ok(notes);
        };
        for (expected, (number, object)) in (0..).zip(objects) {
            if number != expected {
                tracing::warn!(
                    object,
                    "a note before it is missing: the rest is read again"
                );
                break;
            }
            let read = store.read_whole(&object, MOST_BYTES).await;
            let note: Result<ProgressNote, _> = read.and_then(|bytes| unpack(&object, &bytes));
            match note {
                Ok(note) if note.snapshot == snapshot && note.cluster_id == self.id() => {
                    notes.push(note);
                }
                Ok(_) => break,
                Err(error) if error.is_unusable() => {
                    tracing::warn!(%error, "a note is of no use: what came behind it is read again");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(notes)
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::words::Timestamp;

    use super::*;
    use crate::Repository;
    use crate::testing::{CLUSTER, folder_of, scratch, snapshot};
    use lifeboat_archive::words::Clock;

    fn note(n: u32) -> ProgressNote {
        ProgressNote {
            snapshot: snapshot(n),
            cluster_id: CLUSTER.to_owned(),
            bounds_at: Timestamp::from_millis(i64::from(n)),
            archives: Vec::new(),
            partitions: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_newest_run_that_is_not_finished_is_found_up_to_what_is_damaged() {
        let (_folder, url) = scratch();
        let clock = Clock::fixed(Timestamp::from_millis(0));
        let repository = Repository::init(&url, &clock).await.unwrap();
        let cluster = repository.cluster(CLUSTER).unwrap();
        assert!(cluster.unfinished(None).await.unwrap().is_empty());
        for (n, number) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
            cluster.put_progress(&note(n), number).await.unwrap();
        }
        assert_eq!(cluster.unfinished(None).await.unwrap().len(), 3);
        let found = cluster.unfinished(Some(&snapshot(1))).await.unwrap();
        assert_eq!(found[0], note(2));
        assert!(
            cluster
                .unfinished(Some(&snapshot(2)))
                .await
                .unwrap()
                .is_empty()
        );

        let object = cluster.layout().progress(&snapshot(2), 1);
        std::fs::write(folder_of(&url).join(object), b"damage").unwrap();
        assert_eq!(cluster.unfinished(None).await.unwrap().len(), 1);
    }
}
