//! `lifeboat config`: what the configuration says.

use std::{collections::BTreeMap, time::Duration};

use lifeboat_archive::{json::Document, words::TimeSpan};
use lifeboat_config::{
    ExactCredentials, KafkaProperties, RepositoryLocation, ResolvedConfig, StoreOptions,
};
use lifeboat_kafka::wire::check_properties;
use lifeboat_repository::Repository;
use serde::{Deserialize, Serialize};

use crate::{answer::Answer, exit::Exit, failure::Failure, flags::ConfigVerb, session::Session};

/// What `lifeboat config` prints. Secrets are masked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConfigDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kafka: Option<BTreeMap<String, String>>,
    targets: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    store_options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_class: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    repositories: BTreeMap<String, RepositoryDocument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypt_data: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identities: Vec<String>,
    backup: BackupDocument,
}

impl Document for ConfigDocument {
    const FORMAT: &'static str = "lifeboat.config";
}

/// A repository that has a name.
#[derive(Debug, Serialize, Deserialize)]
struct RepositoryDocument {
    url: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    store_options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_class: Option<String>,
}

impl RepositoryDocument {
    fn new(location: &RepositoryLocation) -> Self {
        Self {
            url: location.url.to_string(),
            store_options: shown(&location.options),
            storage_class: location.options.storage_class().map(str::to_owned),
        }
    }
}

fn shown(options: &StoreOptions) -> BTreeMap<String, String> {
    let shown = options.shown();
    shown
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[derive(Debug, Serialize, Deserialize)]
struct BackupDocument {
    include: Vec<String>,
    exclude: Vec<String>,
    memory_bytes: u64,
    segment_bytes: u64,
    archive_bytes: u64,
    compression_level: i32,
    batches: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_rate_bytes: Option<u64>,
    max_connections: u32,
    retry_deadline_ms: u64,
    progress_interval_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact_credentials: Option<ExactDocument>,
}

/// Where credentials are read.
#[derive(Debug, Serialize, Deserialize)]
struct ExactDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    controllers: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    kafka: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata_dir: Option<String>,
}

impl ExactDocument {
    fn new(exact: &ExactCredentials) -> Option<Self> {
        let properties = exact.kafka.shown();
        (*exact != ExactCredentials::default()).then(|| Self {
            controllers: exact.controllers.as_ref().map(ToString::to_string),
            kafka: properties
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            metadata_dir: exact
                .metadata_dir
                .as_ref()
                .map(|path| path.display().to_string()),
        })
    }

    fn yaml(&self) -> String {
        let mut text = "  exact-credentials:\n".to_owned();
        if let Some(controllers) = &self.controllers {
            text.push_str(&format!("    controllers: {}\n", quoted(controllers)));
        }
        if !self.kafka.is_empty() {
            text.push_str(&format!("    kafka:\n{}", yaml_map(&self.kafka, "      ")));
        }
        if let Some(folder) = &self.metadata_dir {
            text.push_str(&format!("    metadata-dir: {}\n", quoted(folder)));
        }
        text
    }
}

pub(crate) fn run(verb: ConfigVerb, session: &Session) -> Result<Answer, Failure> {
    let path = session.settings.path();
    if matches!(verb, ConfigVerb::Check) && path.is_none() {
        return Err(Failure::usage("there is no configuration file to check")
            .hint("name it with --config or LIFEBOAT_CONFIG"));
    }
    let file = path.map(|path| path.display().to_string());
    let config = session.settings.file()?;
    if matches!(verb, ConfigVerb::Check) {
        check_clusters(config)?;
        check_repositories(config)?;
    }
    let document = ConfigDocument::new(file, config);
    Ok(Answer::new(
        session,
        Exit::Ok,
        &document,
        |document| match verb {
            ConfigVerb::Check => document.summary(),
            ConfigVerb::Show => document.yaml(),
        },
    ))
}

/// Properties that contradict each other, and certificates and keys that can't be read. Nobody is asked for anything.
fn check_clusters(config: &ResolvedConfig) -> Result<(), Failure> {
    let kafka = config.kafka.iter().map(|kafka| ("kafka".to_owned(), kafka));
    let targets = config.targets.iter();
    let targets = targets.map(|(name, kafka)| (format!("targets.{name}"), kafka));
    for (section, properties) in kafka.chain(targets) {
        check_properties(properties).map_err(|error| Failure::from(error).within(&section))?;
    }
    Ok(())
}

