//! Records of the metadata log: those that make users, rights, quotas and settings. Every other one is kept as bytes.

use bytes::{BufMut, Bytes};
use lifeboat_archive::documents::{
    AclBinding, AclOperation, PatternType, PermissionType, QuotaEntity, ResourceType, SecretBytes,
    SecretText,
};

use crate::{error::KafkaError, wire::answer::Answer};

/// The version of what frames a record.
const FRAME: u32 = 1;
/// The newest version that is known of each record: all are the first.
const KNOWN: u32 = 0;

pub(super) const CONFIG: u32 = 4;
pub(super) const USER_SCRAM_CREDENTIAL: u32 = 11;
const FEATURE_LEVEL: u32 = 12;
const CLIENT_QUOTA: u32 = 14;
const ACCESS_CONTROL_ENTRY: u32 = 18;
const REMOVE_ACCESS_CONTROL_ENTRY: u32 = 19;
pub(super) const REMOVE_USER_SCRAM_CREDENTIAL: u32 = 22;
pub(super) const BEGIN_TRANSACTION: u32 = 23;
pub(super) const END_TRANSACTION: u32 = 24;
pub(super) const ABORT_TRANSACTION: u32 = 25;

/// A record of the metadata log.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataRecord {
    /// A dynamic setting gets a value, or none any more.
    Config {
        /// 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type: i8,
        /// Whose; of brokers, empty is of all of them.
        resource: String,
        /// The setting.
        name: String,
        /// Its value. Passwords stand here as they are.
        value: Option<SecretText>,
    },
    /// A user gets a credential.
    UserScramCredential {
        /// Whose.
        user: String,
        /// Kafka's number: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8,
        /// What the password is salted with.
        salt: SecretBytes,
        /// What a client's proof is checked with.
        stored_key: SecretBytes,
        /// What a broker proves itself with.
        server_key: SecretBytes,
        /// Rounds of hashing.
        iterations: i32,
    },
    /// A user loses a credential.
    RemoveUserScramCredential {
        /// Whose.
        user: String,
        /// Kafka's number.
        mechanism: i8,
    },
    /// A quota is set or removed.
    ClientQuota {
        /// Whose.
        entity: QuotaEntity,
        /// Of what.
        key: String,
        /// How much.
        value: f64,
        /// Whether it is removed.
        remove: bool,
    },
    /// A feature gets a level; 0 is none any more.
    FeatureLevel {
        /// Its name.
        name: String,
        /// Its level.
        level: i16,
    },
    /// An ACL is added.
    AccessControlEntry {
        /// Its id.
        id: [u8; 16],
        /// What it says.
        binding: AclBinding,
    },
    /// An ACL is removed.
    RemoveAccessControlEntry {
        /// Its id.
        id: [u8; 16],
    },
    /// What follows counts only when it is ended.
    BeginTransaction,
    /// What came since its beginning counts.
    EndTransaction,
    /// What came since its beginning never was.
    AbortTransaction,
    /// Any other.
    Other {
        /// Its kind.
        key: u32,
        /// Its version.
        version: u32,
        /// What it says.
        body: Bytes,
    },
}

/// What kind of record it is, in which version, and what it says.
fn unframed(value: &[u8]) -> Result<(u32, u32, Bytes), KafkaError> {
    let mut frame = Answer::new("metadata record", Bytes::copy_from_slice(value));
    let framed = frame.unsigned_varint()?;
    if framed != FRAME {
        return Err(frame.wrong(&format!("frame version {framed} where {FRAME} is known")));
    }
    let key = frame.unsigned_varint()?;
    let version = frame.unsigned_varint()?;
    Ok((key, version, frame.rest()))
}

impl MetadataRecord {
    /// Reads the value of a record.
    pub fn decode(value: &[u8]) -> Result<Self, KafkaError> {
        let (key, version, body) = unframed(value)?;
        Self::decode_body(key, version, body)
    }

