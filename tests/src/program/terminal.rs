//! The program on a terminal (a pseudo-terminal), as a person sees it.

use std::{
    fs::File,
    io::Write,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use nix::pty::{Winsize, openpty};

use super::{Collected, Run, Signal, Watched};

/// A program that runs on a terminal; it is killed when this is dropped.
#[derive(Debug)]
pub struct Terminal {
    watched: Watched,
    keyboard: File,
    screen: Collected,
}

impl Terminal {
    pub(super) fn start(mut command: Command, columns: u16, rows: u16) -> Result<Self> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let terminal = openpty(Some(&size), None).context("no pseudo-terminal")?;
        let child = command
            .stdin(terminal.slave.try_clone()?)
            .stdout(terminal.slave.try_clone()?)
            .stderr(terminal.slave)
            .env("TERM", "xterm-256color")
            .spawn()
            .context("can't run setsid (util-linux)")?;
        // it holds our side of the terminal, which would never end
        drop(command);
        let keyboard = File::from(terminal.master);
        let screen = Collected::of(keyboard.try_clone()?);
        Ok(Self {
            watched: Watched::new(child),
            keyboard,
            screen,
        })
    }

    /// Types; `"\u{3}"` is Ctrl-C.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        Ok(self.keyboard.write_all(text.as_bytes())?)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.watched.signal(signal)
    }

    /// Everything that was written to the terminal so far, control sequences included.
    pub fn screen(&self) -> String {
        self.screen.text()
    }

    /// Waits until something was written.
    pub fn wait_for(&self, text: &str, at_most: Duration) -> Result<()> {
        let deadline = Instant::now() + at_most;
        loop {
            // asked first: what a program wrote last may be read after its end
            let whole = self.screen.is_whole();
            let screen = self.screen();
            if screen.contains(text) {
                return Ok(());
            }
            if whole || Instant::now() > deadline {
                bail!("{text:?} did not appear:\n{screen}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end; standard output is all that was on the terminal.
    pub fn wait(self) -> Result<Run> {
        let Some(status) = self.watched.wait() else {
            bail!("lifeboat did not end:\n{}", self.screen());
        };
        Ok(self
            .watched
            .run(status, self.screen.finish(), String::new()))
    }
}
