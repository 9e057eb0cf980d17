package lifeboat.testkit;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Consumers that stay in their group for a while. */
final class Members {
    /**
     * {@code kind}: classic, consumer or share. The member stays until the file {@code whileThere} is removed.
     */
    record Request(
            Cluster cluster, String kind, String group, String topic, String clientId, String instanceId,
            String whileThere) {}

    /** As it stands in {@code groups.json}. */
    record Member(
            String memberId, String instanceId, String clientId, String host,
            Map<String, List<Integer>> assignment) {}

    record Joined(String state, Member member) {}

    private Members() {}

    /** Returns when Kafka says that the member reads something. */
    static Joined join(Request request) throws Exception {
        Thread reader = new Thread(() -> read(request), "member of " + request.group);
        reader.setDaemon(true);
        reader.start();
        Joined[] joined = new Joined[1];
        try (Admin admin = Clients.admin(request.cluster)) {
            Waiting.until(request.group + " has a member that reads", 60_000, () -> {
                try {
                    joined[0] = request.kind.equals("share") ? share(admin, request) : consumer(admin, request);
                    return joined[0] != null;
                } catch (ExecutionException problem) {
                    if (problem.getCause() instanceof GroupIdNotFoundException) {
                        return false;
                    }
                    throw problem;
                }
            });
        }
        return joined[0];
    }

    private static void read(Request request) {
        Map<String, Object> settings = new HashMap<>(request.cluster.client());
        settings.put("group.id", request.group);
        settings.put("client.id", request.clientId);
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        Path file = Path.of(request.whileThere);
        if (request.kind.equals("share")) {
            try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(settings)) {
                consumer.subscribe(List.of(request.topic));
                while (Files.exists(file)) {
                    consumer.poll(Duration.ofMillis(100));
                }
            }
            return;
        }
        settings.put("group.protocol", request.kind);
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        if (request.instanceId != null) {
            settings.put("group.instance.id", request.instanceId);
        }
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            consumer.subscribe(List.of(request.topic));
            while (Files.exists(file)) {
                if (!consumer.poll(Duration.ofMillis(100)).isEmpty()) {
                    consumer.commitSync();
                }
            }
        }
    }

    private static Joined consumer(Admin admin, Request request) throws Exception {
        var group = admin.describeConsumerGroups(List.of(request.group)).all().get().get(request.group);
        for (var member : group.members()) {
            var assigned = assignment(member.assignment().topicPartitions());
            if (!assigned.isEmpty() && group.groupState().toString().equals("Stable")) {
                return new Joined(group.groupState().toString(), new Member(member.consumerId(),
                        member.groupInstanceId().orElse(null), member.clientId(), member.host(), assigned));
            }
        }
        return null;
    }

    private static Joined share(Admin admin, Request request) throws Exception {
        var group = admin.describeShareGroups(List.of(request.group)).all().get().get(request.group);
        for (var member : group.members()) {
            var assigned = assignment(member.assignment().topicPartitions());
            if (!assigned.isEmpty()) {
                return new Joined(group.groupState().toString(),
                        new Member(member.consumerId(), null, member.clientId(), member.host(), assigned));
            }
        }
        return null;
    }

    private static Map<String, List<Integer>> assignment(Set<TopicPartition> partitions) {
        Map<String, List<Integer>> assignment = new TreeMap<>();
        partitions.forEach(tp -> assignment.computeIfAbsent(tp.topic(), any -> new ArrayList<>()).add(tp.partition()));
        assignment.values().forEach(list -> list.sort(null));
        return assignment;
    }
}
