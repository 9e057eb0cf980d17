//! Gives a cluster back from a snapshot, and verifies snapshots.

pub mod offsets;
pub mod settings;