    /// Reads the value of a record if it is of a kind that is wanted.
    pub(super) fn decode_if(
        value: &[u8],
        wanted: fn(u32) -> bool,
    ) -> Result<Option<Self>, KafkaError> {
        let (key, version, body) = unframed(value)?;
        let read = wanted(key).then(|| Self::decode_body(key, version, body));
        read.transpose()
    }

    fn decode_body(key: u32, version: u32, body: Bytes) -> Result<Self, KafkaError> {
        let Some(name) = name_of(key) else {
            return Ok(Self::Other { key, version, body });
        };
        let mut body = Answer::new(name, body);
        if version > KNOWN {
            return Err(body.wrong(&format!(
                "version {version}, which is newer than this program knows,"
            )));
        }
        let record = Self::read(key, &mut body)?;
        body.skip_tagged_fields()?;
        if body.left() > 0 {
            return Err(body.wrong(&format!("{} bytes too many", body.left())));
        }
        Ok(record)
    }

    fn read(key: u32, body: &mut Answer) -> Result<Self, KafkaError> {
        Ok(match key {
            CONFIG => Self::Config {
                resource_type: body.i8()?,
                resource: body.text()?,
                name: body.text()?,
                value: body.nullable_text()?.map(|text| SecretText::new(&text)),
            },
            USER_SCRAM_CREDENTIAL => Self::UserScramCredential {
                user: body.text()?,
                mechanism: body.i8()?,
                salt: SecretBytes::new(&body.compact_bytes()?),
                stored_key: SecretBytes::new(&body.compact_bytes()?),
                server_key: SecretBytes::new(&body.compact_bytes()?),
                iterations: body.i32()?,
            },
            REMOVE_USER_SCRAM_CREDENTIAL => Self::RemoveUserScramCredential {
                user: body.text()?,
                mechanism: body.i8()?,
            },
            CLIENT_QUOTA => Self::ClientQuota {
                entity: read_entity(body)?,
                key: body.text()?,
                value: body.f64()?,
                remove: body.i8()? != 0,
            },
            FEATURE_LEVEL => Self::FeatureLevel {
                name: body.text()?,
                level: body.i16()?,
            },
            ACCESS_CONTROL_ENTRY => Self::AccessControlEntry {
                id: body.uuid()?,
                binding: read_binding(body)?,
            },
            REMOVE_ACCESS_CONTROL_ENTRY => Self::RemoveAccessControlEntry { id: body.uuid()? },
            BEGIN_TRANSACTION => {
                // a name for people is among the tagged fields
                Self::BeginTransaction
            }
            END_TRANSACTION => Self::EndTransaction,
            _ => Self::AbortTransaction,
        })
    }

    /// The value of a record that says this.
    pub fn encode(&self) -> Vec<u8> {
        let (key, version) = self.kind();
        let mut out = Vec::new();
        for number in [FRAME, key, version] {
            put_unsigned_varint(&mut out, number);
        }
        if let Self::Other { body, .. } = self {
            out.extend_from_slice(body);
            return out;
        }
        self.put_fields(&mut out);
        // no tagged fields
        out.push(0);
        out
    }

