//! End to end, against real Kafka: one module for each promise.

#![expect(clippy::unwrap_used, reason = "tests: what fails here should panic")]

mod chaos;
mod cluster_documents;
mod cluster_restore;
mod copy;
mod crash;
mod damage;
mod docs;
mod encryption;
mod faults;
mod groups;
mod incremental;
mod into;
mod lifeboat;
mod moving;
mod offset_map;
mod old_formats;
mod program;
mod prove;
mod quota;
mod readable;
mod repack;
mod repartition;
mod resume;
mod rights;
mod roundtrip;
mod salvage;
mod screens;
mod secured;
mod security;
mod selection;
mod stores;
mod testkit;
mod tiered;
mod users;
mod versions;
