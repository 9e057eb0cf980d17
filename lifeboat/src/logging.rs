//! Logs, on stderr, without tearing the progress bars apart.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing_subscriber::{EnvFilter, fmt, fmt::MakeWriter};

use crate::{failure::Failure, flags::GlobalFlags, render::Paint};

/// Begins logging as the flags say: warnings and errors only, unless more is asked for.
pub(crate) fn begin(flags: &GlobalFlags, bars: &MultiProgress) -> Result<(), Failure> {
    let level = match (&flags.log_level, flags.verbose) {
        (Some(directives), _) => directives.as_str(),
        (None, 0) => "warn",
        (None, 1) => "info",
        // libraries' debugging drowns ours
        (None, 2) => {
            "warn,lifeboat=debug,lifeboat_agent=debug,lifeboat_archive=debug,lifeboat_config=debug,\
                      lifeboat_kafka=debug,lifeboat_repository=debug,lifeboat_restore=debug"
        }
        (None, _) => "trace",
    };
    let filter = EnvFilter::try_new(level)
        .map_err(|error| Failure::usage(format!("--log-level {level}")).because(&error))?;
    let terminal = io::stderr().is_terminal();
    let builder = fmt::Subscriber::builder()
        .with_env_filter(filter)
        .with_ansi(Paint::for_stream(terminal).is_on())
        .with_target(false)
        .with_writer(Writer(bars.clone()));
    let begun = if terminal {
        tracing::subscriber::set_global_default(builder.without_time().finish())
    } else {
        tracing::subscriber::set_global_default(builder.finish())
    };
    begun.map_err(|error| Failure::usage("can't begin logging").because(&error))
}

/// Takes the bars away while a line is written.
#[derive(Clone)]
struct Writer(MultiProgress);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
