package lifeboat.testkit;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka's own clients, set up for bytes. */
final class Clients {
    private Clients() {}

    static KafkaProducer<byte[], byte[]> producer(Cluster cluster, Map<String, ?> settings) {
        Properties properties = new Properties();
        properties.putAll(cluster.client());
        properties.put("linger.ms", 20);
        properties.put("delivery.timeout.ms", 60_000);
        properties.put("request.timeout.ms", 20_000);
        properties.putAll(settings);
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Cluster cluster, Map<String, ?> settings) {
        Properties properties = new Properties();
        properties.putAll(cluster.client());
        properties.put("enable.auto.commit", false);
        properties.put("auto.offset.reset", "none");
        properties.put("allow.auto.create.topics", false);
        properties.put("max.poll.records", 5_000);
        properties.put("fetch.max.wait.ms", 50);
        properties.putAll(settings);
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static Admin admin(Cluster cluster) {
        Map<String, Object> properties = cluster.client();
        properties.put("request.timeout.ms", 20_000);
        return Admin.create(properties);
    }

    /** The named topics, or all that are not internal. */
    static Map<String, TopicDescription> topics(Admin admin, Collection<String> named) throws Exception {
        Set<String> names = new TreeSet<>(named);
        if (names.isEmpty()) {
            names.addAll(admin.listTopics(new ListTopicsOptions().listInternal(false)).names().get());
        }
        return admin.describeTopics(names).allTopicNames().get();
    }

    static List<TopicPartition> partitions(Collection<TopicDescription> topics) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (TopicDescription topic : topics) {
            topic.partitions().forEach(p -> partitions.add(new TopicPartition(topic.name(), p.partition())));
        }
        return partitions;
    }
}
