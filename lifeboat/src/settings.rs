//! Flags win over environment variables, which win over the file: decided here and nowhere else.
//!
//! clap fills a flag that was not given from its `LIFEBOAT_*` variable, so what remains is flag or file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use lifeboat_agent::backup::{self, CredentialOptions, CredentialSource};
use lifeboat_archive::{
    seal::{Identities, MOST_RECIPIENTS, Recipient, RecipientError},
    words::{ByteSize, TopicGlob, TopicGlobs},
};
use lifeboat_config::{
    BackupSettings, KafkaProperties, RepositoryLocation, RepositoryUrl, ResolvedConfig,
    StoreOptions, Surroundings, UrlError,
};
use lifeboat_repository::copy;
use lifeboat_restore::{
    into::Existing,
    offset_map::{MapFile, MapFormat},
    parts::{Part, Parts},
    rehearse, restore,
};

use crate::{
    failure::Failure,
    flags::{
        BackupFlags, CopyFlags, CredentialFlags, IdentityFlags, LimitFlags, OffsetMapFormat,
        RehearseFlags, RepositoryFlags, RestoreFlags, SourceFlags, TargetFlags, TopicFlags,
        WriteLimitFlags,
    },
    identities,
};

mod names;

/// Where settings come from. The file is read when it is first needed.
#[derive(Debug)]
pub(crate) struct Settings {
    path: Option<PathBuf>,
    file: OnceLock<ResolvedConfig>,
}

