//! Object stores over the network: from an address and its options to a store.

use std::{str::FromStr, sync::Arc, time::Duration};

use lifeboat_config::{
    Bucket, Provider, RepositoryUrl, StoreOptions, is_credential_option, store_option_names,
};
use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    list::PaginatedListStore,
    path::Path,
    prefix::PrefixStore,
    signer::Signer,
};

use crate::{RepositoryError, error::Cause};

/// A part of an upload must get through in this time over a slow line.
const REQUEST_TIMEOUT: &str = "60s";
const USER_AGENT: &str = concat!("lifeboat/", env!("CARGO_PKG_VERSION"));

/// Variables that clouds set without the usual beginning.
const BARE_VARIABLES: [(Provider, &str); 2] = [
    (Provider::Google, "service_account"),
    (Provider::Azure, "identity_endpoint"),
];

/// How often is tried again where nothing is known of the store yet: one that is not there is told within seconds.
pub(crate) fn soon() -> RetryConfig {
    RetryConfig {
        max_retries: 8,
        retry_timeout: Duration::from_secs(120),
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
    }
}

/// How often is tried again once the repository was found: a store that restarts or throttles is waited for. Time is the
/// bound: longer than two requests that get no answer, and shorter than signatures hold, which are not made anew.
pub(crate) fn patiently() -> RetryConfig {
    RetryConfig {
        max_retries: 1_000,
        retry_timeout: Duration::from_secs(180),
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(10),
            base: 3.0,
        },
    }
}

/// A store over the network.
#[derive(Clone)]
pub(crate) struct Remote {
    /// With names below the address.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// A page at a time, with the whole names of the bucket.
    pub(crate) pages: Arc<dyn PaginatedListStore>,
    /// Signs requests of our own, with the whole names of the bucket; S3 only.
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) prefix: Path,
}

/// Options and environment as one: what was said later wins.
struct Settings<K>(Vec<(K, String)>);

impl<K: FromStr + PartialEq> Settings<K> {
    fn gather(
        provider: Provider,
        options: &StoreOptions,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let parsed = |name: &str| K::from_str(name).ok();
        let ours = options.of(provider).any(|(_, _, credential)| credential);
        let credentials: Vec<K> = store_option_names(provider)
            .filter(|name| is_credential_option(provider, name))
            .filter_map(parsed)
            .collect();
        let mut settings = Vec::new();
        for (name, value) in environment {
            let name = name.to_ascii_lowercase();
            let ours_by_name = name.starts_with(provider.option_prefix())
                || BARE_VARIABLES.contains(&(provider, &name));
            if !ours_by_name || value.is_empty() {
                continue;
            }
            // nothing that a forgotten variable may say: it is an option of the repository or not at all
            if name.ends_with("allow_invalid_certificates") {
                tracing::warn!(variable = name, "certificates are checked all the same");
                continue;
            }
            let Some(key) = parsed(&name) else { continue };
            // half of one identity and half of another would be none
            if !(ours && credentials.contains(&key)) {
                settings.push((key, value));
            }
        }
        let given = options.of(provider);
        settings
            .extend(given.filter_map(|(name, value, _)| Some((parsed(name)?, value.to_owned()))));
        Self(settings)
    }

