//! Whether the archives are there, which the store tells without giving any of them.

use futures::{StreamExt, stream};

use super::{Archive, Damage, Place, Report, Verify, VerifyError};

/// Archives that are asked for at the same time.
const ASKED_AT_ONCE: usize = 16;

impl Verify {
    pub(super) async fn check_presence(
        &self,
        archives: Vec<Archive>,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        self.progress
            .begin("looking for archives", archives.len() as u64);
        let mut sizes = stream::iter(archives)
            .map(async |archive| {
                let object = &archive.reference.object;
                let size = self.repository.repository().size(object).await;
                (archive, size)
            })
            .buffered(ASKED_AT_ONCE);
        while let Some((archive, size)) = sizes.next().await {
            if self.cancel.is_cancelled() {
                return Err(VerifyError::Cancelled);
            }
            let object = &archive.reference.object;
            if let Some(stored) = report.sound(object, size)
                && let Some(what) = archive.wrong_size(stored)
            {
                report.damage.push(Damage::new(Place::object(object), what));
            }
            self.progress.advance(1);
        }
        Ok(())
    }
}
