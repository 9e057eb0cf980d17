//! Free ports.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    process,
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, bail};

// below the ports that the kernel gives to outgoing connections, which could take one while a broker is restarted
const FIRST: u16 = 15_000;
const LAST: u16 = 31_999;

/// A port that nobody listens on and that this process has not given away before.
pub(crate) fn free_port() -> Result<u16> {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let count = u32::from(LAST - FIRST) + 1;
    // several test processes begin at different places
    let start = process::id().wrapping_mul(97) % count;
    for step in 0..count {
        let port = FIRST + u16::try_from((start + step) % count)?;
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} to {LAST}")
}