    fn last(&self, key: &K) -> Option<&str> {
        let mut found = self.0.iter().rev().filter(|(there, _)| there == key);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// The store at `bucket`, with nothing asked of it yet.
pub(crate) fn connect(
    url: &RepositoryUrl,
    bucket: &Bucket,
    options: &StoreOptions,
    environment: impl IntoIterator<Item = (String, String)>,
    retries: RetryConfig,
) -> Result<Remote, RepositoryError> {
    provide_cryptography();
    let built = match bucket.provider {
        Provider::S3 => s3(bucket, options, environment, retries),
        Provider::Google => google(bucket, options, environment, retries),
        Provider::Azure => azure(bucket, options, environment, retries),
    };
    built.map_err(|error| RepositoryError::Options {
        url: url.to_string(),
        source: Cause::new(error),
    })
}

fn s3(
    bucket: &Bucket,
    options: &StoreOptions,
    environment: impl IntoIterator<Item = (String, String)>,
    retries: RetryConfig,
) -> object_store::Result<Remote> {
    let mut settings = Settings::gather(Provider::S3, options, environment);
    // the variable of the service would win over any endpoint else
    if let Some(endpoint) = options.get("aws_endpoint") {
        settings
            .0
            .push((AmazonS3ConfigKey::S3Endpoint, endpoint.to_owned()));
    }
    match settings.last(&AmazonS3ConfigKey::Checksum) {
        Some("none") => settings
            .0
            .retain(|(key, _)| *key != AmazonS3ConfigKey::Checksum),
        Some(_) => {}
        None => settings
            .0
            .push((AmazonS3ConfigKey::Checksum, "sha256".to_owned())),
    }
    let builder = AmazonS3Builder::new()
        .with_retry(retries)
        .with_config(
            AmazonS3ConfigKey::Client(ClientConfigKey::Timeout),
            REQUEST_TIMEOUT,
        )
        .with_config(
            AmazonS3ConfigKey::Client(ClientConfigKey::UserAgent),
            USER_AGENT,
        );
    let store = settings
        .0
        .into_iter()
        .fold(builder, |builder, (key, value)| {
            builder.with_config(key, value)
        })
        .with_bucket_name(&bucket.name)
        .build()?;
    let store = Arc::new(store);
    Ok(Remote::new(Arc::clone(&store), &bucket.prefix, Some(store)))
}

fn google(
    bucket: &Bucket,
    options: &StoreOptions,
    environment: impl IntoIterator<Item = (String, String)>,
    retries: RetryConfig,
) -> object_store::Result<Remote> {
    let builder = GoogleCloudStorageBuilder::new()
        .with_retry(retries)
        .with_config(
            GoogleConfigKey::Client(ClientConfigKey::Timeout),
            REQUEST_TIMEOUT,
        )
        .with_config(
            GoogleConfigKey::Client(ClientConfigKey::UserAgent),
            USER_AGENT,
        );
    let store = Settings::gather(Provider::Google, options, environment)
        .0
        .into_iter()
        .fold(builder, |builder, (key, value)| {
            builder.with_config(key, value)
        })
        .with_bucket_name(&bucket.name)
        .build()?;
    Ok(Remote::new(Arc::new(store), &bucket.prefix, None))
}

fn azure(
    bucket: &Bucket,
    options: &StoreOptions,
    environment: impl IntoIterator<Item = (String, String)>,
    retries: RetryConfig,
) -> object_store::Result<Remote> {
    let builder = MicrosoftAzureBuilder::new()
        .with_retry(retries)
        .with_config(
            AzureConfigKey::Client(ClientConfigKey::Timeout),
            REQUEST_TIMEOUT,
        )
        .with_config(
            AzureConfigKey::Client(ClientConfigKey::UserAgent),
            USER_AGENT,
        );
    let store = Settings::gather(Provider::Azure, options, environment)
        .0
        .into_iter()
        .fold(builder, |builder, (key, value)| {
            builder.with_config(key, value)
        })
        .with_container_name(&bucket.name)
        .build()?;
    Ok(Remote::new(Arc::new(store), &bucket.prefix, None))
}

impl Remote {
    fn new<S: ObjectStore + PaginatedListStore>(
        store: Arc<S>,
        prefix: &str,
        signer: Option<Arc<dyn Signer>>,
    ) -> Self {
        let prefix = Path::from(prefix);
        let pages: Arc<dyn PaginatedListStore> = Arc::clone(&store) as _;
        let store: Arc<dyn ObjectStore> = if prefix.as_ref().is_empty() {
            store
        } else {
            Arc::new(PrefixStore::new(store, prefix.clone()))
        };
        Self {
            store,
            pages,
            signer,
            prefix,
        }
    }
}

/// TLS takes the process's provider of cryptography; a program that has chosen none gets ours.
fn provide_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // another thread may have been faster
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

#[cfg(test)]
mod tests;
