package lifeboat.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** Groups that stand wherever a group can stand. */
final class FidelityGroups {
    private final Cluster cluster;
    private final Admin admin;

    FidelityGroups(Cluster cluster, Admin admin) {
        this.cluster = cluster;
        this.admin = admin;
    }

    void commit(boolean compaction) throws Exception {
        commit("at-start", Map.of(partition("codec.lz4", 0), at(0, "")));
        commit("at-end", Map.of(
                partition("codec.lz4", 0), at(end("codec.lz4", 0), "done"),
                partition("transactions", 0), at(end("transactions", 0), ""),
                partition("empty", 0), at(0, "nothing yet")));
        commit("in-the-middle", Map.of(
                partition("codec.gzip", 1), at(7, "sieben"),
                partition("singles", 0), at(123, "{\"host\":\"größe-名前\"}"),
                partition("append-time", 1), at(31, ""),
                partition("timestamps", 0), at(5, " ")));
        commit("behind-log-start", Map.of(
                partition("trimmed", 0), at(12, "late"),
                partition("trimmed", 1), at(3, ""),
                partition("trimmed", 2), at(100, "just there")));
        commit("beyond-end", Map.of(partition("headers", 0), at(end("headers", 0) + 1_000, "too far")));
        commit("in-transactions", someOffset("transactions", 0, 23));
        commit("among-markers", someOffset("transactions", 1, 17));
        if (compaction) {
            commit("in-gaps", Map.of(
                    partition("compacted", 0), at(gap("compacted", 0), "in a gap"),
                    partition("compacted", 1), at(gap("compacted", 1), ""),
                    partition("compacted.transactional", 0), at(gap("compacted.transactional", 0), "")));
        }
        Map<TopicPartition, OffsetAndMetadata> wide = new HashMap<>();
        for (int i = 0; i < 100; i++) {
            wide.put(partition("wide", i), at(i % 7 == 3 ? 0 : i % 3, "p" + i));
        }
        commit("wide.and-others", wide);
        consume("consumed");
    }

    /** A group as an application leaves it: it subscribed, it read, it committed with the leader's epoch. */
    private void consume(String group) {
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(cluster, Map.of(
                "group.id", group, "auto.offset.reset", "earliest", "max.poll.records", 150))) {
            consumer.subscribe(List.of("codec.none", "codec.zstd"));
            long read = 0;
            while (read < 500) {
                for (ConsumerRecord<byte[], byte[]> ignored : consumer.poll(Duration.ofMillis(200))) {
                    read++;
                }
                consumer.commitSync();
            }
        }
    }

    private void commit(String group, Map<TopicPartition, OffsetAndMetadata> offsets) throws Exception {
        admin.alterConsumerGroupOffsets(group, offsets).all().get();
    }

    /** An offset that compaction took away, before one that is still there. */
    private long gap(String topic, int partition) {
        List<Long> offsets = new ArrayList<>();
        Oracle.scan(cluster, List.of(partition(topic, partition)), "read_committed",
                record -> offsets.add(record.offset()));
        for (int i = 1; i < offsets.size(); i++) {
            if (offsets.get(i) > offsets.get(i - 1) + 1) {
                return offsets.get(i) - 1;
            }
        }
        throw new IllegalStateException(topic + "-" + partition + " has no gap");
    }

    /** Some offset of the partition that may be a record, an aborted one, or a marker. */
    private Map<TopicPartition, OffsetAndMetadata> someOffset(String topic, int partition, long offset)
            throws Exception {
        return Map.of(partition(topic, partition), at(Math.min(offset, end(topic, partition)), "offset " + offset));
    }

    private long end(String topic, int partition) throws Exception {
        TopicPartition tp = partition(topic, partition);
        return admin.listOffsets(Map.of(tp, OffsetSpec.latest())).partitionResult(tp).get().offset();
    }

    private static TopicPartition partition(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    private static OffsetAndMetadata at(long offset, String metadata) {
        return new OffsetAndMetadata(offset, Optional.empty(), metadata);
    }
}
