//! The bytes of a Lifeboat repository: record batches, segments, tarballs, manifests and documents.
//!
//! Nothing in here knows a network, a broker or an object store. What follows is the specification, `FORMAT.md`.
//!
#![doc = include_str!("../FORMAT.md")]

pub mod batch;
pub mod digest;
pub mod documents;
mod frames;
pub mod index;
pub mod json;
pub mod lists;
pub mod manifest;
pub mod print;
pub mod records;
pub mod results;
pub mod seal;
pub mod segment;
pub mod tarball;
pub mod transactions;
pub mod unfinished;
mod varint;
pub mod words;

// the samples of the integration tests serve the unit tests too, and name the crate from outside
#[cfg(test)]
extern crate self as lifeboat_archive;
#[cfg(test)]
#[path = "../tests/archive/samples.rs"]
mod samples;
