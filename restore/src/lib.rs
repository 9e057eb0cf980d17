//! Gives a cluster back from a snapshot, and verifies snapshots.

mod apply;
pub mod bootstrap;
mod compare;
mod content;
pub mod error;
pub mod finish;
pub mod groups;
pub mod into;
pub mod journal;
pub mod lease;
pub mod live;
pub mod names;
mod new_file;
mod object;
pub mod offset_map;
pub mod offsets;
pub mod parts;
pub mod plan;
mod proof;
pub mod rehearse;
pub mod repartition;
pub mod replay;
pub mod report;
pub mod restore;
pub mod rewrite;
pub mod salvage;
pub mod selection;
pub mod settings;
mod target;
#[cfg(test)]
mod testing;
mod topics;
pub mod translate;
pub mod users;
pub mod verify;