impl Settings {
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            file: OnceLock::new(),
        }
    }

    /// The configuration file's path, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The configuration file; the defaults where there is none.
    pub(crate) fn file(&self) -> Result<&ResolvedConfig, Failure> {
        if let Some(config) = self.file.get() {
            return Ok(config);
        }
        let config = match &self.path {
            Some(path) => lifeboat_config::load(path, Surroundings::system())?,
            None => ResolvedConfig::default(),
        };
        Ok(self.file.get_or_init(|| config))
    }

    /// The repository, and what its store is told besides: that stands in the file, whoever names the repository.
    pub(crate) fn repository(
        &self,
        flags: &RepositoryFlags,
    ) -> Result<RepositoryLocation, Failure> {
        let file = self.file()?;
        if let Some(text) = &flags.repository {
            return self.named_repository(text, || file.store.clone());
        }
        let url = file.repository.clone().ok_or_else(|| {
            Failure::usage("no repository is named")
                .hint("give --repository, set LIFEBOAT_REPOSITORY, or write repository.url into the file of --config")
        })?;
        Ok(RepositoryLocation {
            url,
            options: file.store.clone(),
        })
    }

    /// The repository that is copied to. What the store of the other one is told is not its business: these are the keys
    /// of somebody else.
    pub(crate) fn copy_target(&self, text: &str) -> Result<RepositoryLocation, Failure> {
        let file = self.file()?;
        let mut location = self.named_repository(text, StoreOptions::default)?;
        if file.repository.as_ref() == Some(&location.url) {
            location.options = file.store.clone();
        }
        Ok(location)
    }

    /// A repository by its name or address in the file; any other address with these options.
    fn named_repository(
        &self,
        text: &str,
        options: impl FnOnce() -> StoreOptions,
    ) -> Result<RepositoryLocation, Failure> {
        let known = &self.file()?.repositories;
        if let Some(location) = known.get(text) {
            return Ok(location.clone());
        }
        let url: RepositoryUrl = text.parse().map_err(|error: UrlError| {
            let failure = Failure::from(error);
            if known.is_empty() {
                return failure;
            }
            let names: Vec<_> = known.keys().map(String::as_str).collect();
            failure.hint(format!(
                "write its address, or one of the names in the configuration: {}",
                names.join(", ")
            ))
        })?;
        let there = known.values().find(|location| location.url == url);
        Ok(there.cloned().unwrap_or_else(|| RepositoryLocation {
            url,
            options: options(),
        }))
    }

    /// The cluster that is restored into. It must be named: there is no default.
    pub(crate) fn target(&self, flags: &TargetFlags) -> Result<KafkaProperties, Failure> {
        let base = match &flags.target {
            None => KafkaProperties::default(),
            Some(name) => {
                let targets = &self.file()?.targets;
                targets
                    .get(name)
                    .cloned()
                    .ok_or_else(|| unknown_target(name, targets.keys()))?
            }
        };
        let given = SourceFlags {
            bootstrap_servers: flags.bootstrap_servers.clone(),
            command_config: flags.command_config.clone(),
        };
        let properties = overlay(base, &given)?;
        if properties.bootstrap_servers().is_empty() {
            return Err(Failure::usage("no target cluster is named")
                .hint("give --bootstrap-servers, or --target with a name under targets: in the file of --config"));
        }
        Ok(properties)
    }

    /// What a backup is to do.
    pub(crate) fn backup(&self, flags: &BackupFlags) -> Result<backup::Options, Failure> {
        let mut settings = self.file()?.backup.clone();
        let LimitFlags {
            memory,
            segment_size,
            archive_size,
            compression_level,
            batches,
            max_rate,
            max_connections,
            retry_deadline,
            progress_interval,
        } = flags.limits;
        settings.memory = memory.unwrap_or(settings.memory);
        settings.segment_size = segment_size.unwrap_or(settings.segment_size);
        settings.archive_size = archive_size.unwrap_or(settings.archive_size);
        settings.compression_level = compression_level.unwrap_or(settings.compression_level);
        settings.batches = batches.unwrap_or(settings.batches);
        settings.max_rate = max_rate.or(settings.max_rate);
        settings.max_connections = max_connections.unwrap_or(settings.max_connections);
        settings.retry_deadline = retry_deadline.unwrap_or(settings.retry_deadline);
        settings.progress_interval = progress_interval.unwrap_or(settings.progress_interval);
        check(&settings)?;
        Ok(backup::Options {
            topics: choose(settings.topics, &flags.topics)?,
            kind: flags.kind,
            memory: settings.memory,
            segment_size: settings.segment_size,
            archive_size: settings.archive_size,
            compression_level: settings.compression_level,
            batches: settings.batches,
            max_rate: settings.max_rate,
            max_connections: settings.max_connections as usize,
            retry_deadline: settings.retry_deadline.0,
            progress_interval: settings.progress_interval.0,
            credentials: self.credentials(&flags.credentials, &flags.source)?,
            new_cluster: flags.new_cluster,
        })
    }

    /// To whom records and documents are sealed: to all recipients, unless it is said that they stay plain.
    pub(crate) fn sealed_to(
        &self,
        flags: &CredentialFlags,
        recipients: &[Recipient],
    ) -> Result<Vec<Recipient>, Failure> {
        let file = self.file()?;
        let wanted = !flags.plain_data && file.seal_data.unwrap_or(true);
        if recipients.len() > MOST_RECIPIENTS {
            let problem = format!(
                "{} recipients are more than {MOST_RECIPIENTS}",
                recipients.len()
            );
            return Err(Failure::usage(problem));
        }
        if wanted && file.seal_data == Some(true) && recipients.is_empty() {
            return Err(Failure::usage(
                "encryption.data is true, and there is nobody to encrypt to",
            )
            .hint("give encryption.recipients, or --recipient"));
        }
        Ok(if wanted {
            recipients.to_vec()
        } else {
            Vec::new()
        })
    }

    /// What opens what is encrypted, where anything was given.
    pub(crate) fn identities(&self, flags: &IdentityFlags) -> Result<Option<Identities>, Failure> {
        identities::read(flags, self.file()?)
    }

    /// Where a backup reads what proves who the users are.
    fn credentials(
        &self,
        flags: &CredentialFlags,
        source: &SourceFlags,
    ) -> Result<CredentialOptions, Failure> {
        let file = self.file()?;
        let mut recipients = file.recipients.clone();
        if !flags.recipient.is_empty() {
            let given = flags.recipient.iter().map(|text| {
                text.parse().map_err(|error: RecipientError| {
                    Failure::usage(format!("--recipient: {error}"))
                })
            });
            recipients = given.collect::<Result<_, _>>()?;
        }
        let saved = &file.backup.exact_credentials;
        let folder = flags.metadata_dir.clone().or_else(|| {
            let of_file = saved.metadata_dir.clone();
            of_file.filter(|_| flags.controllers.is_none())
        });
        if let Some(folder) = folder {
            return Ok(CredentialOptions {
                recipients,
                source: Some(CredentialSource::Folder(folder)),
            });
        }
        let addresses = flags
            .controllers
            .clone()
            .or_else(|| saved.controllers.clone());
        let is_reached =
            flags.controller_config.is_some() || saved.kafka != KafkaProperties::default();
        if addresses.is_none() && is_reached {
            return Err(
                Failure::usage("it is said how the controllers are reached, and not which").hint(
                    "give --controllers discover (or their host:port), or backup.exact-credentials.controllers",
                ),
            );
        }
        let from = addresses.map(|addresses| {
            let given = SourceFlags {
                bootstrap_servers: None,
                command_config: flags.controller_config.clone(),
            };
            let brokers = self.source(source)?.overridden_by(saved.kafka.clone());
            Ok::<_, Failure>(CredentialSource::Controllers {
                addresses,
                properties: Box::new(overlay(brokers, &given)?),
            })
        });
        Ok(CredentialOptions {
            recipients,
            source: from.transpose()?,
        })
    }

    /// The protected cluster.
    pub(crate) fn source(&self, flags: &SourceFlags) -> Result<KafkaProperties, Failure> {
        let base = self.file()?.kafka.clone().unwrap_or_default();
        let properties = overlay(base, flags)?;
        if properties.bootstrap_servers().is_empty() {
            return Err(Failure::usage("no cluster is named").hint(
                "give --bootstrap-servers, set LIFEBOAT_BOOTSTRAP_SERVERS, or write kafka: into the file of --config",
            ));
        }
        Ok(properties)
    }
}

