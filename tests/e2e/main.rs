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
mod incremental;
mod lifeboat;
mod moving;
mod program;
mod quota;
mod readable;
mod rights;
mod roundtrip;
mod screens;
mod secured;
mod security;
mod stores;
mod testkit;
mod users;
mod versions;
