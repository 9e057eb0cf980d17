//! The cluster's metadata as its controllers have it: what no API tells (the keys of SCRAM users, sensitive settings), read
//! from the metadata log, over the network or from a disk.
//!
//! An image is a snapshot (a checkpoint) and the log behind it, replayed: deltas and removals applied, aborted metadata
//! transactions dropped, and what is not committed yet too, where that is known.

use std::collections::BTreeMap;

use lifeboat_archive::{
    batch::{Batch, BatchError, Batches, ControlType},
    documents::{CredentialsDocument, ScramKeys, SecretBytes, SecretText},
    records::{Decompressor, RecordError, records},
};

use crate::{
    error::KafkaError,
    wire::{ScramMechanism, passes},
};

mod checkpoint;
mod disk;
mod network;
mod record;

pub use checkpoint::bootstrap_checkpoint;
pub use disk::{DiskError, read_folder};
pub use network::read_controllers;
pub use record::MetadataRecord;

/// Kafka's number for "this resource is a broker".
const BROKER: i8 = 4;
/// No metadata batch gets near this.
const LARGEST_BATCH: usize = 64 << 20;
/// The type of the control record that ends a snapshot (`ControlRecordType.SNAPSHOT_FOOTER`, KIP-630).
const FOOTER: i16 = 4;

/// What of a cluster's metadata no API tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    /// Dynamic settings of brokers, by id; those of all brokers have an empty one.
    pub broker_configs: BTreeMap<String, BTreeMap<String, SecretText>>,
    /// SCRAM credentials by user and Kafka's number of the mechanism.
    pub users: BTreeMap<(String, i8), ScramSecret>,
    /// The first offset that is not in it.
    pub end_offset: i64,
}

/// What is kept of a user's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramSecret {
    /// What the password is salted with.
    pub salt: SecretBytes,
    /// What a client's proof is checked with.
    pub stored_key: SecretBytes,
    /// What a broker proves itself with.
    pub server_key: SecretBytes,
    /// Rounds of hashing.
    pub iterations: i32,
}

impl Image {
    /// What of it is secret, ready to be sealed.
    pub fn credentials(&self) -> CredentialsDocument {
        let mut scram = Vec::with_capacity(self.users.len());
        for ((user, mechanism), secret) in &self.users {
            let known = ScramMechanism::from_number(*mechanism);
            scram.push(ScramKeys {
                user: user.clone(),
                mechanism: known.map_or_else(|| mechanism.to_string(), |known| known.to_string()),
                iterations: secret.iterations,
                salt: secret.salt.clone(),
                stored_key: secret.stored_key.clone(),
                server_key: secret.server_key.clone(),
            });
        }
        CredentialsDocument {
            scram,
            broker_configs: self.broker_configs.clone(),
        }
    }

    fn apply(&mut self, record: MetadataRecord) {
        use MetadataRecord as R;
        match record {
            R::Config {
                resource_type,
                resource,
                name,
                value,
            } if resource_type == BROKER => self.set_broker_config(resource, name, value),
            R::UserScramCredential {
                user,
                mechanism,
                salt,
                stored_key,
                server_key,
                iterations,
            } => {
                let secret = ScramSecret {
                    salt,
                    stored_key,
                    server_key,
                    iterations,
                };
                self.users.insert((user, mechanism), secret);
            }
            R::RemoveUserScramCredential { user, mechanism } => {
                self.users.remove(&(user, mechanism));
            }
            // everything else is told by the brokers
            _ => {}
        }
    }

    fn set_broker_config(&mut self, broker: String, name: String, value: Option<SecretText>) {
        match value {
            Some(value) => {
                let settings = self.broker_configs.entry(broker).or_default();
                settings.insert(name, value);
            }
            None => {
                if let Some(settings) = self.broker_configs.get_mut(&broker) {
                    settings.remove(&name);
                    if settings.is_empty() {
                        self.broker_configs.remove(&broker);
                    }
                }
            }
        }
    }
}

/// Whether records of this kind are of use here: a newer version of any other must not keep these from being read.
fn is_read(kind: u32) -> bool {
    matches!(
        kind,
        record::CONFIG
            | record::USER_SCRAM_CREDENTIAL
            | record::REMOVE_USER_SCRAM_CREDENTIAL
            | record::BEGIN_TRANSACTION
            | record::END_TRANSACTION
            | record::ABORT_TRANSACTION
    )
}

/// An image in the making.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    image: Image,
    /// The records of the metadata transaction that is open.
    open: Option<Vec<MetadataRecord>>,
    /// The epoch of the last batch.
    last_epoch: i32,
}

