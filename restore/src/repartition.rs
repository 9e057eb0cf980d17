//! Gives topics another number of partitions: where each record goes then.
//!
//! A record with a key goes where Kafka's Java client would put it (`BuiltInPartitioner.partitionForKey`: the positive
//! part of murmur2, modulo the number of partitions). One without goes by its place on the source, so that it goes to the
//! same partition each time, and many of them evenly.
//!
//! The partitions of the source are read one after the other, by number. So records of one partition keep their order,
//! and records of one key too, unless the key was in several partitions.

use std::{collections::BTreeMap, str::FromStr};

use lifeboat_archive::words::TopicGlob;
use serde::{Deserialize, Serialize};

/// More than that is not asked for in earnest: each takes some memory while records are spread.
const MOST_PARTITIONS: usize = 10_000;
/// `org.apache.kafka.common.utils.Utils.murmur2`
const SEED: u32 = 0x9747_b28c;

/// `12`, or `orders*=12`: so many partitions for all topics, or for those that match.
#[derive(Clone, Debug)]
pub struct RepartitionChoice {
    topics: Option<TopicGlob>,
    partitions: usize,
}

/// Words that do not say how many partitions topics get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepartitionError {
    /// Not a number of partitions.
    #[error(
        "{0:?} is no number of partitions (1 to {MOST_PARTITIONS}), as in 12 or orders=12 (orders may be a glob)"
    )]
    Number(String),
    /// None of the topics.
    #[error("{0} is none of the topics that are restored")]
    NoTopic(String),
}

impl FromStr for RepartitionChoice {
    type Err = RepartitionError;

    fn from_str(text: &str) -> Result<Self, RepartitionError> {
        let wrong = || RepartitionError::Number(text.to_owned());
        let (topics, number) = match text.rsplit_once('=') {
            Some(("", _)) => return Err(wrong()),
            Some((topics, number)) => (Some(topics.parse().map_err(|_| wrong())?), number),
            None => (None, text),
        };
        let partitions = number.trim().parse().map_err(|_| wrong())?;
        if !(1..=MOST_PARTITIONS).contains(&partitions) {
            return Err(wrong());
        }
        Ok(Self { topics, partitions })
    }
}

/// How many partitions the topics `chosen`, each with the number that it has, get; those that keep theirs are not named.
/// What is said of some topics wins over what is said of all, and what is said last over what was before.
pub fn resolve(
    choices: &[RepartitionChoice],
    chosen: &BTreeMap<&str, usize>,
) -> Result<BTreeMap<String, usize>, RepartitionError> {
    let (all, some): (Vec<_>, Vec<_>) = choices.iter().partition(|choice| choice.topics.is_none());
    let mut wanted = BTreeMap::new();
    for choice in all.into_iter().chain(some) {
        let of_it = |topic: &&str| choice.topics.as_ref().is_none_or(|it| it.matches(topic));
        let mut matching = chosen.keys().copied().filter(of_it).peekable();
        if let (Some(topics), None) = (&choice.topics, matching.peek()) {
            return Err(RepartitionError::NoTopic(topics.to_string()));
        }
        wanted.extend(matching.map(|topic| (topic, choice.partitions)));
    }
    let another = |(topic, wanted): &(&str, usize)| chosen.get(topic) != Some(wanted);
    let wanted = wanted.into_iter().filter(another);
    Ok(wanted.map(|(topic, n)| (topic.to_owned(), n)).collect())
}

/// That a topic gets another number of partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repartition {
    /// The offset that the first record of each of its partitions gets, by number.
    pub start_offsets: Vec<i64>,
}

impl Repartition {
    /// How many there are.
    pub fn partitions(&self) -> usize {
        self.start_offsets.len()
    }
}

/// To which of so many partitions a record with this key goes, that was in this partition at this offset.
pub(crate) fn partition_for(
    key: Option<&[u8]>,
    (source, offset): (i32, i64),
    partitions: usize,
) -> usize {
    if partitions <= 1 {
        return 0;
    }
    let place = match key {
        Some(key) => u64::from(murmur2(key) & 0x7fff_ffff),
        None => offset
            .unsigned_abs()
            .wrapping_add(u64::from(source.unsigned_abs())),
    };
    // what is less than a usize is one
    usize::try_from(place % partitions as u64).unwrap_or(0)
}

/// MurmurHash2, 32 bits, as Kafka has it.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Java's lengths are 32 bits
    let mut hash = SEED ^ u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = word
            .iter()
            .rev()
            .fold(0_u32, |k, &byte| (k << 8) | u32::from(byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let rest = rest.iter().rev();
        hash ^= rest.fold(0_u32, |k, &byte| (k << 8) | u32::from(byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kafka's own, of `UtilsTest.testMurmur2`.
    #[test]
    fn keys_are_hashed_as_kafka_hashes_them() {
        let vectors: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key).cast_signed(), hash, "{key:?}");
        }
    }

    #[test]
    fn records_without_a_key_go_by_their_place_and_fill_all_partitions_alike() {
        let mut counts = [0; 7];
        for offset in 0..700 {
            counts[partition_for(None, (3, offset), 7)] += 1;
        }
        assert_eq!(counts, [100; 7]);
        assert_eq!(partition_for(None, (3, 4), 7), 0);
        let (empty, place) = (Some(&b""[..]), (9, 123));
        assert_eq!(
            partition_for(empty, place, 7),
            partition_for(empty, (0, 0), 7),
            "an empty key is a key"
        );
    }

    #[test]
    fn what_is_said_of_a_topic_wins_over_what_is_said_of_all() {
        let chosen = BTreeMap::from([("audit", 12), ("orders", 3), ("orders.eu", 3)]);
        let resolved = |texts: &[&str]| {
            let choices: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
            resolve(&choices, &chosen)
        };
        let named = |of: &[(&str, usize)]| {
            let of = of.iter().map(|(name, n)| ((*name).to_owned(), *n));
            Ok(of.collect::<BTreeMap<_, _>>())
        };
        let both = named(&[("orders", 12), ("orders.eu", 12)]);
        assert_eq!(resolved(&["12"]), both, "audit has 12");
        assert_eq!(
            resolved(&["orders=6", "12"]),
            named(&[("orders", 6), ("orders.eu", 12)])
        );
        assert_eq!(
            resolved(&["orders*=6", "orders=3"]),
            named(&[("orders.eu", 6)]),
            "the last one wins, and 3 is what it has"
        );
        let nobody = RepartitionError::NoTopic("payments".to_owned());
        assert_eq!(resolved(&["payments=2"]), Err(nobody));
    }

    #[test]
    fn what_is_no_number_of_partitions_is_named() {
        for wrong in [
            "0", "orders=0", "orders=", "=3", "orders", "10001", "-1", "",
        ] {
            let error = wrong.parse::<RepartitionChoice>().unwrap_err();
            assert_eq!(error, RepartitionError::Number(wrong.to_owned()));
        }
        for right in ["1", "orders=10000", "a=b=3"] {
            right.parse::<RepartitionChoice>().unwrap();
        }
    }
}
