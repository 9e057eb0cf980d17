//! The built program `lifeboat`, run as a user runs it.

use std::{
    env,
    ffi::OsString,
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use nix::{sys::signal::kill, unistd::Pid};

mod terminal;

pub use nix::sys::signal::Signal;
pub use terminal::Terminal;

/// A run that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(600);

/// The program; built once where that was not done yet.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Run {
    /// The exit code; absent where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// The most memory that it held, in bytes (VmHWM).
    pub peak_memory: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Run {
    /// Itself, if it ended with this exit code; else an error that shows what it said.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        bail!(
            "lifeboat ended with code {:?}, signal {:?}; wanted code {code}\nstdout:\n{}\nstderr:\n{}",
            self.code,
            self.signal,
            self.stdout,
            self.stderr
        )
    }

    /// Standard output as the JSON document that `--json` prints.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("not one JSON document: {}", self.stdout))
    }
}

impl Program {
    /// The program of this build: the one beside the running test, built now if need be (in the test's own profile), or
    /// the one that `LIFEBOAT_PROGRAM` names.
    pub fn built() -> Result<Self> {
        static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let path = PATH
            .get_or_init(|| match env::var_os("LIFEBOAT_PROGRAM") {
                Some(path) => Ok(path.into()),
                None => build().map_err(|error| format!("{error:#}")),
            })
            .clone()
            .map_err(|error| anyhow!(error))?;
        Ok(Self::at(path))
    }

    /// Another program.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            environment: Vec::new(),
            directory: None,
        }
    }

    /// With one more environment variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// In this working directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Runs it to its end.
    pub fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Run> {
        self.spawn(arguments)?.wait()
    }

    /// Runs it to its end on this process's own screen; its exit code.
    pub fn perform<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Option<i32>> {
        let mut command = Command::new(&self.path);
        self.set_up(&mut command, arguments);
        let status = command.stdin(Stdio::null()).status();
        Ok(status
            .with_context(|| self.path.display().to_string())?
            .code())
    }

    /// Starts it.
    pub fn spawn<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Running> {
        let mut command = Command::new(&self.path);
        self.set_up(&mut command, arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.path.display().to_string())?;
        let stdout = Collected::of(child.stdout.take().context("no stdout")?);
        let stderr = Collected::of(child.stderr.take().context("no stderr")?);
        Ok(Running {
            watched: Watched::new(child),
            stdout,
            stderr,
        })
    }

    /// Starts it on a terminal of its own.
    pub fn spawn_on_terminal<S: AsRef<str>>(
        &self,
        arguments: &[S],
        columns: u16,
        rows: u16,
    ) -> Result<Terminal> {
        // makes the terminal the controlling one, so that a typed Ctrl-C is a signal
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(&self.path);
        self.set_up(&mut command, arguments);
        Terminal::start(command, columns, rows)
    }

    fn set_up<S: AsRef<str>>(&self, command: &mut Command, arguments: &[S]) {
        command.args(arguments.iter().map(AsRef::as_ref));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
    }
}

/// A program that runs; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    watched: Watched,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    /// Sends it a signal; nothing happens where it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.watched.signal(signal)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.watched.status().is_some()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for its end.
    pub fn wait(self) -> Result<Run> {
        let status = self.watched.wait();
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        let Some(status) = status else {
            bail!("lifeboat did not end within {DEADLINE:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        };
        Ok(self.watched.run(status, stdout, stderr))
    }
}

/// A child whose memory is watched, for the kernel forgets it with the process.
#[derive(Debug)]
pub(crate) struct Watched {
    state: Arc<Mutex<State>>,
    started: Instant,
}

#[derive(Debug)]
struct State {
    child: Child,
    ended: Option<(ExitStatus, Duration)>,
    peak_memory: u64,
}

impl Watched {
    pub(crate) fn new(child: Child) -> Self {
        let started = Instant::now();
        let state = Arc::new(Mutex::new(State {
            child,
            ended: None,
            peak_memory: 0,
        }));
        let watched = Arc::clone(&state);
        thread::spawn(move || {
            while !lock(&watched).look(started) {
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self { state, started }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let state = lock(&self.state);
        // while it is not waited for, nobody else can have its number
        if state.ended.is_none() {
            kill(Pid::from_raw(i32::try_from(state.child.id())?), signal)?;
        }
        Ok(())
    }

    pub(crate) fn status(&self) -> Option<ExitStatus> {
        lock(&self.state).ended.map(|(status, _)| status)
    }

    /// `None`: it did not end in time, and was killed.
    pub(crate) fn wait(&self) -> Option<ExitStatus> {
        while self.started.elapsed() < DEADLINE {
            if let Some(status) = self.status() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        drop(self.signal(Signal::SIGKILL));
        None
    }

    pub(crate) fn run(&self, status: ExitStatus, stdout: String, stderr: String) -> Run {
        let state = lock(&self.state);
        Run {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
            peak_memory: state.peak_memory,
            elapsed: state
                .ended
                .map_or_else(|| self.started.elapsed(), |(_, elapsed)| elapsed),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.signal(Signal::SIGKILL));
    }
}

impl State {
    /// Whether it has ended.
    fn look(&mut self, started: Instant) -> bool {
        if let Some(peak) = peak_memory(self.child.id()) {
            self.peak_memory = self.peak_memory.max(peak);
        }
        if self.ended.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.ended = Some((status, started.elapsed()));
        }
        self.ended.is_some()
    }
}

fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is read from a pipe, by a thread.
#[derive(Debug)]
pub(crate) struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Collected {
    pub(crate) fn of(mut source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            // a terminal whose program has ended is an error, not an end
            while let Ok(count) = source.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                lock(&sink).extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, reader }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }

    /// Whether nothing more will come.
    pub(crate) fn is_whole(&self) -> bool {
        self.reader.is_finished()
    }

    pub(crate) fn finish(self) -> String {
        drop(self.reader.join());
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }
}

/// Builds the program in the profile and target directory of the running test.
fn build() -> Result<PathBuf> {
    let test = env::current_exe()?;
    // target/<profile>/deps/test or target/<profile>/examples/demo
    let profile_directory = test
        .parent()
        .and_then(Path::parent)
        .context("an unusual target directory")?;
    let profile = match profile_directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(profile) => profile,
        None => bail!(
            "an unusual target directory: {}",
            profile_directory.display()
        ),
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--package",
            "lifeboat",
            "--profile",
            profile,
            "--target-dir",
        ])
        .arg(
            profile_directory
                .parent()
                .context("an unusual target directory")?,
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    // what cargo said about the test's own package is not for this build
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().context("can't run cargo")?;
    if !status.success() {
        bail!("can't build lifeboat");
    }
    Ok(profile_directory.join("lifeboat"))
}