impl Replay {
    /// The image that a checkpoint holds, which must be whole; the next record is that at `end_offset`.
    pub(crate) fn of_snapshot(
        bytes: &[u8],
        end_offset: i64,
        epoch: i32,
    ) -> Result<Self, ImageError> {
        let mut replay = Self::default();
        let mut batches = Batches::new(bytes);
        let mut is_ended = false;
        while let Some(batch) = batches.next() {
            let batch = batch?;
            let position = batches.consumed() - batch.header.size;
            let read = replay.batch(&batch, i64::MIN, i64::MAX);
            read.map_err(|error| error.at(position))?;
            is_ended =
                batch.header.is_control() && batch.control_type()? == ControlType::Other(FOOTER);
        }
        // one that was copied half may end between two batches
        if batches.consumed() < bytes.len() || !is_ended {
            return Err(ImageError::Cut {
                position: batches.consumed(),
                length: bytes.len(),
            });
        }
        replay.image.end_offset = end_offset;
        replay.last_epoch = epoch;
        Ok(replay)
    }

    /// Applies the whole batches at the front of `bytes`, but for what lies before the end so far or at `below` and
    /// beyond; gives how many bytes were read.
    pub(crate) fn log(&mut self, bytes: &[u8], below: i64) -> Result<usize, ImageError> {
        let mut batches = Batches::new(bytes);
        let mut follows = None;
        while let Some(batch) = batches.next() {
            let batch = batch?;
            let position = batches.consumed() - batch.header.size;
            let (first, next) = (batch.header.base_offset, batch.header.next_offset());
            // no compaction: one batch begins where the one before it ends
            let expected = follows.replace(next).unwrap_or(first);
            if first != expected {
                return Err(ImageError::Hole {
                    from: expected,
                    to: first,
                });
            }
            if first >= below {
                break;
            }
            let from = self.next_offset();
            if first > from {
                return Err(ImageError::Hole { from, to: first });
            }
            let read = self.batch(&batch, from, below);
            read.map_err(|error| error.at(position))?;
            self.image.end_offset = next.min(below).max(from);
            self.last_epoch = batch.header.leader_epoch;
        }
        Ok(batches.consumed())
    }

    fn batch(&mut self, batch: &Batch<'_>, from: i64, below: i64) -> Result<(), ImageError> {
        batch.check_crc()?;
        // who leads, and who may vote: nothing that a backup is about
        if batch.header.is_control() {
            return Ok(());
        }
        let mut decompressor = Decompressor::new(LARGEST_BATCH);
        let plain = decompressor.records_section(batch)?;
        for record in records(&batch.header, plain) {
            let record = record?;
            if record.offset < from || record.offset >= below {
                continue;
            }
            let Some(value) = record.value else {
                continue;
            };
            let decoded = MetadataRecord::decode_if(value, is_read);
            let decoded = decoded.map_err(|source| ImageError::Record {
                offset: record.offset,
                source,
            })?;
            if let Some(decoded) = decoded {
                self.record(decoded);
            }
        }
        Ok(())
    }

    fn record(&mut self, record: MetadataRecord) {
        match record {
            // one that was never ended is aborted by the next
            MetadataRecord::BeginTransaction => self.open = Some(Vec::new()),
            MetadataRecord::AbortTransaction => self.open = None,
            MetadataRecord::EndTransaction => {
                for record in self.open.take().into_iter().flatten() {
                    self.image.apply(record);
                }
            }
            record => match &mut self.open {
                Some(open) => open.push(record),
                None => self.image.apply(record),
            },
        }
    }

    /// The next offset that is wanted.
    pub(crate) fn next_offset(&self) -> i64 {
        self.image.end_offset
    }

    /// The epoch of what was read last.
    pub(crate) fn last_epoch(&self) -> i32 {
        self.last_epoch
    }

    /// The image. A transaction that is still open never was.
    pub(crate) fn finish(self) -> Image {
        self.image
    }
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The controllers do not give it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// It can't be read from the disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A batch is not what a controller would write.
    #[error("metadata log: {0}")]
    Batch(#[from] BatchError),
    /// The inside of a batch is not.
    #[error("metadata log: {0}")]
    Records(#[from] RecordError),
    /// A record is not, or is newer than this program.
    #[error("metadata log, record at offset {offset}: {source}")]
    Record {
        /// Where it is.
        offset: i64,
        /// What is wrong with it.
        source: KafkaError,
    },
    /// A snapshot ends in the middle.
    #[error("metadata log or snapshot: cut off at byte {position} of {length}")]
    Cut {
        /// Where what is whole ends.
        position: usize,
        /// How many bytes there are.
        length: usize,
    },
    /// A part of this program failed.
    #[error("reading the metadata log stopped before its end")]
    Stopped,
    /// A batch does not begin where the one before it ends.
    #[error("metadata log: a batch begins at offset {to} where {from} comes next")]
    Hole {
        /// What comes next.
        from: i64,
        /// What is there.
        to: i64,
    },
}

impl ImageError {
    /// Of a batch that begins at `position`.
    fn at(self, position: usize) -> Self {
        match self {
            Self::Batch(error) => Self::Batch(BatchError { position, ..error }),
            other => other,
        }
    }

    /// Whether reading again may help.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Kafka(error) if passes(error))
    }
}

#[cfg(test)]
mod tests;
