//! Everything that talks to a Kafka cluster: [`wire`] in its own protocol, raw batches and admin APIs.

pub mod capture;
pub mod error;
pub mod reader;
pub mod wire;

pub use error::{ErrorCode, KafkaError};