/// What a restore is to do. Which topics are *saved* says nothing of it.
pub(crate) fn restore_options(flags: &RestoreFlags) -> Result<restore::Options, Failure> {
    let limits = write_limits(&flags.limits)?;
    Ok(restore::Options {
        topics: choose(TopicGlobs::default(), &flags.topics())?,
        naming: names::naming(&flags.names)?,
        existing: match (flags.append, flags.replace) {
            (true, _) => Existing::Append,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        },
        parts: restored_parts(flags)?,
        selection: flags.selection(),
        salvage: flags.salvage,
        repartition: flags.repartition.clone(),
        offset_map: offset_map(flags)?,
        prune_extra: flags.prune_extra,
        assignment: flags.assignment,
        broker_map: broker_map(flags)?,
        compare: (!flags.no_compare).then(|| flags.compare.into()),
        into_source: flags.into_source,
        memory: limits.memory,
        max_rate: limits.max_rate,
        max_connections: limits.max_connections,
        retry_deadline: limits.retry_deadline,
        state_folder: flags.state.clone(),
    })
}

/// What a rehearsal is to do.
pub(crate) fn rehearse_options(flags: &RehearseFlags) -> Result<rehearse::Options, Failure> {
    let limits = write_limits(&flags.limits)?;
    Ok(rehearse::Options {
        topics: choose(TopicGlobs::default(), &flags.topics.chosen())?,
        sample: flags.sample,
        into_source: flags.into_source,
        keep: flags.keep,
        store: !flags.no_store,
        memory: limits.memory,
        max_rate: limits.max_rate,
        max_connections: limits.max_connections,
        retry_deadline: limits.retry_deadline,
    })
}

/// How much a restore writes at a time; what can't work is refused as it is of a backup.
struct WriteLimits {
    memory: ByteSize,
    max_rate: Option<ByteSize>,
    max_connections: usize,
    retry_deadline: Duration,
}

fn write_limits(flags: &WriteLimitFlags) -> Result<WriteLimits, Failure> {
    let defaults = restore::Options::default();
    let memory = flags.memory.unwrap_or(defaults.memory);
    let mut settings = BackupSettings {
        memory,
        max_rate: flags.max_rate,
        ..BackupSettings::default()
    };
    settings.max_connections = flags.max_connections.unwrap_or(settings.max_connections);
    check(&settings)?;
    let max_connections = flags.max_connections.map(|number| number as usize);
    Ok(WriteLimits {
        memory,
        max_rate: flags.max_rate,
        max_connections: max_connections.unwrap_or(defaults.max_connections),
        retry_deadline: flags
            .retry_deadline
            .map_or(defaults.retry_deadline, |it| it.0),
    })
}

/// Where a map of all offsets goes.
fn offset_map(flags: &RestoreFlags) -> Result<Option<MapFile>, Failure> {
    let Some(path) = &flags.offset_map else {
        return Ok(None);
    };
    let extension = path.extension().and_then(|extension| extension.to_str());
    let format = match (flags.offset_map_format, extension) {
        (Some(OffsetMapFormat::Csv), _) | (None, Some("csv")) => MapFormat::Csv,
        (Some(OffsetMapFormat::Json), _) | (None, Some("json")) => MapFormat::Json,
        (None, _) => {
            let what = format!("--offset-map {}: csv or json?", path.display());
            return Err(Failure::usage(what)
                .hint("name a file that ends with .csv or .json, or give --offset-map-format"));
        }
    };
    Ok(Some(MapFile {
        path: path.clone(),
        format,
    }))
}

