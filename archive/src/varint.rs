//! Zigzag varints, as Kafka writes them inside a record.

const LONGEST: usize = 10;

/// Takes a number from the front of `bytes`; `None` where there is none or it has too many bytes.
pub(crate) fn take_varlong(bytes: &mut &[u8]) -> Option<i64> {
    let mut raw = 0u64;
    for (at, &byte) in bytes.iter().take(LONGEST).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
        }
    }
    None
}

/// The same for a number of 32 bits.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<i32> {
    i32::try_from(take_varlong(bytes)?).ok()
}

/// Appends a number. Numbers of 32 and of 64 bits look alike.
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut raw = zigzag(value);
    while raw >= 0x80 {
        out.push(low_seven(raw) | 0x80);
        raw >>= 7;
    }
    out.push(low_seven(raw));
}

/// How many bytes [`put_varlong`] would append.
pub(crate) const fn varlong_size(value: i64) -> usize {
    let bits = (64 - zigzag(value).leading_zeros()) as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn low_seven(raw: u64) -> u8 {
    raw.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_their_size_is_known() {
        let edges = [0, 1, -1, 63, 64, -64, -65, 8_191, 8_192, i64::MAX, i64::MIN];
        for value in edges {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!(bytes.len(), varlong_size(value), "{value}");
            assert_eq!(take_varlong(&mut bytes.as_slice()), Some(value));
        }
    }

    #[test]
    fn an_endless_or_cut_number_is_refused() {
        assert_eq!(take_varlong(&mut [0x80u8; 20].as_slice()), None);
        assert_eq!(take_varlong(&mut [0x80u8].as_slice()), None);
        assert_eq!(take_varlong(&mut [].as_slice()), None);
        let mut large = Vec::new();
        put_varlong(&mut large, i64::from(i32::MAX) + 1);
        assert_eq!(take_varint(&mut large.as_slice()), None);
    }
}
