package lifeboat.testkit;

import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Single records, for tests that need exactly these. */
final class Produce {
    /** Bytes are base64, absent for null. */
    record Header(String name, String value) {}

    /** A negative partition leaves it to the producer, which goes by the key. */
    record Message(String topic, int partition, Long timestamp, String key, String value, List<Header> headers) {}

    /** {@code settings}: of the producer. {@code flushEach}: every record in a batch of its own. */
    record Request(Cluster cluster, Map<String, String> settings, boolean flushEach, List<Message> records) {}

    record Sent(List<Long> offsets) {}

    private Produce() {}

    static Sent send(Request request) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(request.cluster, request.settings)) {
            boolean transactional = request.settings.containsKey("transactional.id");
            if (transactional) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            for (Message message : request.records) {
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(message.topic,
                        message.partition < 0 ? null : message.partition, message.timestamp, bytes(message.key), bytes(message.value));
                for (Header header : message.headers) {
                    record.headers().add(new RecordHeader(header.name, bytes(header.value)));
                }
                sent.add(producer.send(record));
                if (request.flushEach) {
                    producer.flush();
                }
            }
            if (transactional) {
                producer.commitTransaction();
            }
            producer.flush();
            List<Long> offsets = new ArrayList<>();
            for (Future<RecordMetadata> future : sent) {
                offsets.add(future.get().offset());
            }
            return new Sent(offsets);
        }
    }

    private static byte[] bytes(String base64) {
        return base64 == null ? null : Base64.getDecoder().decode(base64);
    }
}
