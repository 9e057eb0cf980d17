//! Who works on a journal: a second process on the same one would write everything twice (rule 6).
//!
//! Sequence numbers do not stop it, because brokers forget the producers of old records. So there is a file beside the
//! journal: locked by who works, where the file system can do that, and renewed by it every ten seconds. Where a lock
//! proves nothing (another machine, a file system without), the file is watched for longer than its holder would go on
//! without renewing it. A holder that finds its lease old, after its machine slept or its disk hung, stops by itself.
//!
//! The file stays when all is done, and says so: a lock on a name that is gone would keep nobody out.
//!
//! What remains: two machines that share the folder through a file system with locks of its own on each, and that takes
//! longer than two seconds to show what the other one has written.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lifeboat_archive::{
    json::{self, Document},
    words::{Clock, Timestamp},
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Who has not renewed it for so long stops.
const STALE_AFTER: Duration = Duration::from_secs(30);
/// Who can't know whether the holder lives looks on for so long, and for as long as a request may be under way.
const WATCH: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Two may take it at once where locks are told to nobody else, as on some network file systems: the later one of them
/// wins, and both have seen it after this.
const SETTLES_IN: Duration = Duration::from_secs(2);
/// The file never has another size, so that it is written over in one piece.
const FILE_BYTES: usize = 1024;
/// So long the end of the program waits for a disk that may hang.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// Who holds a lease, as its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The name of its machine, for people.
    pub host: String,
    /// Its kernel's boot: two machines may have one name, and a lock tells only of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Its process.
    pub pid: u32,
    /// Drawn at random for each time that a lease is taken.
    pub id: String,
    /// How often it was renewed.
    pub counter: u64,
    /// When that was, by its own clock.
    pub renewed_at: Timestamp,
    /// Whether it is held no more.
    #[serde(default)]
    pub released: bool,
}

impl Document for Holder {
    const FORMAT: &'static str = "lifeboat.restore-lease";
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "process {} on {}, last heard of at {}",
            self.pid, self.host, self.renewed_at
        )
    }
}

impl Holder {
    fn this_process(now: Timestamp) -> Self {
        Self {
            host: host(),
            boot: boot(),
            pid: std::process::id(),
            id: format!("{:016x}", rand::random::<u64>()),
            counter: 0,
            renewed_at: now,
            released: false,
        }
    }
}

fn host() -> String {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "an unknown host".to_owned())
}

fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Why a lease can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else works on the journal.
    #[error("somebody else works on {}: {}", journal.display(), told(holder.as_deref()))]
    Held {
        /// The journal.
        journal: PathBuf,
        /// Who, where the file says it.
        holder: Option<Box<Holder>>,
    },
    /// The file system failed.
    #[error("can't {operation} the restore's lease {}", path.display())]
    File {
        /// What was being done.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
}

fn told(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "its lock is held".to_owned(), ToString::to_string)
}

/// Why a lease that was held is not any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLost {
    /// The machine slept, or the disk hung.
    #[error("its lease was not renewed for {} s: the machine slept, or its disk hung", after.as_secs())]
    Stale {
        /// For how long.
        after: Duration,
    },
    /// Another process has it.
    #[error("another process has taken it over: {0}")]
    TakenOver(Box<Holder>),
    /// The file is not there any more, or not to be understood.
    #[error("its lease is gone: somebody has removed or overwritten {}", .0.display())]
    Gone(PathBuf),
}

/// What an attempt to lock the file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Ours,
    Others,
    /// This file system does not lock.
    Unsupported,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Holder(Holder),
    Unreadable,
}

/// What follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Take,
    Refuse,
    Watch,
}

/// A lock that is ours proves that a holder under this very kernel is dead; of any other one it proves nothing.
fn verdict(lock: Lock, found: &Found, boot: Option<&str>) -> Verdict {
    match (lock, found) {
        (Lock::Others, _) => Verdict::Refuse,
        (_, Found::Nothing) => Verdict::Take,
        (_, Found::Holder(holder)) if holder.released => Verdict::Take,
        (Lock::Ours, Found::Holder(holder)) if boot.is_some() && holder.boot.as_deref() == boot => {
            Verdict::Take
        }
        _ => Verdict::Watch,
    }
}

/// Whether somebody else may be taking it at this moment, lock or not. A new journal is nobody else's: only who lists the
/// folder at that very moment could want it.
fn settles(lock: Lock, before: &Found) -> bool {
    lock == Lock::Unsupported || *before != Found::Nothing
}

/// A point in time, by both clocks: one stands still while the machine sleeps, the other one may be set.
#[derive(Clone, Copy, Debug)]
struct Moment {
    instant: Instant,
    wall: Timestamp,
}

