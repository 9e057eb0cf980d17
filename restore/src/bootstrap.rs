//! A new cluster that begins with everything of a snapshot that is no topic: users with their very credentials, ACLs,
//! quotas, settings and features, from a `bootstrap.checkpoint` that is there before its first start.

use std::collections::BTreeMap;

use lifeboat_archive::{
    documents::{
        AclsDocument, CredentialsDocument, Documents, QuotasDocument, SecretText, Settings,
    },
    json::{Document, Sha256Hex},
    words::SnapshotId,
};
use lifeboat_kafka::{
    image::{MetadataRecord, bootstrap_checkpoint},
    wire::ScramMechanism,
};
use serde::{Deserialize, Serialize};

use crate::parts::{Part, Parts};

mod folder;
mod versions;

pub use folder::{FolderError, NodeIdentity, Written, check, checkpoint_in, write};
pub use versions::MetadataVersion;

/// Kafka's numbers of what has dynamic settings.
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// Settings of a broker, with their values.
type SealedSettings = BTreeMap<String, SecretText>;

/// What a checkpoint is made of.
#[derive(Clone, Debug)]
pub struct Source {
    /// The cluster's documents; what the snapshot does not hold is missing.
    pub documents: Documents,
    /// `credentials.json.age`, opened.
    pub credentials: Option<CredentialsDocument>,
    /// Which of it: settings, quotas, ACLs, users. The features are always in it.
    pub parts: Parts,
}

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Nothing says what the new cluster shall be.
    #[error("the snapshot does not tell the cluster's metadata.version")]
    NoVersion,
    /// It could not hold the users.
    #[error(
        "metadata.version {0} is too old: a cluster keeps SCRAM users in its metadata from 3.5-IV2 on"
    )]
    TooOld(MetadataVersion),
    /// What is to be written is not what Kafka could read.
    #[error("no checkpoint can be made: {0}")]
    Encode(#[from] lifeboat_archive::records::RecordError),
    /// It can't be written there.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// What a new cluster begins with.
#[derive(Debug)]
pub struct Checkpoint {
    /// The bytes of `bootstrap.checkpoint`. They hold secrets.
    bytes: zeroize::Zeroizing<Vec<u8>>,
    /// How much is in it.
    pub counts: Counts,
    /// Its metadata.version.
    pub metadata_version: MetadataVersion,
    /// What is not in it, and why.
    pub left_out: Vec<LeftOut>,
    /// Good to know, for people.
    pub warnings: Vec<String>,
}

/// How much there is in a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Features, `metadata.version` included.
    pub features: u64,
    /// Dynamic settings.
    pub configs: u64,
    /// SCRAM credentials.
    pub credentials: u64,
    /// ACLs.
    pub acls: u64,
    /// Quotas.
    pub quotas: u64,
}

/// Something that could not be put into a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What.
    pub subject: String,
    /// Why.
    pub problem: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The checkpoint.
    pub file: String,
    /// Its level of metadata.version.
    pub metadata_version: i16,
    /// How much is in it.
    pub counts: Counts,
    /// What is not.
    pub left_out: Vec<LeftOut>,
    /// Good to know, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether it was written, and not only looked at.
    pub written: bool,
    /// Whether `meta.properties` is there, without which `kafka-storage.sh format` would overwrite the checkpoint.
    pub has_meta_properties: bool,
}

impl Document for Report {
    const FORMAT: &'static str = "lifeboat.bootstrap-report";
}

/// Puts together what the new cluster begins with.
pub fn checkpoint(
    source: &Source,
    wanted: Option<MetadataVersion>,
) -> Result<Checkpoint, BootstrapError> {
    let finalized = source.documents.features.as_ref();
    let finalized = finalized.map(|document| document.finalized.clone());
    let finalized = finalized.unwrap_or_default();
    let saved = finalized.get(versions::FEATURE).copied();
    let version = wanted.or(saved.map(MetadataVersion));
    let version = version.ok_or(BootstrapError::NoVersion)?;
    if version < MetadataVersion::WITH_SCRAM {
        return Err(BootstrapError::TooOld(version));
    }
    let mut maker = Maker {
        version,
        records: Vec::new(),
        counts: Counts::default(),
        left_out: Vec::new(),
    };
    maker.features(&finalized, saved);
    if source.parts.has(Part::Configs) {
        maker.configs(source);
    }
    if source.parts.has(Part::Users) {
        maker.users(source);
    }
    if source.parts.has(Part::Acls) {
        maker.acls(source.documents.acls.as_ref());
    }
    if source.parts.has(Part::Quotas) {
        maker.quotas(source.documents.quotas.as_ref());
    }
    Ok(Checkpoint {
        bytes: bootstrap_checkpoint(&maker.records)?.into(),
        counts: maker.counts,
        metadata_version: version,
        left_out: maker.left_out,
        warnings: warnings(source),
    })
}

