//! Results on their way into the repository.

use lifeboat_archive::results::ProofResult;
use lifeboat_repository::ClusterRepository;

/// The program, as it signs what it stores.
pub(crate) const PROGRAM: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));

/// Stores a result, where there is one to be stored; gives its object, or why it is not stored, which is no reason to
/// fail.
pub(crate) async fn store(
    repository: &ClusterRepository,
    result: Option<ProofResult>,
) -> (Option<String>, Option<String>) {
    let Some(result) = result else {
        return (None, None);
    };
    match repository.put_result(&result).await {
        Ok(object) => (Some(object), None),
        Err(error) => {
            tracing::info!(%error, "the result is not stored");
            (None, Some(error.with_cause()))
        }
    }
}