impl Moment {
    /// How long ago it was, by the clock that says the longer time.
    fn age(self, now: Self) -> Duration {
        let by_instant = now.instant.saturating_duration_since(self.instant);
        let by_wall = u64::try_from(now.wall.millis_since(self.wall)).unwrap_or(0);
        by_instant.max(Duration::from_millis(by_wall))
    }
}

/// What the holder and its work know of the lease.
#[derive(Debug)]
struct State {
    clock: Clock,
    renewed: Mutex<Moment>,
    lost: OnceLock<LeaseLost>,
    released: AtomicBool,
    /// Ends the work when the lease is lost.
    stop: CancellationToken,
}

impl State {
    fn now(&self) -> Moment {
        Moment {
            instant: Instant::now(),
            wall: self.clock.now(),
        }
    }

    fn lose(&self, why: LeaseLost) {
        tracing::warn!(%why, "the restore stops");
        self.lost.get_or_init(|| why);
        self.stop.cancel();
    }

    fn holds(&self, now: Moment) -> bool {
        if self.lost.get().is_some() || self.released.load(Ordering::Acquire) {
            return false;
        }
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let after = renewed.age(now);
        if after > STALE_AFTER {
            self.lose(LeaseLost::Stale { after });
            return false;
        }
        true
    }
}

/// Asked before everything that is sent. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct LeaseGuard(Arc<State>);

impl LeaseGuard {
    /// Whether the lease is held. Where it is not, the work is ended.
    pub(crate) fn holds(&self) -> bool {
        self.0.holds(self.0.now())
    }
}

/// A lease that is held. It is given back when this is dropped.
#[derive(Debug)]
pub struct Lease {
    state: Arc<State>,
    stop: Option<Sender<()>>,
    ended: Receiver<()>,
    renewals: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lease of `journal`. Where nobody can know whether the one who held it lives, that takes more than a
    /// minute. `stop` is cancelled when the lease is lost.
    pub async fn take(
        journal: &Path,
        request_timeout: Duration,
        clock: Clock,
        stop: CancellationToken,
    ) -> Result<Self, LeaseError> {
        let path = path_of(journal);
        let file = open(&path)?;
        let lock = lock(&file);
        let held = |found| LeaseError::Held {
            journal: journal.to_owned(),
            holder: match found {
                Found::Holder(holder) => Some(Box::new(holder)),
                _ => None,
            },
        };
        let found = read(&path)?;
        let settles = settles(lock, &found);
        match verdict(lock, &found, boot().as_deref()) {
            Verdict::Take => {}
            Verdict::Refuse => return Err(held(found)),
            Verdict::Watch => {
                tracing::warn!(lease = %path.display(), "waits whether its holder still lives");
                let watched = watch(&path, found, WATCH + request_timeout);
                let renewed = tokio::select! {
                    biased;
                    () = stop.cancelled() => return Err(LeaseError::Cancelled),
                    renewed = watched => renewed?,
                };
                if let Some(renewed) = renewed {
                    return Err(held(renewed));
                }
            }
        }
        let renewed = Moment {
            instant: Instant::now(),
            wall: clock.now(),
        };
        let holder = Holder::this_process(renewed.wall);
        write(&file, &holder).map_err(|source| failed("write", &path, source))?;
        if settles {
            tokio::time::sleep(SETTLES_IN).await;
            let now = read(&path)?;
            if !matches!(&now, Found::Holder(there) if there.id == holder.id) {
                return Err(held(now));
            }
        }
        let state = Arc::new(State {
            clock,
            renewed: Mutex::new(renewed),
            lost: OnceLock::new(),
            released: AtomicBool::new(false),
            stop,
        });
        Ok(Self::keep(path, file, holder, state))
    }

    /// On a thread of its own: whatever else there is to do must not delay it.
    fn keep(path: PathBuf, file: File, holder: Holder, state: Arc<State>) -> Self {
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        let mut keeper = Keeper {
            path,
            file,
            holder,
            state: Arc::clone(&state),
        };
        let renewals = thread::spawn(move || {
            keeper.run(&stopped);
            // nobody waits for it where the program is at its end
            drop(end);
        });
        Self {
            state,
            stop: Some(stop),
            ended,
            renewals: Some(renewals),
        }
    }