/// A cluster with eligible leader replicas takes the setting from `server.properties` at its first start.
fn warnings(source: &Source) -> Vec<String> {
    let features = source.documents.features.iter();
    let mut features = features.flat_map(|document| &document.finalized);
    let has_elr =
        features.any(|(name, level)| name == "eligible.leader.replicas.version" && *level > 0);
    let configs = source.documents.configs.as_ref();
    let settings = configs.and_then(|configs| configs.cluster.as_ref());
    let saved = settings.and_then(|settings| settings.get("min.insync.replicas"));
    match saved.and_then(Option::as_ref) {
        Some(value) if has_elr => vec![format!(
            "min.insync.replicas={value} of all brokers is overridden at the first start: write it into server.properties as well"
        )],
        _ => Vec::new(),
    }
}

struct Maker {
    version: MetadataVersion,
    records: Vec<MetadataRecord>,
    counts: Counts,
    left_out: Vec<LeftOut>,
}

impl Maker {
    fn leave_out(&mut self, subject: impl Into<String>, problem: impl Into<String>) {
        self.left_out.push(LeftOut {
            subject: subject.into(),
            problem: problem.into(),
        });
    }

    /// `metadata.version` first: it says what may follow.
    fn features(&mut self, finalized: &BTreeMap<String, i16>, saved: Option<i16>) {
        let mut levels = vec![(versions::FEATURE, self.version.0)];
        for (name, &level) in finalized {
            match name.as_str() {
                // the first already, and what is no record of the log but of its quorum
                versions::FEATURE | "kraft.version" => {}
                name if versions::has_feature(name, self.version, saved) => {
                    levels.push((name, level));
                }
                name => self.leave_out(
                    format!("feature {name}"),
                    format!("metadata.version {} does not have it", self.version),
                ),
            }
        }
        self.counts.features = levels.len() as u64;
        let levels = levels.into_iter();
        self.records
            .extend(levels.map(|(name, level)| MetadataRecord::FeatureLevel {
                name: name.to_owned(),
                level,
            }));
    }

    fn configs(&mut self, source: &Source) {
        let Some(configs) = &source.documents.configs else {
            self.leave_out("configs", "not in the snapshot");
            return self.sealed_configs(source);
        };
        let brokers = configs.brokers.iter();
        let brokers = brokers.map(|(id, settings)| (id.to_string(), settings));
        for (name, settings) in brokers.chain([(String::new(), &configs.cluster)]) {
            let sealed = source.credentials.as_ref();
            let sealed = sealed.and_then(|document| document.broker_configs.get(&name));
            let of = if name.is_empty() { "of all" } else { &name };
            match settings {
                Some(settings) => self.broker_settings(&name, settings, sealed),
                // what the metadata log told is better than nothing
                None if sealed.is_some() => self.sealed_settings(&name, sealed),
                None => self.leave_out(format!("settings of broker {of}"), "not in the snapshot"),
            }
        }
        let kinds = [
            (
                CLIENT_METRICS,
                "client metrics",
                MetadataVersion(17),
                &configs.client_metrics,
            ),
            (GROUP, "group", MetadataVersion(22), &configs.groups),
        ];
        for (kind, what, since, all) in kinds {
            match all {
                None => self.leave_out(format!("settings of {what}"), "not in the snapshot"),
                Some(all) if self.version < since && !all.is_empty() => {
                    let problem = format!("metadata.version {} has none", self.version);
                    self.leave_out(format!("settings of {what}"), problem);
                }
                Some(all) => {
                    for (name, settings) in all {
                        self.settings(kind, what, name, settings.as_ref());
                    }
                }
            }
        }
    }

