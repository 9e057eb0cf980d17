//! Keeps the memory that glibc's allocator holds back within bounds.
//!
//! It gives up to eight arenas a core to the threads, and each keeps what was freed in it: a backup of large batches took
//! 125 to 157 MB with 96 MiB of buffers, with two arenas 97 to 101 MB, at the same speed. And it takes large buffers from
//! the arenas, too, as soon as one as large was freed, between which small ones then stay: a backup of 8 GB took 180 MB,
//! with large buffers always given back at once 98 MB, at the same speed (verify takes a quarter longer). Both can only be
//! said from within by `mallopt(3)`, which takes unsafe code, or before a program starts: so this one starts itself again.

/// Where the allocator is told (`mallopt(3)`).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// From how many bytes on a buffer is large: segments, parts of uploads and answers of brokers are.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "2097152");
/// The newer way to tell it, which then is the user's choice.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Starts the program again with few arenas that hold no large buffers, unless somebody has said how many. Where that
/// can't be done it goes on.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn bound() {
    use std::{env, os::unix::process::CommandExt, process::Command};

    if env::var_os(ARENAS).is_some() || env::var_os(TUNABLES).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else {
        return;
    };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // it only returns when it has failed
    let (large, bytes) = LARGE;
    let again = again.args(arguments).env(ARENAS, "2");
    drop(again.env(large, bytes).exec());
}

/// Other allocators are not so.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn bound() {}
