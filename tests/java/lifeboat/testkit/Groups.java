package lifeboat.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.TopicPartition;

/** Consumer groups: what each of them would read next. */
final class Groups {
    record Request(Cluster cluster) {}

    /**
     * {@code index}: how many visible records of the partition lie before the committed offset; together with equal
     * contents it names the next record. {@code next}: the digest of that record, absent at the end. {@code read}: the
     * digest of the record that a consumer of this group really got, "end", or "out of range".
     */
    record Committed(
            String group, String topic, int partition, long offset, Integer leaderEpoch, String metadata,
            long index, String next, String read) {}

    record State(List<Committed> committed) {}

    record Offset(String topic, int partition, long offset, Integer leaderEpoch, String metadata) {}

    record CommitRequest(Cluster cluster, String group, List<Offset> offsets) {}

    private Groups() {}

    static State read(Request request) throws Exception {
        Map<String, Map<TopicPartition, OffsetAndMetadata>> groups = new TreeMap<>();
        try (Admin admin = Clients.admin(request.cluster)) {
            for (ConsumerGroupListing listed : admin.listConsumerGroups().all().get()) {
                groups.put(listed.groupId(), admin.listConsumerGroupOffsets(listed.groupId())
                        .partitionsToOffsetAndMetadata().get());
            }
        }
        Set<TopicPartition> partitions = new HashSet<>();
        Map<TopicPartition, TreeSet<Long>> wanted = new HashMap<>();
        groups.values().forEach(offsets -> offsets.forEach((tp, committed) -> {
            if (committed != null) {
                partitions.add(tp);
                wanted.computeIfAbsent(tp, any -> new TreeSet<>()).add(committed.offset());
            }
        }));
        Map<TopicPartition, Map<Long, Next>> answers = nextRecords(request.cluster, partitions, wanted);
        List<Committed> state = new ArrayList<>();
        for (var group : groups.entrySet()) {
            Map<TopicPartition, String> read = readAs(request.cluster, group.getKey(), group.getValue());
            group.getValue().forEach((tp, committed) -> {
                if (committed != null) {
                    Next next = answers.get(tp).get(committed.offset());
                    state.add(new Committed(group.getKey(), tp.topic(), tp.partition(), committed.offset(),
                            committed.leaderEpoch().orElse(null), committed.metadata(), next.index, next.digest,
                            read.get(tp)));
                }
            });
        }
        return new State(state);
    }

    static Map<String, Object> commit(CommitRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (Offset offset : request.offsets) {
                offsets.put(new TopicPartition(offset.topic, offset.partition), new OffsetAndMetadata(offset.offset,
                        java.util.Optional.ofNullable(offset.leaderEpoch), offset.metadata));
            }
            admin.alterConsumerGroupOffsets(request.group, offsets).all().get();
        }
        return Map.of();
    }

    private record Next(long index, String digest) {}

    /** Counted in one pass over the partitions: no seeking, so that nothing depends on how offsets are looked up. */
    private static Map<TopicPartition, Map<Long, Next>> nextRecords(
            Cluster cluster, Set<TopicPartition> partitions, Map<TopicPartition, TreeSet<Long>> wanted) {
        Map<TopicPartition, Map<Long, Next>> answers = new HashMap<>();
        Map<TopicPartition, Long> counts = new HashMap<>();
        partitions.forEach(tp -> answers.put(tp, new HashMap<>()));
        Oracle.scan(cluster, partitions, "read_committed", record -> {
            TopicPartition tp = new TopicPartition(record.topic(), record.partition());
            long index = counts.merge(tp, 1L, Long::sum) - 1;
            TreeSet<Long> open = wanted.get(tp);
            while (!open.isEmpty() && open.first() <= record.offset()) {
                answers.get(tp).put(open.pollFirst(), new Next(index, Canonical.of(record)));
            }
        });
        wanted.forEach((tp, open) ->
                open.forEach(offset -> answers.get(tp).put(offset, new Next(counts.getOrDefault(tp, 0L), null))));
        return answers;
    }

    /** What a consumer of the group gets, from where Kafka itself says that the group stands. */
    private static Map<TopicPartition, String> readAs(
            Cluster cluster, String group, Map<TopicPartition, OffsetAndMetadata> offsets) {
        Map<TopicPartition, String> read = new HashMap<>();
        Set<TopicPartition> open = new HashSet<>();
        offsets.forEach((tp, committed) -> {
            if (committed != null) {
                open.add(tp);
            }
        });
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(cluster, Map.of(
                "group.id", group, "isolation.level", "read_committed", "max.partition.fetch.bytes", 65_536))) {
            Map<TopicPartition, Long> ends = consumer.endOffsets(open);
            consumer.assign(open);
            long deadline = System.currentTimeMillis() + 30_000;
            while (!open.isEmpty() && System.currentTimeMillis() < deadline) {
                try {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                        TopicPartition tp = new TopicPartition(record.topic(), record.partition());
                        if (open.remove(tp)) {
                            read.put(tp, Canonical.of(record));
                        }
                    }
                    for (TopicPartition tp : Set.copyOf(open)) {
                        if (consumer.position(tp) == ends.get(tp)) {
                            open.remove(tp);
                            read.put(tp, "end");
                        }
                    }
                } catch (OffsetOutOfRangeException outside) {
                    outside.partitions().forEach(tp -> read.put(tp, "out of range"));
                    open.removeAll(outside.partitions());
                }
                consumer.assign(open);
            }
        }
        open.forEach(tp -> read.put(tp, "nothing within 30 s"));
        return read;
    }
}
