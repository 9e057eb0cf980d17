package lifeboat.testkit;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/** What Kafka's own consumer sees in a cluster. */
final class Oracle {
    /** A checkpoint of the digest is taken after so many records, so that a difference is found quickly. */
    private static final int CHECKPOINT = 1_000;
    private static final long STALLED_AFTER_MS = 30_000;

    /** {@code topics} empty: all but internal ones. {@code isolation}: read_committed or read_uncommitted. */
    record ReadRequest(Cluster cluster, List<String> topics, String isolation, boolean timestampType) {}

    record Contents(List<Partition> partitions) {}

    record Partition(
            String topic,
            int partition,
            long start,
            long end,
            long records,
            long bytes,
            String digest,
            List<String> checkpoints) {}

    record RecordsRequest(Cluster cluster, String topic, int partition, String isolation, long skip, long limit) {}

    /** A record for people; {@code digest} is its canonical form's. */
    record Shown(
            long index, long offset, String timestampType, long timestamp, String key, String value,
            List<String> headers, String digest) {}

    record ShownRecords(List<Shown> records) {}

    private Oracle() {}

    static Contents read(ReadRequest request) throws Exception {
        List<TopicPartition> partitions;
        try (Admin admin = Clients.admin(request.cluster)) {
            partitions = Clients.partitions(Clients.topics(admin, request.topics).values());
        }
        Map<TopicPartition, Tally> tallies = new LinkedHashMap<>();
        Map<TopicPartition, long[]> bounds = scan(request.cluster, partitions, request.isolation, record ->
                tallies.computeIfAbsent(new TopicPartition(record.topic(), record.partition()),
                        tp -> new Tally(request.timestampType)).add(record));
        List<Partition> seen = new ArrayList<>();
        for (TopicPartition tp : partitions) {
            Tally tally = tallies.getOrDefault(tp, new Tally(request.timestampType));
            long[] range = bounds.get(tp);
            seen.add(new Partition(tp.topic(), tp.partition(), range[0], range[1], tally.records, tally.bytes,
                    tally.canonical.hex(), tally.checkpoints));
        }
        return new Contents(seen);
    }

    static ShownRecords records(RecordsRequest request) {
        List<Shown> shown = new ArrayList<>();
        long[] index = {0};
        TopicPartition tp = new TopicPartition(request.topic, request.partition);
        scan(request.cluster, List.of(tp), request.isolation, record -> {
            long at = index[0]++;
            if (at >= request.skip && at < request.skip + request.limit) {
                shown.add(show(at, record));
            }
        });
        return new ShownRecords(shown);
    }

    /** Reads everything that there is when it begins, and tells the bounds (log start and end) that it took. */
    static Map<TopicPartition, long[]> scan(
            Cluster cluster,
            Collection<TopicPartition> partitions,
            String isolation,
            Consumer<ConsumerRecord<byte[], byte[]>> each) {
        Map<TopicPartition, long[]> bounds = new LinkedHashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                Clients.consumer(cluster, Map.of("isolation.level", isolation))) {
            Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Set<TopicPartition> unread = new HashSet<>();
            for (TopicPartition tp : partitions) {
                bounds.put(tp, new long[] {starts.get(tp), ends.get(tp)});
                if (starts.get(tp) < ends.get(tp)) {
                    unread.add(tp);
                }
            }
            consumer.assign(unread);
            unread.forEach(tp -> consumer.seek(tp, starts.get(tp)));
            long progress = System.currentTimeMillis();
            long positions = -1;
            while (!unread.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(java.time.Duration.ofMillis(200))) {
                    if (record.offset() < ends.get(new TopicPartition(record.topic(), record.partition()))) {
                        each.accept(record);
                    }
                }
                long sum = 0;
                List<TopicPartition> done = new ArrayList<>();
                for (TopicPartition tp : unread) {
                    long position = consumer.position(tp);
                    sum += position;
                    if (position >= ends.get(tp)) {
                        done.add(tp);
                    }
                }
                if (!done.isEmpty()) {
                    unread.removeAll(done);
                    consumer.pause(done);
                } else if (sum == positions && System.currentTimeMillis() - progress > STALLED_AFTER_MS) {
                    throw new IllegalStateException("no progress in " + unread + ", wanted the ends " + ends);
                }
                if (sum != positions || !done.isEmpty()) {
                    progress = System.currentTimeMillis();
                }
                positions = sum;
            }
        }
        return bounds;
    }

    static Shown show(long index, ConsumerRecord<byte[], byte[]> record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(header.key() + "=" + text(header.value()));
        }
        return new Shown(index, record.offset(), record.timestampType().name, record.timestamp(), text(record.key()),
                text(record.value()), headers, Canonical.of(record));
    }

    /** Text where it is text, else hexadecimal; long ones shortened, with their digest. */
    private static String text(byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        byte[] head = Arrays.copyOf(bytes, Math.min(bytes.length, 200));
        String rest = bytes.length > head.length
                ? "… (" + bytes.length + " bytes, SHA-256 " + Canonical.of(bytes) + ")"
                : "";
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(head)) + rest;
        } catch (CharacterCodingException binary) {
            return "0x" + HexFormat.of().formatHex(head) + rest;
        }
    }

    private static final class Tally {
        final Canonical canonical;
        final List<String> checkpoints = new ArrayList<>();
        long records;
        long bytes;

        Tally(boolean timestampType) {
            canonical = new Canonical(timestampType);
        }

        void add(ConsumerRecord<byte[], byte[]> record) {
            canonical.update(record);
            records++;
            bytes += Math.max(record.serializedKeySize(), 0) + Math.max(record.serializedValueSize(), 0);
            if (records % CHECKPOINT == 0) {
                checkpoints.add(canonical.hex().substring(0, 16));
            }
        }
    }
}
