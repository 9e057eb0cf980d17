//! `lifeboat`: backup and disaster recovery for Apache Kafka.
//!
//! Glue only: flags, settings, tables, JSON, progress and exit codes. The work is done in the libraries.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts for people are short"
)]

use std::process::ExitCode;

mod allocator;
mod answer;
mod app;
mod exit;
mod failure;
mod flags;
mod identities;
mod interrupt;
mod logging;
mod progress;
mod render;
mod session;
mod settings;
mod verbs;

fn main() -> ExitCode {
    // one provider of cryptography for everything that speaks TLS; it can't be there already
    drop(rustls::crypto::ring::default_provider().install_default());
    app::run(std::env::args_os().collect())
}
