//! End to end, against real Kafka: one module for each promise.

mod lifeboat;
mod program;
mod roundtrip;
mod testkit;