    /// Whether somebody works on `journal` right now, as far as that can be known at once; then that is the error.
    pub fn is_free(journal: &Path, clock: &Clock) -> Result<(), LeaseError> {
        let path = path_of(journal);
        let found = read(&path)?;
        if found == Found::Nothing {
            return Ok(());
        }
        let lock = lock(&open(&path)?);
        let held = match (verdict(lock, &found, boot().as_deref()), &found) {
            (Verdict::Refuse, _) => true,
            (Verdict::Watch, Found::Holder(holder)) => {
                let age = clock.now().millis_since(holder.renewed_at);
                u64::try_from(age).is_ok_and(|age| Duration::from_millis(age) < WATCH)
            }
            (Verdict::Take | Verdict::Watch, _) => false,
        };
        let holder = match found {
            Found::Holder(holder) => Some(Box::new(holder)),
            _ => None,
        };
        let journal = journal.to_owned();
        if held {
            return Err(LeaseError::Held { journal, holder });
        }
        Ok(())
    }

    pub(crate) fn guard(&self) -> LeaseGuard {
        LeaseGuard(Arc::clone(&self.state))
    }

    /// Why it is lost, if it is.
    pub fn lost(&self) -> Option<&LeaseLost> {
        self.state.lost.get()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // nothing is sent any more from here on
        self.state.released.store(true, Ordering::Release);
        drop(self.stop.take());
        let ended = self.ended.recv_timeout(RELEASE_WITHIN);
        if let (Some(renewals), Err(RecvTimeoutError::Disconnected)) = (self.renewals.take(), ended)
        {
            // it has ended, and has nothing to tell
            drop(renewals.join());
        }
    }
}

/// Renews a lease.
struct Keeper {
    path: PathBuf,
    file: File,
    holder: Holder,
    state: Arc<State>,
}

impl Keeper {
    fn run(&mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(RENEW_EVERY) == Err(RecvTimeoutError::Timeout) {
            if !self.keep_up() {
                return;
            }
        }
        self.holder.released = true;
        // who comes next waits, where this fails
        drop(self.renew());
    }

    /// Renews it, unless it is lost.
    ///
    /// First the look, then the renewal: a lease that grew old while the machine slept is no longer ours, and
    /// renewed by whoever wakes up first it would look as if nothing had been.
    fn keep_up(&mut self) -> bool {
        if !self.state.holds(self.state.now()) {
            return false;
        }
        if let Err(error) = self.renew() {
            tracing::warn!(%error, lease = %self.path.display(), "can't renew the lease");
        }
        self.state.holds(self.state.now())
    }

    /// Another one's lease is never written over.
    fn renew(&mut self) -> io::Result<()> {
        let now = self.state.now();
        match read_file(&self.path)? {
            Found::Holder(there) if there.id == self.holder.id => {}
            Found::Holder(other) => {
                self.state.lose(LeaseLost::TakenOver(Box::new(other)));
                return Ok(());
            }
            Found::Nothing | Found::Unreadable => {
                self.state.lose(LeaseLost::Gone(self.path.clone()));
                return Ok(());
            }
        }
        self.holder.counter += 1;
        self.holder.renewed_at = now.wall;
        write(&self.file, &self.holder)?;
        let mut renewed = self
            .state
            .renewed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *renewed = now;
        Ok(())
    }
}

/// The lease's file.
fn path_of(journal: &Path) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(".lease");
    path.into()
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> LeaseError {
    LeaseError::File {
        operation,
        path: path.to_owned(),
        source,
    }
}

fn open(path: &Path) -> Result<File, LeaseError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let opened = options.truncate(false).open(path);
    opened.map_err(|source| failed("open", path, source))
}

fn lock(file: &File) -> Lock {
    match file.try_lock() {
        Ok(()) => Lock::Ours,
        Err(TryLockError::WouldBlock) => Lock::Others,
        Err(TryLockError::Error(error)) => {
            tracing::debug!(%error, "no locks here");
            Lock::Unsupported
        }
    }
}

fn read(path: &Path) -> Result<Found, LeaseError> {
    read_file(path).map_err(|source| failed("read", path, source))
}

fn read_file(path: &Path) -> io::Result<Found> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        bytes => bytes?,
    };
    Ok(match json::from_slice(&bytes) {
        _ if bytes.is_empty() => Found::Nothing,
        Ok(holder) => Found::Holder(holder),
        Err(_) => Found::Unreadable,
    })
}

fn write(file: &File, holder: &Holder) -> io::Result<()> {
    let mut line = json::to_vec(holder);
    line.resize(line.len().max(FILE_BYTES - 1), b' ');
    line.push(b'\n');
    file.write_all_at(&line, 0)?;
    file.sync_data()
}

/// Looks on for so long; gives what the file says if that becomes another.
async fn watch(path: &Path, first: Found, limit: Duration) -> Result<Option<Found>, LeaseError> {
    let deadline = tokio::time::Instant::now() + limit;
    while tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = read(path)?;
        match &now {
            Found::Holder(holder) if holder.released => return Ok(None),
            // somebody is about to write it, or has removed it: whoever that is, not the one that was there
            Found::Nothing => return Ok(None),
            _ if now != first => return Ok(Some(now)),
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
