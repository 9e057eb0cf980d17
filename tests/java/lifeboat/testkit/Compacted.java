package lifeboat.testkit;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** Compacted topics with gaps. */
final class Compacted {
    private static final int ROUNDS = 5;
    private static final int KEYS = 60;
    private static final long HOUR = 3_600_000;

    private static final long ROLL_MS = 100;

    private final Cluster cluster;
    private final Values values;
    private final long now;
    /** Where the last round begins, which is in the active segment and stays as it is. */
    private final Map<TopicPartition, Long> uncleaned = new ConcurrentHashMap<>();

    Compacted(Cluster cluster, Values values, long now) {
        this.cluster = cluster;
        this.values = values;
        this.now = now;
    }

    /**
     * Settings under which each round begins a new segment, and all but the last one are cleaned soon. Kafka rolls by
     * record times, markers included.
     */
    static Map<String, String> settings() {
        return Map.of("cleanup.policy", "compact", "segment.ms", String.valueOf(ROLL_MS),
                "min.cleanable.dirty.ratio", "0.001", "min.compaction.lag.ms", "0");
    }

    /** Five rounds over the same keys, tombstones among them; one round is aborted where they are transactions. */
    long fill(String topic, int partitions, int perRound, boolean transactional) throws Exception {
        Map<String, String> settings = transactional
                ? Map.of("transactional.id", topic, "compression.type", "lz4")
                : Map.of("compression.type", "zstd");
        long sent = 0;
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(cluster, settings)) {
            if (transactional) {
                producer.initTransactions();
            }
            for (int round = 0; round < ROUNDS; round++) {
                long time = now - (ROUNDS - round) * HOUR;
                if (transactional) {
                    producer.beginTransaction();
                    // markers bear the broker's time: the records must go with it
                    Thread.sleep(2 * ROLL_MS);
                    time = System.currentTimeMillis();
                }
                uncleaned.clear();
                for (int i = 0; i < perRound; i++) {
                    byte[] value = values.below(10) == 0 ? null : values.json();
                    byte[] key = Values.text("key-" + values.below(KEYS));
                    producer.send(new ProducerRecord<>(topic, i % partitions, time, key, value),
                            (record, problem) -> note(record));
                    sent++;
                    if (i % 50 == 49) {
                        producer.flush();
                    }
                }
                producer.flush();
                if (transactional && round == 2) {
                    producer.abortTransaction();
                } else if (transactional) {
                    producer.commitTransaction();
                }
            }
        }
        for (TopicPartition partition : List.copyOf(uncleaned.keySet())) {
            Waiting.until(partition + " is compacted", 60_000, () -> isCompacted(partition));
        }
        return sent;
    }

    private void note(RecordMetadata record) {
        uncleaned.merge(new TopicPartition(record.topic(), record.partition()), record.offset(), Math::min);
    }

    private boolean isCompacted(TopicPartition partition) {
        Set<String> keys = new HashSet<>();
        boolean[] repeated = {false};
        Oracle.scan(cluster, List.of(partition), "read_uncommitted", record -> {
            if (record.offset() < uncleaned.get(partition) && !keys.add(new String(record.key()))) {
                repeated[0] = true;
            }
        });
        return !repeated[0];
    }
}
