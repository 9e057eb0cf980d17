//! Uploads whose writers went away, and that are being given up: parts that nobody can see are paid for all the same.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{runtime::Handle, task::JoinSet};

/// What is being cleared away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leftovers(Arc<Mutex<JoinSet<()>>>);

impl Leftovers {
    /// Does so beside everything else.
    pub(crate) fn clear_away(&self, work: impl Future<Output = ()> + Send + 'static) {
        // without a runtime there is nobody who could do it
        if let Ok(runtime) = Handle::try_current() {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.spawn_on(work, &runtime);
        }
    }

    /// Waits until nothing is left.
    pub(crate) async fn cleared(&self) {
        let mut tasks = {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        while tasks.join_next().await.is_some() {}
    }
}