/// How much a copy does at the same time where nothing is said.
const COPIES: u32 = 2;

/// What a copy is to do; the clusters are chosen when the repository is open.
pub(crate) fn copy_options(flags: &CopyFlags) -> Result<copy::Options, Failure> {
    let settings = BackupSettings {
        max_rate: flags.max_rate,
        max_connections: flags.max_connections.unwrap_or(COPIES),
        ..BackupSettings::default()
    };
    check(&settings)?;
    Ok(copy::Options {
        references: flags.snapshots.clone(),
        new_cluster: flags.new_cluster,
        dry_run: flags.dry_run,
        verify_existing: flags.verify_existing,
        parallel: settings.max_connections as usize,
        ..copy::Options::default()
    })
}

/// What is restored: of `--only`, or all; who chooses topics means these, and not the cluster around them.
pub(crate) fn restored_parts(flags: &RestoreFlags) -> Result<Parts, Failure> {
    let users = flags.users.passwords.is_some() || flags.users.generate_passwords.is_some();
    if !flags.only.is_empty() {
        let parts = Parts::of(flags.only.iter().copied());
        if users && !parts.has(Part::Users) {
            return Err(
                Failure::usage("passwords are given, and no users are restored")
                    .hint("add users to --only, or leave out --passwords and --generate-passwords"),
            );
        }
        return Ok(parts);
    }
    let of_topics =
        !flags.topics.is_empty() || !flags.exclude.is_empty() || flags.names.renames_topics();
    let parts = if of_topics {
        Parts::of_topics()
    } else {
        Parts::everything()
    };
    let parts = if users {
        parts.with(Part::Users)
    } else {
        parts
    };
    Ok(if flags.no_groups {
        parts.without(Part::Groups)
    } else {
        parts
    })
}

fn broker_map(flags: &RestoreFlags) -> Result<BTreeMap<i32, i32>, Failure> {
    let mut map = BTreeMap::new();
    for pair in &flags.broker_map {
        if map.insert(pair.snapshot, pair.target).is_some() {
            let broker = pair.snapshot;
            return Err(Failure::usage(format!(
                "--broker-map: broker {broker} is mapped twice"
            )));
        }
    }
    Ok(map)
}

fn check(settings: &BackupSettings) -> Result<(), Failure> {
    match settings.problems().into_iter().next() {
        None => Ok(()),
        Some((key, problem)) => Err(Failure::usage(format!("--{key}: {problem}"))),
    }
}

fn unknown_target<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> Failure {
    let known: Vec<_> = known.map(String::as_str).collect();
    let hint = if known.is_empty() {
        "the configuration file has no targets: yet".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    };
    Failure::usage(format!("no target is called {name}")).hint(hint)
}

/// `given` instead of `base`, each of the two lists for itself.
pub(crate) fn choose(base: TopicGlobs, given: &TopicFlags) -> Result<TopicGlobs, Failure> {
    let mut chosen = base;
    if !given.topics.is_empty() {
        chosen.include = globs("--topics", &given.topics)?;
    }
    if !given.exclude.is_empty() {
        chosen.exclude = globs("--exclude", &given.exclude)?;
    }
    Ok(chosen)
}

fn globs(flag: &str, lists: &[String]) -> Result<Vec<TopicGlob>, Failure> {
    lists
        .iter()
        .flat_map(|list| split_list(list))
        .map(|text| {
            text.parse()
                .map_err(|error: lifeboat_archive::words::GlobError| {
                    Failure::usage(format!("{flag} {text}")).because(&error)
                })
        })
        .collect()
}

/// Splits at commas, those inside `{a,b}` and `[a,b]` left out.
fn split_list(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0_u32, 0);
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// The properties of `base`, overridden by the file of `--command-config`, overridden by `--bootstrap-servers`.
pub(crate) fn overlay(
    base: KafkaProperties,
    flags: &SourceFlags,
) -> Result<KafkaProperties, Failure> {
    let mut properties = base;
    if let Some(path) = &flags.command_config {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(format!(
                "can't read the client properties {}",
                path.display()
            ))
            .because(&error)
        })?;
        let given = KafkaProperties::parse_properties(&text).map_err(|error| {
            let failure = Failure::usage(format!("{}: {error}", path.display()));
            match error.hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
        properties = properties.overridden_by(given);
    }
    if let Some(servers) = &flags.bootstrap_servers {
        properties.set("bootstrap.servers", servers)?;
    }
    Ok(properties)
}

#[cfg(test)]
mod tests;
