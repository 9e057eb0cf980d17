package lifeboat.testkit;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.MetricName;

/** Much lifelike data, as fast as it goes: for the demo and the benches. */
final class Bulk {
    /**
     * Ends after {@code records} records or {@code bytes} of keys and values or {@code storedBytes} sent to the broker,
     * whichever comes first (0: no bound). {@code kind}: orders or clicks. {@code keys}: how many distinct ones.
     * {@code recordsPerTransaction} 0: no transactions, else every {@code abortEvery}th one is aborted (0: none).
     * Record times run from {@code startTimestamp} in steps of {@code stepMs}.
     */
    record Request(
            Cluster cluster, String topic, int partitions, short replicationFactor, Map<String, String> configs,
            String kind, long seed, int keys, String codec, int batchBytes, boolean oneRecordPerBatch, long records,
            long bytes, long storedBytes, int recordsPerTransaction, int abortEvery, long startTimestamp,
            double stepMs) {}

    record Report(long records, long bytes, long storedBytes, long aborted, double seconds) {}

    private Bulk() {}

    static Report fill(Request request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            Topics.create(admin, List.of(new Topics.Wanted(
                    request.topic, request.partitions, request.replicationFactor, request.configs)));
        }
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(request.cluster, settings(request))) {
            return fill(request, producer);
        }
    }

    private static Map<String, String> settings(Request request) {
        Map<String, String> settings = new TreeMap<>();
        settings.put("compression.type", request.codec);
        settings.put("batch.size", request.oneRecordPerBatch ? "0" : String.valueOf(request.batchBytes));
        settings.put("linger.ms", request.oneRecordPerBatch ? "0" : "50");
        settings.put("buffer.memory", "67108864");
        if (request.recordsPerTransaction > 0) {
            settings.put("transactional.id", "bulk." + request.topic);
        }
        return settings;
    }

    private static Report fill(Request request, KafkaProducer<byte[], byte[]> producer) throws Exception {
        boolean transactional = request.recordsPerTransaction > 0;
        if (transactional) {
            producer.initTransactions();
        }
        Lifelike lifelike = new Lifelike(request.seed, request.kind, request.keys);
        AtomicReference<Exception> failure = new AtomicReference<>();
        long started = System.nanoTime();
        long records = 0;
        long bytes = 0;
        long aborted = 0;
        long transactions = 0;
        while (!enough(request, producer, records, bytes)) {
            if (failure.get() != null) {
                throw failure.get();
            }
            if (transactional && records % request.recordsPerTransaction == 0) {
                producer.beginTransaction();
            }
            byte[] key = lifelike.key();
            byte[] value = lifelike.value(records);
            long timestamp = request.startTimestamp + (long) (records * request.stepMs);
            // by the key, as a producer's partitioner does
            int partition = Math.floorMod(lifelike.lastKey() * 0x9E3779B1, request.partitions);
            producer.send(new ProducerRecord<>(request.topic, partition, timestamp, key, value, lifelike.headers()),
                    (sent, problem) -> failure.compareAndSet(null, problem));
            records++;
            bytes += key.length + value.length;
            if (transactional && records % request.recordsPerTransaction == 0) {
                transactions++;
                if (request.abortEvery > 0 && transactions % request.abortEvery == 0) {
                    producer.flush();
                    producer.abortTransaction();
                    aborted += request.recordsPerTransaction;
                } else {
                    producer.commitTransaction();
                }
            }
        }
        if (transactional && records % request.recordsPerTransaction != 0) {
            producer.commitTransaction();
        }
        producer.flush();
        if (failure.get() != null) {
            throw failure.get();
        }
        return new Report(records, bytes, sent(producer), aborted, (System.nanoTime() - started) / 1e9);
    }

    private static boolean enough(
            Request request, KafkaProducer<byte[], byte[]> producer, long records, long bytes) {
        return request.records > 0 && records >= request.records
                || request.bytes > 0 && bytes >= request.bytes
                // a look at the metrics is dear
                || request.storedBytes > 0 && records % 10_000 == 0 && sent(producer) >= request.storedBytes;
    }

    private static long sent(KafkaProducer<byte[], byte[]> producer) {
        for (var metric : producer.metrics().entrySet()) {
            MetricName name = metric.getKey();
            if (name.name().equals("outgoing-byte-total") && name.group().equals("producer-metrics")) {
                return ((Double) metric.getValue().metricValue()).longValue();
            }
        }
        throw new IllegalStateException("the producer does not tell how much it sent");
    }
}
