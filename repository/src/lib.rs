//! The store of snapshots: layout, catalog and commit, upload and download.
//!
//! Nothing that is stored is ever overwritten. A snapshot exists from the moment its commit object is there, and that
//! object is written last: archives, then documents, lists and manifest, then the commit. So a run that ends anywhere
//! before leaves objects that nothing names, and harms nothing.

mod catalog;
pub mod check;
mod cluster;
pub mod copy;
mod error;
mod layout;
mod leftovers;
mod lists;
mod patience;
mod probe;
mod progress;
mod remote;
mod repository;
mod results;
mod root;
mod sealed;
mod store;
mod upload;

pub use catalog::{Catalog, CatalogEntry};
pub use cluster::ClusterRepository;
pub use error::{Cause, RepositoryError, StoreAnswer};
pub use layout::is_sealed;
pub use lists::{ListsUpload, Loss};
pub use probe::{ObjectLock, RemoteReport, StoreReport, Writers};
pub use repository::Repository;
pub use results::{Results, Standing, UnreadableResult, standing};
pub use upload::ArchiveUpload;

#[cfg(test)]
mod testing;