    fn broker_settings(
        &mut self,
        name: &str,
        settings: &Settings,
        sealed: Option<&SealedSettings>,
    ) {
        let of = if name.is_empty() { "of all" } else { name };
        for (key, value) in settings {
            let told = value.as_deref();
            match told.or_else(|| Some(sealed?.get(key)?.expose())) {
                Some(value) => self.config(BROKER, name, key, value),
                None => self.leave_out(
                    format!("setting {key} of broker {of}"),
                    "it is sensitive, and its value was not saved, or not opened (--identity)",
                ),
            }
        }
    }

    fn settings(&mut self, kind: i8, what: &str, name: &str, settings: Option<&Settings>) {
        let Some(settings) = settings else {
            return self.leave_out(format!("settings of {what} {name}"), "not in the snapshot");
        };
        for (key, value) in settings {
            match value {
                Some(value) => self.config(kind, name, key, value),
                None => self.leave_out(
                    format!("setting {key} of {what} {name}"),
                    "it is sensitive, and its value was not saved",
                ),
            }
        }
    }

    /// What the metadata log told is better than nothing.
    fn sealed_configs(&mut self, source: &Source) {
        for (name, settings) in source.credentials.iter().flat_map(|d| &d.broker_configs) {
            self.sealed_settings(name, Some(settings));
        }
    }

    fn sealed_settings(&mut self, name: &str, settings: Option<&SealedSettings>) {
        for (key, value) in settings.into_iter().flatten() {
            self.config(BROKER, name, key, value.expose());
        }
    }

    fn config(&mut self, resource_type: i8, resource: &str, name: &str, value: &str) {
        self.counts.configs += 1;
        self.records.push(MetadataRecord::Config {
            resource_type,
            resource: resource.to_owned(),
            name: name.to_owned(),
            value: Some(SecretText::new(value)),
        });
    }

    fn users(&mut self, source: &Source) {
        let exact = source.credentials.as_ref();
        for keys in exact.iter().flat_map(|document| &document.scram) {
            let Some(mechanism) = ScramMechanism::from_name(&keys.mechanism) else {
                let problem = "this mechanism is not known here";
                self.leave_out(format!("{} of user {}", keys.mechanism, keys.user), problem);
                continue;
            };
            self.counts.credentials += 1;
            self.records.push(MetadataRecord::UserScramCredential {
                user: keys.user.clone(),
                mechanism: mechanism.number(),
                salt: keys.salt.clone(),
                stored_key: keys.stored_key.clone(),
                server_key: keys.server_key.clone(),
                iterations: keys.iterations,
            });
        }
        let Some(users) = &source.documents.users else {
            if exact.is_none() {
                self.leave_out("SCRAM users", "not in the snapshot");
            }
            return;
        };
        for user in &users.users {
            for credential in &user.credentials {
                let name = &credential.mechanism;
                if exact.is_none_or(|exact| exact.keys(&user.user, name).is_none()) {
                    self.leave_out(
                        format!("{name} of user {}", user.user),
                        "what proves it was not saved, or not opened (--identity)",
                    );
                }
            }
        }
    }

    fn acls(&mut self, document: Option<&AclsDocument>) {
        let Some(document) = document else {
            return self.leave_out("ACLs", "not in the snapshot");
        };
        self.counts.acls = document.acls.len() as u64;
        for binding in &document.acls {
            // the same for each controller that this is written for
            let text = format!("{binding:?}");
            let digest = Sha256Hex::of(text.as_bytes());
            let mut id = [0; 16];
            for (byte, pair) in id.iter_mut().zip(digest.as_str().as_bytes().chunks(2)) {
                let pair = str::from_utf8(pair).unwrap_or_default();
                *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
            }
            self.records.push(MetadataRecord::AccessControlEntry {
                id,
                binding: binding.clone(),
            });
        }
    }

    fn quotas(&mut self, document: Option<&QuotasDocument>) {
        let Some(document) = document else {
            return self.leave_out("quotas", "not in the snapshot");
        };
        for quota in &document.quotas {
            for (key, &value) in &quota.limits {
                self.counts.quotas += 1;
                self.records.push(MetadataRecord::ClientQuota {
                    entity: quota.entity.clone(),
                    key: key.clone(),
                    value,
                    remove: false,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
