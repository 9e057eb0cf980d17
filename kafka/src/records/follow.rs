//! Reads partitions while they are written: for reading back, beside the writing, what was just produced.

use std::{
    sync::mpsc::{Receiver, TryRecvError},
    time::Duration,
};

use lifeboat_archive::words::TopicPartition;
use lifeboat_config::KafkaProperties;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError as ClientError,
};

use super::{
    Context, Idle, ReadOptions, RecordParts, client_error, consumer, is_final, lookup::Lookup,
    parts,
};
use crate::error::KafkaError;

/// New orders are looked for this often while nothing comes.
const POLL: Duration = Duration::from_millis(20);
/// … and after so many records while they come.
const RECORDS_PER_LOOK: u32 = 256;

/// What a follower is told. A slot is how many partitions were followed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Read it from `start` on.
    Follow {
        /// The partition.
        topic_partition: TopicPartition,
        /// The first offset.
        start: i64,
    },
    /// It is written up to `end`: read as far as that, no further.
    End {
        /// Which one.
        slot: usize,
        /// One more than the last offset.
        end: i64,
    },
    /// Nobody wants it any more.
    Leave {
        /// Which one.
        slot: usize,
    },
}

/// Reads what `orders` say, and gives each record with the number of its partition, in order within that.
///
/// Blocks until nobody can give more orders and every partition is read to the end that it was given. Partitions must
/// have no holes: one without a record right before its end is waited for until [`ReadOptions::stall_limit`].
pub fn follow_records(
    properties: &KafkaProperties,
    orders: &Receiver<Order>,
    options: ReadOptions,
    on_record: impl FnMut(usize, RecordParts<'_>),
) -> Result<(), KafkaError> {
    let mut follower = Follower {
        consumer: consumer(properties, options.isolation)?,
        options,
        followed: Followed::default(),
        last_error: None,
        on_record,
    };
    follower.run(orders)
}

struct Follower<F> {
    consumer: BaseConsumer<Context>,
    options: ReadOptions,
    followed: Followed,
    last_error: Option<String>,
    on_record: F,
}

impl<F: FnMut(usize, RecordParts<'_>)> Follower<F> {
    fn run(&mut self, orders: &Receiver<Order>) -> Result<(), KafkaError> {
        let mut more = true;
        let mut idle = Idle::default();
        while more || self.followed.open() > 0 {
            if self.options.stop.is_cancelled() {
                return Err(KafkaError::Interrupted);
            }
            more = more && self.take(orders)?;
            let came = self.read_some()?;
            if came {
                idle = Idle::default();
                continue;
            }
            // what is still being written may pause as long as it likes
            if self.followed.first_awaited().is_none() {
                idle = Idle::default();
                continue;
            }
            idle.nothing();
            if idle.elapsed() > self.options.stall_limit {
                return Err(self.stalled());
            }
        }
        Ok(())
    }

    /// Takes all orders that are there; `false` when there will be no more.
    fn take(&mut self, orders: &Receiver<Order>) -> Result<bool, KafkaError> {
        loop {
            let order = match orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => {
                    // nobody is left to say where these end
                    for slot in self.followed.endless() {
                        self.leave(slot)?;
                    }
                    return Ok(false);
                }
            };
            match order {
                Order::Follow {
                    topic_partition,
                    start,
                } => self.follow(topic_partition, start)?,
                Order::End { slot, end } => {
                    if self.followed.end(slot, end) {
                        self.leave(slot)?;
                    }
                }
                Order::Leave { slot } => self.leave(slot)?,
            }
        }
    }

    fn follow(&mut self, topic_partition: TopicPartition, start: i64) -> Result<(), KafkaError> {
        let list = list_of(&topic_partition, Offset::Offset(start))?;
        self.followed.begin(topic_partition, start);
        let assigned = self.consumer.incremental_assign(&list);
        assigned.map_err(|error| client_error(&error))
    }

    fn leave(&mut self, slot: usize) -> Result<(), KafkaError> {
        let Some(topic_partition) = self.followed.close(slot) else {
            return Ok(());
        };
        let list = list_of(&topic_partition, Offset::Invalid)?;
        let left = self.consumer.incremental_unassign(&list);
        left.map_err(|error| client_error(&error))
    }

    /// Whether a record came.
    fn read_some(&mut self) -> Result<bool, KafkaError> {
        let mut came = false;
        for _ in 0..RECORDS_PER_LOOK {
            let message = match self.consumer.poll(POLL) {
                None => return Ok(came),
                Some(Ok(message)) => message,
                // the end of what is written so far
                Some(Err(ClientError::PartitionEOF(_))) => continue,
                Some(Err(error)) if is_final(&error) => return Err(client_error(&error)),
                // of one partition, whose writer says more, or of a broker that stops in the middle of a handshake:
                // what stays so ends by the stall limit
                Some(Err(error)) => {
                    tracing::debug!(%error, "consumer error");
                    self.last_error = Some(error.to_string());
                    return Ok(came);
                }
            };
            let (topic, partition) = (message.topic(), message.partition());
            let Some(seen) = self.followed.see(topic, partition, message.offset()) else {
                continue;
            };
            came = true;
            (self.on_record)(seen.slot, parts(&message));
            if seen.finished {
                drop(message);
                self.leave(seen.slot)?;
            }
        }
        Ok(came)
    }

    fn stalled(&self) -> KafkaError {
        if let Some(failure) = self.consumer.context().failure() {
            return failure;
        }
        let cause = self.last_error.as_deref().unwrap_or("no error");
        let awaited = self.followed.first_awaited();
        let place = awaited.map_or_else(String::new, |(topic_partition, position)| {
            format!(" at {topic_partition} offset {position}")
        });
        KafkaError::Consumer {
            problem: format!(
                "nothing came for {:?}{place} ({cause})",
                self.options.stall_limit
            ),
        }
    }
}

