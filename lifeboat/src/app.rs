//! From the command line to the exit code.

use std::{ffi::OsString, io, process::ExitCode, thread};

use clap::{Parser, error::ErrorKind};
use indicatif::MultiProgress;

use crate::{
    answer::{self, Answer},
    exit::Exit,
    failure::Failure,
    flags::Cli,
    interrupt::Interrupt,
    session::Session,
    verbs,
};

/// Blocking work is file and compression work: more threads than this only wait for the same disk and the same cores.
const BLOCKING_THREADS: usize = 32;

/// Runs the program.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refused(&error, wants_json),
    };
    let json = cli.global.json;
    let (result, exit) = match runtime() {
        Ok(runtime) => {
            let done = runtime.block_on(run_verb(cli));
            // what still blocks in there (a file system that hangs) must not keep the program from ending
            runtime.shutdown_background();
            done
        }
        Err(error) => {
            let failure = Failure::new(Exit::Error, "can't start").because(&error);
            (Err(failure), Exit::Error)
        }
    };
    match result {
        Ok(answer) => answer.print(),
        Err(failure) => failure.print(json, exit),
    }
    exit.into()
}

async fn run_verb(cli: Cli) -> (Result<Answer, Failure>, Exit) {
    let bars = MultiProgress::new();
    let interrupt = Interrupt::listen(bars.clone());
    let session = match Session::new(cli.global, interrupt.clone(), bars) {
        Ok(session) => session,
        Err(failure) => {
            let exit = failure.exit;
            return (Err(failure), exit);
        }
    };
    let result = Box::pin(verbs::run(cli.verb, &session)).await;
    session.progress.finish().await;
    let exit = match &result {
        Ok(answer) => answer.exit(),
        // which signal it was decides between 130 and 143
        Err(failure) if failure.exit == Exit::Interrupted => interrupt.exit(),
        Err(failure) => failure.exit,
    };
    (result, exit)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(thread::available_parallelism().map_or(2, usize::from))
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
}

/// `--help` and `--version` come as errors too.
fn refused(error: &clap::Error, wants_json: bool) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            answer::write_stdout(error.render().to_string().as_bytes());
            Exit::Ok.into()
        }
        _ if wants_json => {
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            let message = line.strip_prefix("error: ").unwrap_or(line);
            let hint = "see `lifeboat --help`";
            Failure::new(Exit::Usage, message)
                .hint(hint)
                .print(true, Exit::Usage);
            Exit::Usage.into()
        }
        _ => {
            // a closed stderr leaves nobody to tell
            error.print().ok();
            Exit::Usage.into()
        }
    }
}
