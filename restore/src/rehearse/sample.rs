//! How much of a snapshot is rehearsed.

use std::{fmt, num::NonZeroU32, str::FromStr};

use lifeboat_archive::{json::Xxh3Hex, manifest::ManifestTopic};

/// A part of a snapshot: `5%` of its bytes, in whole topics that are drawn by lot. All of it by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample(Option<NonZeroU32>);

/// No part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a part of a snapshot: it is written as 5%, from 1% to 100%")]
pub struct NoSuchSample;

impl Sample {
    /// How many percent; `None` where it is everything.
    pub fn percent(self) -> Option<u32> {
        self.0.map(NonZeroU32::get).filter(|percent| *percent < 100)
    }
}

impl FromStr for Sample {
    type Err = NoSuchSample;

    fn from_str(text: &str) -> Result<Self, NoSuchSample> {
        let number = text.strip_suffix('%').ok_or(NoSuchSample)?;
        let number = number.trim_end().parse().map_err(|_| NoSuchSample)?;
        match NonZeroU32::new(number) {
            Some(percent) if number <= 100 => Ok(Self(Some(percent))),
            _ => Err(NoSuchSample),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0.map_or(100, NonZeroU32::get))
    }
}

/// The names of the topics of a sample: in an order that `lot` decides, as many as it takes to come to the share.
pub(super) fn choose(topics: &[&ManifestTopic], sample: Sample, lot: &str) -> Vec<String> {
    let bytes = |topic: &ManifestTopic| {
        let partitions = topic.partitions.iter();
        partitions.map(|partition| partition.raw_bytes).sum::<u64>()
    };
    let Some(percent) = sample.percent() else {
        return topics.iter().map(|topic| topic.topic.clone()).collect();
    };
    let all: u64 = topics.iter().map(|topic| bytes(topic)).sum();
    let wanted = (u128::from(all) * u128::from(percent)).div_ceil(100);
    let mut drawn: Vec<&&ManifestTopic> = topics.iter().collect();
    drawn.sort_by_cached_key(|topic| Xxh3Hex::of(format!("{lot}{}", topic.topic).as_bytes()));
    let mut chosen = Vec::new();
    let mut sum = 0_u128;
    for topic in drawn {
        // at least one, or nothing would be proven
        if sum >= wanted && !chosen.is_empty() {
            break;
        }
        sum += u128::from(bytes(topic));
        chosen.push(topic.topic.clone());
    }
    chosen.sort();
    chosen
}

#[cfg(test)]
mod tests {
    use lifeboat_archive::{json::Sha256Hex, manifest::ListReference, words::TopicId};

    use super::*;

    fn topics(count: usize) -> Vec<ManifestTopic> {
        let topic = |n| ManifestTopic {
            topic: format!("topic-{n}"),
            topic_id: TopicId::ZERO,
            list: ListReference {
                object: String::new(),
                position: 0,
                length: 0,
                sha256: Sha256Hex::of(b""),
            },
            cleanup: None,
            partitions: Vec::new(),
        };
        (0..count).map(topic).collect()
    }

    #[test]
    fn a_sample_reads_as_it_is_written() {
        let sample: Sample = "5%".parse().unwrap();
        assert_eq!(
            (sample.percent(), sample.to_string()),
            (Some(5), "5%".into())
        );
        assert_eq!("100%".parse::<Sample>().unwrap().percent(), None);
        assert_eq!(Sample::default().to_string(), "100%");
        for bad in ["", "5", "0%", "101%", "-1%", "%"] {
            assert_eq!(bad.parse::<Sample>(), Err(NoSuchSample), "{bad}");
        }
    }

    #[test]
    fn a_sample_is_drawn_anew_by_each_lot_and_has_one_topic_at_least() {
        let topics = topics(50);
        let topics: Vec<&ManifestTopic> = topics.iter().collect();
        assert_eq!(choose(&topics, Sample::default(), "a").len(), 50);
        let sample = "1%".parse().unwrap();
        // without a byte any one is enough
        let drawn = ["a", "b", "c", "d"].map(|lot| choose(&topics, sample, lot));
        assert!(drawn.iter().all(|topics| topics.len() == 1));
        assert!(drawn.iter().any(|other| *other != drawn[0]), "{drawn:?}");
        assert_eq!(choose(&topics, sample, "a"), drawn[0]);
        assert!(choose(&[], sample, "a").is_empty());
    }
}
