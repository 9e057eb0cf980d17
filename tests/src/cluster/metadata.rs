//! One question to one broker: how many brokers do you know?

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// The number of brokers in its answer; `None` while it gives none. Spoken by hand (Metadata version 1, no topics): a
/// whole client would take longer to give up than a broker to start.
pub(super) fn live_brokers(address: &str) -> Option<usize> {
    const METADATA: [u8; 2] = [0, 3];
    const VERSION: [u8; 2] = [0, 1];
    const CORRELATION: [u8; 4] = [0, 0, 0, 7];
    const NO_CLIENT_ID: [u8; 2] = [0xff, 0xff];
    const NO_TOPICS: [u8; 4] = [0; 4];
    let body = [
        &METADATA[..],
        &VERSION,
        &CORRELATION,
        &NO_CLIENT_ID,
        &NO_TOPICS,
    ]
    .concat();
    let length = u32::try_from(body.len()).ok()?.to_be_bytes();

    let mut stream =
        TcpStream::connect_timeout(&address.parse().ok()?, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(&[&length[..], &body].concat()).ok()?;
    // length, correlation id, number of brokers
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    usize::try_from(u32::from_be_bytes(head[8..12].try_into().ok()?)).ok()
}
