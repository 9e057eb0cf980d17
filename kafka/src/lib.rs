//! Everything that talks to a Kafka cluster: [`wire`] in its own protocol, raw batches and admin APIs; [`records`] through
//! librdkafka, record by record.

pub mod capture;
pub mod error;
pub mod image;
mod pace;
pub mod reader;
pub mod records;
pub mod rights;
pub mod wire;

pub use error::{ErrorCode, KafkaError};
pub use pace::Pace;
