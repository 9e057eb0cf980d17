use std::io::Cursor;

use age::secrecy::ExposeSecret;

use super::*;
use crate::seal::{DamagedAt, Recipient, Sealer, seal};

fn pair() -> (Recipient, Identities) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string().parse().unwrap();
    let identities = Identities::parse(identity.to_string().expose_secret()).unwrap();
    (recipient, identities)
}

/// Bytes that differ everywhere.
fn plain(length: u64) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap())
        .collect()
}

/// Reads a range as one who fetches only what is said to hold it; how much was fetched.
fn read(header: &OpenedHeader, sealed: &[u8], range: Range<u64>) -> io::Result<(Vec<u8>, u64)> {
    let stored = header.stored_range(&range, sealed.len() as u64);
    let place = |at: u64| usize::try_from(at).unwrap();
    let chunks = Cursor::new(&sealed[place(stored.start)..place(stored.end)]);
    let mut found = Vec::new();
    header
        .reader(range, chunks)
        .unwrap()
        .read_to_end(&mut found)?;
    Ok((found, stored.end - stored.start))
}

#[test]
fn every_range_is_read_from_the_chunks_that_hold_it_and_no_others() {
    let (recipient, identities) = pair();
    let sizes = [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES,
        3 * CHUNK_BYTES + 77,
    ];
    for size in sizes {
        let plain = plain(size);
        let sealed = seal(std::slice::from_ref(&recipient), &plain).unwrap();
        let header = OpenedHeader::open(Some(&identities), &sealed).unwrap();
        assert_eq!(header.plain_size(sealed.len() as u64), Some(size));
        let edges = [
            0,
            1,
            100,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            2 * CHUNK_BYTES,
            3 * CHUNK_BYTES,
            size,
        ];
        for start in edges {
            for end in edges.into_iter().filter(|end| (start..=size).contains(end)) {
                let (found, fetched) = read(&header, &sealed, start..end).unwrap();
                let (from, to) = (start.try_into().unwrap(), end.try_into().unwrap());
                assert!(found == plain[from..to], "{start}..{end} of {size}");
                assert!(fetched <= (end - start) + 2 * (CHUNK_BYTES + TAG) + (end - start) / 4_096);
            }
        }
    }
}

#[test]
fn what_is_handed_over_in_pieces_is_sealed_as_a_whole() {
    let (recipient, identities) = pair();
    let plain = plain(300_000);
    for piece in [1_000, 65_536, 299_999] {
        let mut sealer = Sealer::new(std::slice::from_ref(&recipient)).unwrap();
        let mut sealed = Vec::new();
        let mut held = 0;
        for piece in plain.chunks(piece) {
            let out = sealer.push(piece).unwrap();
            held = (held + piece.len()).saturating_sub(out.len());
            assert!(held <= 64 << 10);
            sealed.extend(out);
        }
        sealed.extend(sealer.finish().unwrap());
        let opened = crate::seal::open(&identities, &sealed).unwrap();
        assert!(*opened == plain, "{piece}");
    }
}

#[test]
fn a_flipped_byte_is_told_where_it_is_needed_and_costs_only_its_chunk() {
    let (recipient, identities) = pair();
    let size = 3 * CHUNK_BYTES + 5;
    let plain = plain(size);
    let sealed = seal(&[recipient], &plain).unwrap();
    let header = OpenedHeader::open(Some(&identities), &sealed).unwrap();
    let in_second = usize::try_from(header.length() + CHUNK_BYTES + TAG + 7).unwrap();
    let mut damaged = sealed.clone();
    damaged[in_second] ^= 1;
    let error = read(&header, &damaged, 10..size).unwrap_err();
    let told = error.downcast::<DamagedAt>().unwrap();
    assert_eq!(told.position, CHUNK_BYTES);
    for sound in [
        0..CHUNK_BYTES,
        2 * CHUNK_BYTES..size,
        CHUNK_BYTES - 10..CHUNK_BYTES,
    ] {
        let (found, _) = read(&header, &damaged, sound.clone()).unwrap();
        assert_eq!(found.len() as u64, sound.end - sound.start);
    }
    // a chunk that was put in the place of another is none, either
    let mut exchanged = sealed.clone();
    let chunk = usize::try_from(CHUNK_BYTES + TAG).unwrap();
    let first = usize::try_from(header.length()).unwrap();
    exchanged.copy_within(first..first + chunk, first + chunk);
    assert!(read(&header, &exchanged, CHUNK_BYTES..CHUNK_BYTES + 1).is_err());
    // what is cut off is not taken for the end
    let cut = &sealed[..first + chunk];
    assert!(read(&header, cut, 0..size).is_err());
}

#[test]
fn nobody_the_wrong_one_and_damage_are_told_apart() {
    let ((one, identities), (two, _), (_, stranger)) = (pair(), pair(), pair());
    let sealed = seal(&[one, two], b"plain words").unwrap();
    let sealed_to = SealedTo {
        recipients: 2,
        others: 0,
    };
    let refused = |identities, head: &[u8]| OpenedHeader::open(identities, head).unwrap_err();
    assert_eq!(
        refused(None, &sealed),
        HeaderError::NoIdentity { sealed_to }
    );
    let other = HeaderError::OtherRecipient { sealed_to };
    assert_eq!(refused(Some(&stranger), &sealed), other);
    assert!(
        other.to_string().contains("2 recipients (X25519)"),
        "{other}"
    );
    let header = OpenedHeader::open(Some(&identities), &sealed).unwrap();
    let length = usize::try_from(header.length()).unwrap();
    for at in 0..length - 16 {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        // a stanza that is another one looks like somebody else's
        assert!(
            OpenedHeader::open(Some(&identities), &damaged).is_err(),
            "byte {at}"
        );
    }
    for cut in 0..length {
        assert_eq!(
            refused(Some(&identities), &sealed[..cut]),
            HeaderError::Damaged
        );
    }
}

#[test]
fn a_size_that_nothing_sealed_has_is_none() {
    let (recipient, identities) = pair();
    let sealed = seal(&[recipient], b"").unwrap();
    let header = OpenedHeader::open(Some(&identities), &sealed).unwrap();
    let size = |chunks: u64| header.plain_size(header.length() + chunks);
    assert_eq!(header.plain_size(header.length() - 1), None);
    for impossible in [0, 15, CHUNK_BYTES + TAG + 1, CHUNK_BYTES + TAG + 16] {
        assert_eq!(size(impossible), None, "{impossible}");
    }
    assert_eq!(size(16), Some(0));
    assert_eq!(size(17), Some(1));
    assert_eq!(size(CHUNK_BYTES + TAG), Some(CHUNK_BYTES));
    assert_eq!(size(CHUNK_BYTES + TAG + 17), Some(CHUNK_BYTES + 1));
}