/// Options of stores that they can't be opened with. Nobody is asked for anything.
fn check_repositories(config: &ResolvedConfig) -> Result<(), Failure> {
    let own = config.repository.clone().map(|url| RepositoryLocation {
        url,
        options: config.store.clone(),
    });
    let own = own.map(|location| ("repository".to_owned(), location));
    let named = config.repositories.iter();
    let named = named.map(|(name, location)| (format!("repositories.{name}"), location.clone()));
    for (section, location) in own.into_iter().chain(named) {
        Repository::check_options(location)
            .map_err(|error| Failure::from(error).within(&section))?;
    }
    Ok(())
}

impl ConfigDocument {
    fn new(file: Option<String>, config: &ResolvedConfig) -> Self {
        let properties = |kafka: &KafkaProperties| -> BTreeMap<String, String> {
            kafka
                .shown()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        };
        let texts = |globs: &[lifeboat_archive::words::TopicGlob]| {
            globs.iter().map(ToString::to_string).collect()
        };
        let backup = &config.backup;
        Self {
            file,
            kafka: config.kafka.as_ref().map(properties),
            targets: config
                .targets
                .iter()
                .map(|(name, kafka)| (name.clone(), properties(kafka)))
                .collect(),
            repository: config.repository.as_ref().map(ToString::to_string),
            store_options: shown(&config.store),
            storage_class: config.store.storage_class().map(str::to_owned),
            repositories: config
                .repositories
                .iter()
                .map(|(name, location)| (name.clone(), RepositoryDocument::new(location)))
                .collect(),
            recipients: config.recipients.iter().map(ToString::to_string).collect(),
            encrypt_data: config.seal_data,
            identities: config
                .identities
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            backup: BackupDocument {
                include: texts(&backup.topics.include),
                exclude: texts(&backup.topics.exclude),
                memory_bytes: backup.memory.0,
                segment_bytes: backup.segment_size.0,
                archive_bytes: backup.archive_size.0,
                compression_level: backup.compression_level,
                batches: backup.batches.to_string(),
                max_rate_bytes: backup.max_rate.map(|rate| rate.0),
                max_connections: backup.max_connections,
                retry_deadline_ms: millis(backup.retry_deadline),
                progress_interval_ms: millis(backup.progress_interval),
                exact_credentials: ExactDocument::new(&backup.exact_credentials),
            },
        }
    }

    fn summary(&self) -> String {
        let servers = |kafka: &BTreeMap<String, String>| {
            kafka
                .get("bootstrap.servers")
                .cloned()
                .unwrap_or_else(|| "no bootstrap.servers".to_owned())
        };
        let none = || "not in the file".to_owned();
        let mut text = format!("{} is fine\n", self.file.as_deref().unwrap_or_default());
        text.push_str(&format!(
            "  kafka       {}\n",
            self.kafka.as_ref().map_or_else(none, servers)
        ));
        text.push_str(&self.kafka.as_ref().map(understood).unwrap_or_default());
        for (name, kafka) in &self.targets {
            text.push_str(&format!("  target      {name}: {}\n", servers(kafka)));
            text.push_str(&understood(kafka));
        }
        text.push_str(&format!(
            "  repository  {}\n",
            self.repository.clone().unwrap_or_else(none)
        ));
        for (name, repository) in &self.repositories {
            text.push_str(&format!("  repository  {name}: {}\n", repository.url));
        }
        text
    }

    fn repository_yaml(&self) -> String {
        let mut text = repository_yaml(
            self.repository.as_deref(),
            self.storage_class.as_deref(),
            &self.store_options,
            "  ",
        );
        if !text.is_empty() {
            text.insert_str(0, "repository:\n");
        }
        if !self.repositories.is_empty() {
            text.push_str("repositories:\n");
        }
        for (name, repository) in &self.repositories {
            let RepositoryDocument {
                url,
                store_options,
                storage_class,
            } = repository;
            let class = storage_class.as_deref();
            let inside = repository_yaml(Some(url), class, store_options, "    ");
            text.push_str(&format!("  {}:\n{inside}", quoted(name)));
        }
        text
    }