fn list_of(partition: &TopicPartition, offset: Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&partition.topic, partition.partition, offset)
        .map_err(|error| client_error(&error))?;
    Ok(list)
}

/// The partitions and where they are, without librdkafka.
#[derive(Default)]
struct Followed {
    /// By slot.
    parts: Vec<Part>,
    lookup: Lookup,
    open: usize,
}

struct Part {
    topic_partition: TopicPartition,
    position: i64,
    end: Option<i64>,
    open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    slot: usize,
    finished: bool,
}

impl Followed {
    fn open(&self) -> usize {
        self.open
    }

    fn begin(&mut self, topic_partition: TopicPartition, start: i64) {
        self.lookup.add(&topic_partition);
        self.parts.push(Part {
            topic_partition,
            position: start,
            end: None,
            open: true,
        });
        self.open += 1;
    }

    /// Whether it is there already.
    fn end(&mut self, slot: usize, end: i64) -> bool {
        self.parts.get_mut(slot).is_some_and(|part| {
            part.end = Some(end);
            part.position >= end
        })
    }

    /// The partition, if it was open.
    fn close(&mut self, slot: usize) -> Option<TopicPartition> {
        let part = self.parts.get_mut(slot)?;
        if !std::mem::replace(&mut part.open, false) {
            return None;
        }
        self.open -= 1;
        Some(part.topic_partition.clone())
    }

    /// A record arrived; `None` where nobody waits for it.
    fn see(&mut self, topic: &str, partition: i32, offset: i64) -> Option<Seen> {
        let slot = self.lookup.find(topic, partition)?;
        let part = &mut self.parts[slot];
        let beyond = part.end.is_some_and(|end| offset >= end);
        if !part.open || offset < part.position || beyond {
            return None;
        }
        part.position = offset + 1;
        let finished = part.end == Some(part.position);
        Some(Seen { slot, finished })
    }

