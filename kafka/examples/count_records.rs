//! `count_records BOOTSTRAP TOPIC`: an rdkafka consumer that only counts, the yardstick of `make bench`.

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

const PATIENCE: Duration = Duration::from_secs(30);

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [bootstrap, topic] = &arguments[..] else {
        return Err("usage: count_records BOOTSTRAP TOPIC".into());
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics()[0].partitions();
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    let begun = Instant::now();
    consumer.assign(&assignment)?;
    let (mut records, mut bytes, mut ended) = (0u64, 0, 0);
    while ended < partitions.len() {
        match consumer.poll(PATIENCE) {
            Some(Ok(record)) => {
                records += 1;
                bytes += record.payload_len();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(error.into()),
            None => return Err("nothing came for 30 s".into()),
        }
    }
    println!("{} {records} {bytes}", begun.elapsed().as_secs_f64());
    Ok(())
}