    fn encryption_yaml(&self) -> String {
        let mut text = String::new();
        if !self.recipients.is_empty() {
            text.push_str("  recipients:\n");
        }
        for recipient in &self.recipients {
            text.push_str(&format!("    - {}\n", quoted(recipient)));
        }
        if let Some(data) = self.encrypt_data {
            text.push_str(&format!("  data: {data}\n"));
        }
        if !self.identities.is_empty() {
            text.push_str("  identities:\n");
        }
        for path in &self.identities {
            text.push_str(&format!("    - {{ file: {} }}\n", quoted(path)));
        }
        if text.is_empty() {
            return text;
        }
        format!("encryption:\n{text}")
    }

    /// As a configuration file that says the same.
    fn yaml(&self) -> String {
        let mut text = String::new();
        if let Some(kafka) = &self.kafka {
            text.push_str("kafka:\n");
            text.push_str(&yaml_map(kafka, "  "));
        }
        if !self.targets.is_empty() {
            text.push_str("targets:\n");
        }
        for (name, kafka) in &self.targets {
            text.push_str(&format!("  {}:\n{}", quoted(name), yaml_map(kafka, "    ")));
        }
        text.push_str(&self.repository_yaml());
        text.push_str(&self.encryption_yaml());
        let list = |globs: &[String]| {
            globs
                .iter()
                .map(|glob| quoted(glob))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let backup = &self.backup;
        text.push_str(&format!(
            "backup:\n  topics:\n    include: [{}]\n    exclude: [{}]\n  memory: {}\n  segment-size: {}\n  \
             archive-size: {}\n  compression-level: {}\n  batches: {}\n  max-connections: {}\n  retry-deadline: {}\n  \
             progress-interval: {}\n",
            list(&backup.include),
            list(&backup.exclude),
            size(backup.memory_bytes),
            size(backup.segment_bytes),
            size(backup.archive_bytes),
            backup.compression_level,
            backup.batches,
            backup.max_connections,
            TimeSpan(Duration::from_millis(backup.retry_deadline_ms)),
            TimeSpan(Duration::from_millis(backup.progress_interval_ms))
        ));
        if let Some(rate) = backup.max_rate_bytes {
            text.push_str(&format!("  max-rate: {}\n", size(rate)));
        }
        if let Some(exact) = &backup.exact_credentials {
            text.push_str(&exact.yaml());
        }
        text
    }
}

fn repository_yaml(
    url: Option<&str>,
    storage_class: Option<&str>,
    options: &BTreeMap<String, String>,
    indent: &str,
) -> String {
    let mut text = String::new();
    if let Some(url) = url {
        text.push_str(&format!("{indent}url: {}\n", quoted(url)));
    }
    if let Some(class) = storage_class {
        text.push_str(&format!("{indent}storage-class: {}\n", quoted(class)));
    }
    if !options.is_empty() {
        let options = yaml_map(options, &format!("{indent}  "));
        text.push_str(&format!("{indent}options:\n{options}"));
    }
    text
}

/// The properties that are understood, besides the servers; of a text of many lines the first.
fn understood(kafka: &BTreeMap<String, String>) -> String {
    kafka
        .iter()
        .filter(|(name, _)| *name != "bootstrap.servers")
        .map(|(name, value)| {
            let first = value.lines().next().unwrap_or_default();
            let more = if value.trim_end().contains('\n') {
                " …"
            } else {
                ""
            };
            format!("              {name}: {first}{more}\n")
        })
        .collect()
}

fn millis(span: TimeSpan) -> u64 {
    u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX)
}

fn yaml_map(properties: &BTreeMap<String, String>, indent: &str) -> String {
    let line = |(name, value): (&String, &String)| format!("{indent}{name}: {}\n", quoted(value));
    properties.iter().map(line).collect()
}

/// As a YAML string in double quotes, which are JSON's; `${` is not meant to be expanded again.
fn quoted(text: &str) -> String {
    let text = text.replace("${", "$${");
    serde_json::to_string(&text).unwrap_or_default()
}

/// Exact: `96MiB`, or the number of bytes.
fn size(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 20) {
        format!("{}MiB", bytes >> 20)
    } else {
        bytes.to_string()
    }
}

#[cfg(test)]
mod tests;