    fn kind(&self) -> (u32, u32) {
        let key = match self {
            Self::Config { .. } => CONFIG,
            Self::UserScramCredential { .. } => USER_SCRAM_CREDENTIAL,
            Self::RemoveUserScramCredential { .. } => REMOVE_USER_SCRAM_CREDENTIAL,
            Self::ClientQuota { .. } => CLIENT_QUOTA,
            Self::FeatureLevel { .. } => FEATURE_LEVEL,
            Self::AccessControlEntry { .. } => ACCESS_CONTROL_ENTRY,
            Self::RemoveAccessControlEntry { .. } => REMOVE_ACCESS_CONTROL_ENTRY,
            Self::BeginTransaction => BEGIN_TRANSACTION,
            Self::EndTransaction => END_TRANSACTION,
            Self::AbortTransaction => ABORT_TRANSACTION,
            Self::Other { key, version, .. } => return (*key, *version),
        };
        (key, KNOWN)
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        match self {
            Self::Config {
                resource_type,
                resource,
                name,
                value,
            } => {
                out.put_i8(*resource_type);
                put_text(out, resource);
                put_text(out, name);
                put_nullable_text(out, value.as_ref().map(SecretText::expose));
            }
            Self::UserScramCredential {
                user,
                mechanism,
                salt,
                stored_key,
                server_key,
                iterations,
            } => {
                put_text(out, user);
                out.put_i8(*mechanism);
                for secret in [salt, stored_key, server_key] {
                    put_bytes(out, secret.expose());
                }
                out.put_i32(*iterations);
            }
            Self::RemoveUserScramCredential { user, mechanism } => {
                put_text(out, user);
                out.put_i8(*mechanism);
            }
            Self::ClientQuota {
                entity,
                key,
                value,
                remove,
            } => {
                put_count(out, entity.len());
                for (kind, name) in entity {
                    put_text(out, kind);
                    put_nullable_text(out, name.as_deref());
                    out.push(0);
                }
                put_text(out, key);
                out.put_f64(*value);
                out.put_u8(u8::from(*remove));
            }
            Self::FeatureLevel { name, level } => {
                put_text(out, name);
                out.put_i16(*level);
            }
            Self::AccessControlEntry { id, binding } => {
                out.extend_from_slice(id);
                put_binding(out, binding);
            }
            Self::RemoveAccessControlEntry { id } => out.extend_from_slice(id),
            Self::BeginTransaction
            | Self::EndTransaction
            | Self::AbortTransaction
            | Self::Other { .. } => {}
        }
    }
}

fn name_of(key: u32) -> Option<&'static str> {
    Some(match key {
        CONFIG => "ConfigRecord",
        USER_SCRAM_CREDENTIAL => "UserScramCredentialRecord",
        FEATURE_LEVEL => "FeatureLevelRecord",
        CLIENT_QUOTA => "ClientQuotaRecord",
        ACCESS_CONTROL_ENTRY => "AccessControlEntryRecord",
        REMOVE_ACCESS_CONTROL_ENTRY => "RemoveAccessControlEntryRecord",
        REMOVE_USER_SCRAM_CREDENTIAL => "RemoveUserScramCredentialRecord",
        BEGIN_TRANSACTION => "BeginTransactionRecord",
        END_TRANSACTION => "EndTransactionRecord",
        ABORT_TRANSACTION => "AbortTransactionRecord",
        _ => return None,
    })
}

fn read_entity(body: &mut Answer) -> Result<QuotaEntity, KafkaError> {
    let mut entity = QuotaEntity::new();
    for _ in 0..body.count(3)? {
        let kind = body.text()?;
        let name = body.nullable_text()?;
        body.skip_tagged_fields()?;
        entity.insert(kind, name);
    }
    Ok(entity)
}

fn read_binding(body: &mut Answer) -> Result<AclBinding, KafkaError> {
    Ok(AclBinding {
        resource_type: ResourceType(body.i8()?),
        resource_name: body.text()?,
        pattern_type: PatternType(body.i8()?),
        principal: body.text()?,
        host: body.text()?,
        operation: AclOperation(body.i8()?),
        permission: PermissionType(body.i8()?),
    })
}

fn put_binding(out: &mut Vec<u8>, binding: &AclBinding) {
    out.put_i8(binding.resource_type.0);
    put_text(out, &binding.resource_name);
    out.put_i8(binding.pattern_type.0);
    put_text(out, &binding.principal);
    put_text(out, &binding.host);
    out.put_i8(binding.operation.0);
    out.put_i8(binding.permission.0);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_nullable_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.push(0),
        Some(text) => put_text(out, text),
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    put_unsigned_varint(out, u32::try_from(count + 1).unwrap_or(u32::MAX));
}

fn put_unsigned_varint(out: &mut Vec<u8>, mut rest: u32) {
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] & 0x7f | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}
