//! What Lifeboat is told: files, properties and flags' values become one resolved configuration.
//!
//! `README.md`, next to this crate's `Cargo.toml`, is the generated reference.

mod file;
mod kafka;
mod reference;
mod repository_url;
mod resolved;
mod secret;
mod store_options;
mod suggestion;

pub use file::{LoadError, Problem, Surroundings, load, parse};
pub use kafka::{
    Credentials, Identity, IdentityPlace, KafkaProperties, OAuthBearer, PropertyError,
    PropertyPair, RefreshWindow, Sasl, ScramHash, Security, SecurityProtocol, Source, SourceText,
    Store, StoreKind, Tls, Trust, properties_pairs,
};
pub use reference::reference;
pub use repository_url::{Bucket, Place, Provider, RepositoryLocation, RepositoryUrl, UrlError};
pub use resolved::{
    BackupSettings, BatchKeeping, ControllerAddresses, ExactCredentials, ResolvedConfig,
};
pub use secret::Secret;
pub use store_options::{OptionError, StoreOptions, is_credential_option, store_option_names};
pub use suggestion::closest;
