//! End to end, against real Kafka: one module for each promise.

mod program;
mod testkit;
