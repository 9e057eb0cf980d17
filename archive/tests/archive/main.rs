//! The archive format, proven from outside.

#![expect(
    clippy::unwrap_used,
    clippy::let_underscore_must_use,
    clippy::print_stdout,
    reason = "tests: what fails here should panic, and seeds are printed"
)]

mod damage;
mod documents;
mod golden;
mod properties;
mod samples;
mod stock_tools;
mod written;
