//! Texts for people.

pub(crate) mod backup;
pub(crate) mod bootstrap;
mod changes;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod finish;
mod numbers;
pub(crate) mod offsets;
mod paint;
pub(crate) mod rehearse;
pub(crate) mod restore;
pub(crate) mod results;
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
