//! Protects a cluster: takes snapshots of it.

pub mod backup;
