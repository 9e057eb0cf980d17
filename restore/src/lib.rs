//! Gives a cluster back from a snapshot, and verifies snapshots.

pub mod offsets;
pub mod plan;
pub mod rewrite;
pub mod settings;
