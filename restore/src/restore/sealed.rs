//! Whether what is encrypted can be opened: known before anything is written, and not in the middle of it.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use lifeboat_archive::lists::TopicList;
use lifeboat_repository::{ClusterRepository, is_sealed};

use crate::{error::RestoreError, salvage::is_lost};

/// How many headers are read at once.
const AT_ONCE: usize = 16;

/// The sealed archives that a restore reads, and their sizes.
#[derive(Debug, Default)]
pub(super) struct SealedArchives(BTreeMap<String, u64>);

impl SealedArchives {
    pub(super) fn add(&mut self, list: &TopicList) {
        let archives = list.archives.iter();
        let sealed = archives.filter(|archive| is_sealed(&archive.object));
        self.0
            .extend(sealed.map(|archive| (archive.object.clone(), archive.size)));
    }

    /// Opens the header of each. With `salvage`, those that are missing or damaged do not matter.
    pub(super) async fn open(
        self,
        repository: &ClusterRepository,
        salvage: bool,
    ) -> Result<(), RestoreError> {
        let repository = repository.repository();
        let headers = stream::iter(self.0)
            .map(async |(object, size)| repository.open_header(&object, size).await.map(|_| ()));
        let mut headers = headers.buffer_unordered(AT_ONCE);
        while let Some(opened) = headers.next().await {
            match opened {
                Err(error) if salvage && is_lost(&error) => {}
                opened => opened?,
            }
        }
        Ok(())
    }
}
