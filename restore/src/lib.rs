//! Gives a cluster back from a snapshot, and verifies snapshots.

mod apply;
pub mod bootstrap;
mod compare;
mod content;
pub mod error;
pub mod groups;
pub mod journal;
mod new_file;
mod object;
pub mod offsets;
pub mod parts;
pub mod plan;
pub mod replay;
pub mod report;
pub mod restore;
pub mod rewrite;
pub mod settings;
mod target;
#[cfg(test)]
mod testing;
mod topics;
pub mod users;
pub mod verify;
