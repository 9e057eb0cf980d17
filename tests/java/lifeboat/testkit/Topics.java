package lifeboat.testkit;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RetriableException;

/** Topics and their configurations, through Kafka's own admin client. */
final class Topics {
    record DescribeRequest(Cluster cluster, List<String> topics) {}

    /** {@code configs}: only what was set for this topic. */
    record Described(String name, String id, int partitions, int replicationFactor, Map<String, String> configs) {}

    record DescribedTopics(List<Described> topics) {}

    record LeadersRequest(Cluster cluster) {}

    /** Ids of nodes; {@code leader} is -1 where none leads. */
    record Led(String topic, int partition, int leader, int replicas, List<Integer> inSync) {}

    record Leaders(List<Led> partitions) {}

    record Wanted(String name, int partitions, short replicationFactor, Map<String, String> configs) {}

    record CreateRequest(Cluster cluster, List<Wanted> topics) {}

    record DeleteRequest(Cluster cluster, List<String> topics) {}

    record TrimRequest(Cluster cluster, String topic, int partition, long before) {}

    /** A null value takes the setting away. */
    record AlterRequest(Cluster cluster, String topic, Map<String, String> configs) {}

    private Topics() {}

    /** Of every partition, internal ones too. */
    static Leaders leaders(LeadersRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            var names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
            List<Led> partitions = new ArrayList<>();
            admin.describeTopics(names).allTopicNames().get().forEach((name, topic) -> topic.partitions()
                    .forEach(p -> partitions.add(new Led(name, p.partition(),
                            p.leader() == null ? -1 : p.leader().id(), p.replicas().size(),
                            p.isr().stream().map(Node::id).toList()))));
            return new Leaders(partitions);
        }
    }

    static DescribedTopics describe(DescribeRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            Map<String, TopicDescription> topics = new TreeMap<>(Clients.topics(admin, request.topics));
            List<ConfigResource> resources = new ArrayList<>();
            topics.keySet().forEach(name -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, name)));
            var configs = admin.describeConfigs(resources).all().get();
            List<Described> described = new ArrayList<>();
            topics.forEach((name, topic) -> {
                Map<String, String> set = new TreeMap<>();
                for (ConfigEntry entry : configs.get(new ConfigResource(ConfigResource.Type.TOPIC, name)).entries()) {
                    if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                        set.put(entry.name(), entry.value());
                    }
                }
                described.add(new Described(name, topic.topicId().toString(), topic.partitions().size(),
                        topic.partitions().get(0).replicas().size(), set));
            });
            return new DescribedTopics(described);
        }
    }

    static Map<String, Object> create(CreateRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            create(admin, request.topics);
        }
        return Map.of();
    }

    /**
     * Creates them and waits until every leader leads. Metadata tell of a leader before it knows of its task, and until
     * then it refuses batches: where it refuses a new producer's first batch and takes the second, Kafka accepts that
     * (it knows no sequence yet), and the first one is out of order for ever.
     */
    static void create(Admin admin, Collection<Wanted> wanted) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        Map<TopicPartition, OffsetSpec> partitions = new HashMap<>();
        for (Wanted topic : wanted) {
            topics.add(new NewTopic(topic.name, topic.partitions, topic.replicationFactor).configs(topic.configs));
            for (int partition = 0; partition < topic.partitions; partition++) {
                partitions.put(new TopicPartition(topic.name, partition), OffsetSpec.latest());
            }
        }
        admin.createTopics(topics).all().get();
        // only the leader answers; the client asks until it does
        Waiting.until("every new partition has a leader", 60_000, () -> {
            try {
                admin.listOffsets(partitions).all().get();
                return true;
            } catch (ExecutionException problem) {
                if (problem.getCause() instanceof RetriableException) {
                    return false;
                }
                throw problem;
            }
        });
    }

    static Map<String, Object> delete(DeleteRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            admin.deleteTopics(request.topics).all().get();
        }
        return Map.of();
    }

    static Map<String, Object> trim(TrimRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            trim(admin, new TopicPartition(request.topic, request.partition), request.before);
        }
        return Map.of();
    }

    static void trim(Admin admin, TopicPartition partition, long before) throws Exception {
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before))).all().get();
    }

    static Map<String, Object> alter(AlterRequest request) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        request.configs.forEach((name, value) -> changes.add(new AlterConfigOp(new ConfigEntry(name, value),
                value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)));
        try (Admin admin = Clients.admin(request.cluster)) {
            Map<ConfigResource, Collection<AlterConfigOp>> all = new HashMap<>();
            all.put(new ConfigResource(ConfigResource.Type.TOPIC, request.topic), changes);
            admin.incrementalAlterConfigs(all).all().get();
        }
        return Map.of();
    }
}
