//! What a verb has to say: a text for people or one JSON document, and the exit code.

use std::io::{self, Write};

use lifeboat_archive::json::{self, Document};

use crate::{exit::Exit, session::Session};

/// The result of a verb, ready to be printed.
#[derive(Debug)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    exit: Exit,
}

impl Answer {
    /// `document` where JSON is wanted, else `text`.
    pub(crate) fn new<T: Document>(
        session: &Session,
        exit: Exit,
        document: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Self {
        let bytes = if session.json {
            json::to_vec_pretty(document)
        } else {
            text(document).into_bytes()
        };
        Self { bytes, exit }
    }

    /// With some lines before it, for people.
    pub(crate) fn headed(mut self, session: &Session, lines: &str) -> Self {
        if !session.json {
            self.bytes.splice(0..0, lines.bytes());
        }
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Writes it to stdout.
    pub(crate) fn print(&self) {
        write_stdout(&self.bytes);
    }
}

/// Writes to stdout; a reader that has gone away (`| head`) is not an error.
pub(crate) fn write_stdout(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        tracing::error!(%error, "can't write the result to stdout");
    }
}

/// Writes to stderr, where nobody listens any more if that fails.
pub(crate) fn write_stderr(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}