    /// Those whose end is not known.
    fn endless(&self) -> Vec<usize> {
        let parts = self.parts.iter().enumerate();
        parts
            .filter(|(_, part)| part.open && part.end.is_none())
            .map(|(slot, _)| slot)
            .collect()
    }

    /// One whose end is known and not reached.
    fn first_awaited(&self) -> Option<(&TopicPartition, i64)> {
        let mut parts = self.parts.iter();
        let awaited = parts.find(|part| part.open && part.end.is_some());
        awaited.map(|part| (&part.topic_partition, part.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Isolation;

    fn followed(parts: &[(&str, i32, i64)]) -> Followed {
        let mut followed = Followed::default();
        for &(topic, partition, start) in parts {
            followed.begin(TopicPartition::new(topic, partition), start);
        }
        followed
    }

    fn seen(slot: usize, finished: bool) -> Seen {
        Seen { slot, finished }
    }

    #[test]
    fn a_partition_is_finished_by_its_last_record_or_by_an_end_that_was_passed_before() {
        let mut followed = followed(&[("a", 0, 5), ("b", 0, 0)]);
        assert_eq!(followed.see("a", 0, 5), Some(seen(0, false)));
        assert!(!followed.end(0, 7));
        assert_eq!(followed.see("a", 0, 6), Some(seen(0, true)));
        assert_eq!(followed.see("b", 0, 0), Some(seen(1, false)));
        assert!(followed.end(1, 1));
        assert!(followed.close(0).is_some() && followed.close(1).is_some());
        assert_eq!((followed.open(), followed.close(1)), (0, None));
    }

    #[test]
    fn records_that_nobody_asked_for_are_passed_over() {
        let mut followed = followed(&[("a", 0, 5)]);
        assert_eq!(followed.see("a", 1, 5), None);
        assert_eq!(followed.see("b", 0, 5), None);
        assert_eq!(followed.see("a", 0, 4), None);
        followed.end(0, 6);
        assert_eq!(followed.see("a", 0, 6), None);
        followed.close(0);
        assert_eq!(followed.see("a", 0, 5), None);
    }

    #[test]
    fn only_a_partition_whose_end_is_known_is_waited_for() {
        let mut followed = followed(&[("a", 0, 0), ("a", 1, 3)]);
        assert_eq!(followed.first_awaited(), None);
        followed.end(1, 9);
        let (awaited, position) = followed.first_awaited().unwrap();
        assert_eq!((awaited.partition, position), (1, 3));
    }

    fn nowhere(orders: &[Order], options: ReadOptions) -> Result<(), KafkaError> {
        let properties = KafkaProperties::from_bootstrap_servers("127.0.0.1:1").unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        for order in orders {
            sender.send(order.clone()).unwrap();
        }
        drop(sender);
        follow_records(&properties, &receiver, options, |_, _| {})
    }

    #[test]
    fn a_cluster_that_is_gone_is_an_error_that_names_what_was_awaited() {
        let mut options = ReadOptions::from(Isolation::ReadUncommitted);
        options.stall_limit = Duration::from_millis(500);
        let follow = Order::Follow {
            topic_partition: TopicPartition::new("orders", 0),
            start: 7,
        };
        let orders = [follow, Order::End { slot: 0, end: 9 }];
        let error = nowhere(&orders, options).unwrap_err().to_string();
        assert!(error.contains("at orders-0 offset 7"), "{error}");
    }

    #[test]
    fn what_is_left_or_holds_nothing_is_not_waited_for() {
        let options = ReadOptions::from(Isolation::ReadUncommitted);
        let follow = |partition| Order::Follow {
            topic_partition: TopicPartition::new("orders", partition),
            start: 7,
        };
        let orders = [
            follow(0),
            follow(1),
            Order::End { slot: 0, end: 7 },
            Order::Leave { slot: 1 },
            // whose end nobody can tell any more
            follow(2),
        ];
        nowhere(&orders, options).unwrap();
    }
}
