//! A long-lived Java machine that runs the testkit's commands with Kafka's own clients.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, Write},
    ops::{Deref, DerefMut},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{home::KafkaHome, scratch::Scratch};

/// A Java machine that waits for commands (`tests/java/lifeboat/testkit/Main.java` lists them).
#[derive(Debug)]
pub struct Jvm {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    errors: File,
    // after the process
    _scratch: Scratch,
}

impl Jvm {
    /// Starts one, with the usual Kafka's clients.
    pub fn start() -> Result<Self> {
        let home = KafkaHome::get()?;
        let errors = tempfile::tempfile()?;
        let scratch = Scratch::new("java")?;
        let mut process = home
            .java(scratch.path())?
            .arg("-Xmx512m")
            // one that waits in the pool is not dropped: it clears up itself
            .arg(format!("-Dlifeboat.scratch={}", scratch.path().display()))
            .arg("lifeboat.testkit.Main")
            // it ends with its input, and so with us
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone()?)
            .spawn()
            .context("can't run java: is a JDK (17 or newer) installed?")?;
        let commands = process.stdin.take().context("no input")?;
        let answers = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Self {
            process,
            commands,
            answers,
            errors,
            _scratch: scratch,
        })
    }

    /// One that waits in this process's pool, or a new one.
    pub fn borrow() -> Result<BorrowedJvm> {
        let idle = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(BorrowedJvm(Some(idle.map_or_else(Self::start, Ok)?)))
    }

    /// Runs one command.
    pub fn call<T: DeserializeOwned>(
        &mut self,
        command: &str,
        request: &impl Serialize,
    ) -> Result<T> {
        #[derive(Serialize)]
        struct Call<'a, R> {
            command: &'a str,
            request: &'a R,
        }
        #[derive(Deserialize)]
        struct Reply<T> {
            answer: Option<T>,
            trace: Option<String>,
        }
        let mut line = serde_json::to_string(&Call { command, request })?;
        line.push('\n');
        if let Err(error) = self
            .commands
            .write_all(line.as_bytes())
            .and_then(|()| self.commands.flush())
        {
            return Err(self.gone(command, &error.to_string()));
        }
        let mut reply = String::new();
        self.answers.read_line(&mut reply)?;
        if reply.is_empty() {
            return Err(self.gone(command, "it ended"));
        }
        let reply: Reply<T> = serde_json::from_str(&reply)
            .with_context(|| format!("an unexpected answer to {command}: {}", shorten(&reply)))?;
        match reply {
            Reply {
                answer: Some(answer),
                ..
            } => Ok(answer),
            Reply { trace, .. } => bail!("{command}: {}", trace.unwrap_or_default()),
        }
    }

    fn gone(&mut self, command: &str, why: &str) -> anyhow::Error {
        let mut said = String::new();
        drop(self.errors.rewind());
        drop(self.errors.read_to_string(&mut said));
        anyhow!("the Java machine did not answer {command}: {why}\n{said}")
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

static POOL: Mutex<Vec<Jvm>> = Mutex::new(Vec::new());

/// A machine of the pool; it goes back there when it is dropped.
#[derive(Debug)]
pub struct BorrowedJvm(Option<Jvm>);

impl Deref for BorrowedJvm {
    type Target = Jvm;

    fn deref(&self) -> &Jvm {
        self.0.as_ref().expect("there until dropped")
    }
}

impl DerefMut for BorrowedJvm {
    fn deref_mut(&mut self) -> &mut Jvm {
        self.0.as_mut().expect("there until dropped")
    }
}

impl Drop for BorrowedJvm {
    fn drop(&mut self) {
        if let Some(mut machine) = self.0.take()
            && matches!(machine.process.try_wait(), Ok(None))
        {
            POOL.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(machine);
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(400).collect()
}
