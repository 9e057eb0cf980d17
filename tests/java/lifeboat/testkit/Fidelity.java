package lifeboat.testkit;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * A small cluster that holds one of everything: what a restore must give back as it was. One method a promise; all of it
 * follows from the seed, but for the times, which count from now.
 */
final class Fidelity {
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final long YEAR = 365L * 24 * 3_600_000;

    /** {@code scale} 1 is about 10,000 records. {@code compaction}: wait for the cleaner, too. */
    record Request(Cluster cluster, long seed, int scale, short replicationFactor, boolean compaction) {}

    /** {@code openTransactions}: the transactional ids of those that were left open. */
    record Report(List<String> topics, List<String> openTransactions, long records) {}

    private final Request request;
    private final Values values;
    private final long now = System.currentTimeMillis();
    private final Map<String, Topics.Wanted> topics = new LinkedHashMap<>();
    private final List<String> openTransactions = new ArrayList<>();
    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private long records;

    private Fidelity(Request request) {
        this.request = request;
        this.values = new Values(request.seed);
    }

    static Report fill(Request request) throws Exception {
        return new Fidelity(request).fill();
    }

    private Report fill() throws Exception {
        declareTopics();
        try (Admin admin = Clients.admin(request.cluster)) {
            Topics.create(admin, topics.values());
            codecs();
            plain();
            timestamps();
            singles();
            large();
            wide();
            transactions();
            Compacted compacted = new Compacted(request.cluster, values, now);
            if (request.compaction) {
                records += compacted.fill("compacted", 2, 400 * request.scale, false);
                records += compacted.fill("compacted.transactional", 1, 200 * request.scale, true);
            }
            trimmed(admin);
            new FidelityGroups(request.cluster, admin).commit(request.compaction);
        }
        if (failure.get() != null) {
            throw failure.get();
        }
        return new Report(List.copyOf(topics.keySet()), openTransactions, records);
    }

    private void declareTopics() {
        for (String codec : CODECS) {
            topic("codec." + codec, 3, Map.of());
        }
        topic("recompressed", 2, Map.of("compression.type", "zstd"));
        topic("headers", 1, Map.of());
        topic("not-idempotent", 1, Map.of());
        topic("append-time", 2, Map.of("message.timestamp.type", "LogAppendTime"));
        topic("timestamps", 2, Map.of("retention.ms", "-1"));
        topic("singles", 2, Map.of());
        topic("large", 1, Map.of());
        topic("larger", 1, Map.of("max.message.bytes", "6000000"));
        topic("wide", 100, Map.of());
        topic("transactions", 3, Map.of());
        topic("trimmed", 4, Map.of());
        topic("empty", 3, Map.of());
        topic("configured", 1, Map.of("retention.ms", "86400000", "retention.bytes", "1073741824",
                "max.message.bytes", "2000000", "min.insync.replicas", "1", "compression.type", "lz4",
                "cleanup.policy", "compact,delete", "segment.bytes", "2097152"));
        // as long as Kafka allows a name to be
        topic("long-" + "n".repeat(244), 1, Map.of());
        topic("compacted", 2, Compacted.settings());
        topic("compacted.transactional", 1, Compacted.settings());
    }

    private void topic(String name, int partitions, Map<String, String> configs) {
        topics.put(name, new Topics.Wanted(name, partitions, request.replicationFactor, configs));
    }

    /** Keys, values and headers of all kinds, in batches of several records, with every codec. */
    private void codecs() {
        for (String codec : CODECS) {
            try (var producer = producer(Map.of("compression.type", codec))) {
                mixed(producer, "codec." + codec, 3, 400 * request.scale);
            }
        }
        try (var producer = producer(Map.of("compression.type", "gzip"))) {
            mixed(producer, "recompressed", 2, 200 * request.scale);
        }
    }

    private void plain() {
        try (var producer = producer(Map.of())) {
            for (int i = 0; i < 300 * request.scale; i++) {
                var record = record("headers", 0, null, values.key(), values.value());
                for (int j = 0; j < 3; j++) {
                    values.headers().forEach(record.headers()::add);
                }
                send(producer, record);
            }
            mixed(producer, "long-" + "n".repeat(244), 1, 20);
            for (int i = 0; i < 50; i++) {
                send(producer, record("configured", 0, null, Values.text("k" + i), values.json()));
            }
        }
        try (var producer = producer(Map.of("enable.idempotence", "false", "acks", "1"))) {
            mixed(producer, "not-idempotent", 1, 100 * request.scale);
        }
    }

    /** Out of order, zero, ten years old, half an hour ahead; and a LogAppendTime topic whose producer is ten years off. */
    private void timestamps() {
        for (String codec : List.of("none", "lz4")) {
            try (var producer = producer(Map.of("compression.type", codec))) {
                for (int i = 0; i < 150 * request.scale; i++) {
                    long timestamp = switch (values.below(5)) {
                        case 0 -> 0;
                        case 1 -> now - 10 * YEAR - values.below(1_000_000);
                        case 2 -> now + 1_800_000;
                        default -> now - values.below(86_400_000);
                    };
                    send(producer, record("timestamps", i % 2, timestamp, values.key(), values.value()));
                    long off = i % 2 == 0 ? -10 * YEAR : 10 * YEAR;
                    send(producer, record("append-time", i % 2, now + off + i, values.key(), values.value()));
                }
            }
        }
    }

