//! Whether the target has room for what is written, and how fast it lets us write.

use std::collections::BTreeMap;

use lifeboat_archive::words::ByteSize;
use serde::{Deserialize, Serialize};

/// The room on the brokers' disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes that all brokers together may still use.
    pub usable_bytes: u64,
    /// The broker that has the least, where it is not enough for its share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<ShortOfRoom>,
}

/// A broker with too little room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortOfRoom {
    /// Its id.
    pub broker: i32,
    /// Bytes that it may still use.
    pub usable_bytes: u64,
    /// Bytes that it gets, where all get as much.
    pub needed_bytes: u64,
}

impl Room {
    /// Decides for `needed` bytes with all replicas; none where a broker does not tell what it has.
    pub(super) fn decide(needed: u64, brokers: usize, usable: &BTreeMap<i32, u64>) -> Option<Self> {
        let all_tell = !usable.is_empty();
        let share = needed.div_ceil(u64::try_from(brokers).ok()?.max(1));
        let least = usable.iter().min_by_key(|(_, usable)| **usable);
        let short = least.filter(|(_, usable)| **usable < share);
        all_tell.then(|| Self {
            usable_bytes: usable.values().sum(),
            short: short.map(|(broker, usable)| ShortOfRoom {
                broker: *broker,
                usable_bytes: *usable,
                needed_bytes: share,
            }),
        })
    }
}

/// What quotas of the target hold us to; absent where there is none, or where it may not be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// Bytes per second that are written to each broker at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_rate: Option<u64>,
    /// Bytes per second that are read back from each broker at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_rate: Option<u64>,
}

impl Throttle {
    /// Of the quotas that hold for us, by Kafka's names.
    pub(crate) fn of(limits: &BTreeMap<String, f64>) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate in bytes; what is beyond the range is none"
        )]
        let rate = |name: &str| limits.get(name).map(|rate| rate.max(1.0) as u64);
        Self {
            write_rate: rate("producer_byte_rate"),
            read_rate: rate("consumer_byte_rate"),
        }
    }

    /// Whether nothing is held back.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// `fastest` for all brokers, or less where quotas say so.
    pub(super) fn limit(rate: Option<u64>, brokers: usize, fastest: u64) -> u64 {
        let brokers = u64::try_from(brokers).unwrap_or(u64::MAX).max(1);
        let limited = rate.map_or(u64::MAX, |rate| rate.saturating_mul(brokers));
        limited.min(fastest).max(1)
    }

    /// For people, where quotas make the restore slower than `write` and `read` bytes a second.
    pub(super) fn warning(self, brokers: usize, write: u64, read: u64) -> Option<String> {
        let slower = |rate: Option<u64>, fastest: u64| {
            rate.filter(|_| Self::limit(rate, brokers, fastest) < fastest)
        };
        let held = [
            (slower(self.write_rate, write), "written"),
            (slower(self.read_rate, read), "read back"),
        ];
        let held: Vec<String> = held
            .into_iter()
            .filter_map(|(rate, what)| Some(format!("{}/s are {what}", ByteSize(rate?))))
            .collect();
        (!held.is_empty()).then(|| {
            format!(
                "quotas of the target slow it down: no more than {} for each broker",
                held.join(" and ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_with_the_least_room_is_named_where_its_share_does_not_fit() {
        let usable = |all: &[(i32, u64)]| all.iter().copied().collect::<BTreeMap<_, _>>();
        let enough = Room::decide(300, 3, &usable(&[(1, 100), (2, 400), (3, 100)])).unwrap();
        assert_eq!((enough.usable_bytes, enough.short), (600, None));
        let short = Room::decide(301, 3, &usable(&[(1, 101), (2, 400), (3, 100)])).unwrap();
        let named = ShortOfRoom {
            broker: 3,
            usable_bytes: 100,
            needed_bytes: 101,
        };
        assert_eq!(short.short, Some(named));
        assert_eq!(Room::decide(300, 3, &BTreeMap::new()), None);
    }

    #[test]
    fn quotas_hold_for_each_broker_and_are_told_where_they_make_it_slower() {
        let of = |limits: &[(&str, f64)]| {
            let limits = limits
                .iter()
                .map(|(name, rate)| ((*name).to_owned(), *rate));
            Throttle::of(&limits.collect())
        };
        let both = of(&[
            ("producer_byte_rate", 2e6),
            ("consumer_byte_rate", 1e9),
            ("request_percentage", 5.0),
        ]);
        assert_eq!(Throttle::limit(both.write_rate, 3, 100_000_000), 6_000_000);
        let told = both.warning(3, 100_000_000, 1_000_000_000).unwrap();
        assert!(
            told.contains("2.00 MB/s are written") && !told.contains("read"),
            "{told}"
        );
        let wide = of(&[("producer_byte_rate", 1e9)]);
        assert_eq!(wide.warning(1, 100_000_000, 1_000_000_000), None);
        assert!(of(&[]).is_none());
        assert_eq!(of(&[("producer_byte_rate", 0.0)]).write_rate, Some(1));
    }
}
