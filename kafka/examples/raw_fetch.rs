//! `raw_fetch BOOTSTRAP TOPIC [CLIENT.PROPERTIES]`: fetches a topic as raw batches to nowhere and prints how fast that
//! is, for `make bench`.

use std::{env, error::Error, fs, time::Instant};

use lifeboat_archive::words::{OffsetRange, TopicPartition};
use lifeboat_config::KafkaProperties;
use lifeboat_kafka::{
    reader::{MemoryBudget, ReadEvent, ReadRange, ReaderOptions, read_ranges},
    wire::{Cluster, OffsetSpec, TopicScope},
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are the result")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (bootstrap, topic, more) = match &arguments[..] {
        [bootstrap, topic] => (bootstrap, topic, String::new()),
        [bootstrap, topic, file] => (bootstrap, topic, fs::read_to_string(file)?),
        _ => return Err("usage: raw_fetch BOOTSTRAP TOPIC [CLIENT.PROPERTIES]".into()),
    };
    let mut properties = KafkaProperties::parse_properties(&more)?;
    properties.set("bootstrap.servers", bootstrap)?;
    let cluster = Cluster::connect(&properties).await?;
    let ranges = ranges(&cluster, topic).await?;
    let wanted = ranges.len();
    let begun = Instant::now();
    let budget = MemoryBudget::new(32 << 20);
    let mut events = read_ranges(cluster, ranges, ReaderOptions::default(), budget);
    let (mut bytes, mut done) = (0, 0);
    while let Some(event) = events.recv().await {
        match event {
            ReadEvent::Batches { batches, .. } => bytes += batches.len(),
            ReadEvent::Done { .. } => done += 1,
            ReadEvent::Gap { gap, .. } => return Err(format!("a gap: {gap:?}").into()),
        }
    }
    if done < wanted {
        return Err("the reader ended early".into());
    }
    println!("{} {bytes}", begun.elapsed().as_secs_f64());
    Ok(())
}

async fn ranges(cluster: &Cluster, topic: &str) -> Result<Vec<ReadRange>, Box<dyn Error>> {
    let found = cluster.topics(TopicScope::Named(&[topic.into()])).await?;
    let topic = found.first().ok_or("no such topic")?;
    let partitions: Vec<TopicPartition> = topic
        .partitions
        .iter()
        .map(|partition| TopicPartition::new(&*topic.name, partition.partition))
        .collect();
    let mut starts = cluster
        .list_offsets(&partitions, OffsetSpec::Earliest)
        .await;
    let mut ends = cluster
        .list_offsets(&partitions, OffsetSpec::HighWatermark)
        .await;
    let mut ranges = Vec::new();
    for topic_partition in partitions {
        let start = starts
            .remove(&topic_partition)
            .ok_or("no log start")??
            .offset;
        let end = ends
            .remove(&topic_partition)
            .ok_or("no high watermark")??
            .offset;
        ranges.push(ReadRange {
            topic_partition,
            topic_id: topic.id,
            range: OffsetRange::new(start, end),
            leader_epoch: -1,
            compacted: false,
        });
    }
    Ok(ranges)
}