    /** A batch for every record. */
    private void singles() {
        try (var producer = producer(Map.of("batch.size", "0", "linger.ms", "0"))) {
            mixed(producer, "singles", 2, 1_000 * request.scale);
        }
    }

    /** 900 KB records that compress and that do not, and 3 MB ones where the topic allows them. */
    private void large() {
        for (String codec : List.of("none", "zstd")) {
            try (var producer = producer(Map.of("compression.type", codec, "max.request.size", "5000000"))) {
                for (int i = 0; i < 3 * request.scale; i++) {
                    send(producer, record("large", 0, null, values.key(), values.bytes(900_000)));
                    send(producer, record("large", 0, null, values.key(), Values.text("lifeboat ".repeat(100_000))));
                }
                send(producer, record("larger", 0, null, values.key(), values.bytes(3_000_000)));
            }
        }
    }

    /** Many partitions with little in each, some with nothing. */
    private void wide() {
        try (var producer = producer(Map.of("compression.type", "snappy"))) {
            for (int partition = 0; partition < 100; partition++) {
                int count = partition % 7 == 3 ? 0 : 1 + values.below(10 * request.scale);
                for (int i = 0; i < count; i++) {
                    send(producer, record("wide", partition, null, values.key(), values.value()));
                }
            }
        }
    }

    /**
     * Partition 0: committed and aborted transactions of two producers, interleaved, with plain records between.
     * Partition 1: the same, then one left open with plain records behind it. Partition 2: nothing but one left open.
     */
    private void transactions() {
        try (var plain = producer(Map.of());
                var first = transactional("first");
                var second = transactional("second")) {
            for (int round = 0; round < 12 * request.scale; round++) {
                int partition = round % 2;
                first.beginTransaction();
                second.beginTransaction();
                for (int i = 0; i < 1 + values.below(8); i++) {
                    mixed(first, "transactions", partition, "first", 2);
                    mixed(second, "transactions", partition, "second", 1);
                    mixed(plain, "transactions", partition, "plain", 1);
                    first.flush();
                    second.flush();
                    plain.flush();
                }
                end(first, round % 3 == 1);
                mixed(second, "transactions", partition, "second", 1);
                end(second, round % 4 == 2);
            }
            for (int partition : List.of(1, 2)) {
                var open = transactional("open-" + partition);
                open.beginTransaction();
                mixed(open, "transactions", partition, "open", 5);
                Transactions.abandon(open);
                openTransactions.add("open-" + partition);
            }
            mixed(plain, "transactions", 1, "behind", 20);
        }
    }

    private static void end(KafkaProducer<byte[], byte[]> producer, boolean abort) {
        if (abort) {
            // what was not sent yet would never reach the log
            producer.flush();
            producer.abortTransaction();
        } else {
            producer.commitTransaction();
        }
    }

    /** Partition 0: cut in the middle of a batch. 1: everything deleted. 2: cut between batches. 3: whole. */
    private void trimmed(Admin admin) throws Exception {
        try (var producer = producer(Map.of("linger.ms", "1000", "compression.type", "gzip"))) {
            for (int batch = 0; batch < 4; batch++) {
                mixed(producer, "trimmed", 4, 200);
                producer.flush();
            }
        }
        long each = 4 * 50;
        Topics.trim(admin, new TopicPartition("trimmed", 0), 77);
        Topics.trim(admin, new TopicPartition("trimmed", 1), each);
        Topics.trim(admin, new TopicPartition("trimmed", 2), 100);
    }

    /** {@code count} records of all kinds, dealt out to the partitions. */
    private void mixed(KafkaProducer<byte[], byte[]> producer, String topic, int partitions, int count) {
        for (int i = 0; i < count; i++) {
            var record = record(topic, i % partitions, null, values.key(), values.value());
            values.headers().forEach(record.headers()::add);
            send(producer, record);
        }
    }

    private void mixed(
            KafkaProducer<byte[], byte[]> producer, String topic, int partition, String from, int count) {
        for (int i = 0; i < count; i++) {
            send(producer, record(topic, partition, null, Values.text(from), values.value()));
        }
    }

    private ProducerRecord<byte[], byte[]> record(
            String topic, int partition, Long timestamp, byte[] key, byte[] value) {
        return new ProducerRecord<>(topic, partition, timestamp, key, value);
    }

    private void send(KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) {
        // what a callback throws, the producer swallows
        producer.send(record, (sent, problem) -> failure.compareAndSet(null, problem));
        records++;
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, String> settings) {
        return Clients.producer(request.cluster, settings);
    }

    private KafkaProducer<byte[], byte[]> transactional(String id) {
        // as long as the broker allows: those left open must outlive the test
        KafkaProducer<byte[], byte[]> producer =
                producer(Map.of("transactional.id", id, "transaction.timeout.ms", "900000", "linger.ms", "0"));
        producer.initTransactions();
        return producer;
    }
}
