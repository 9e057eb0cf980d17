//! Texts for people.

pub(crate) mod backup;
pub(crate) mod bootstrap;
mod changes;
pub(crate) mod check;
pub(crate) mod copy;
pub(crate) mod diff;
mod numbers;
mod paint;
pub(crate) mod restore;
mod safe;
pub(crate) mod snapshot;
pub(crate) mod snapshots;
mod table;
pub(crate) mod users;
pub(crate) mod verify;

pub(crate) use changes::change_lines;
pub(crate) use numbers::{age, ago, grouped, plural};
pub(crate) use paint::Paint;
pub(crate) use safe::safe;
pub(crate) use table::Table;
