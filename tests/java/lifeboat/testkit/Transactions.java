package lifeboat.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;

/** Transactions that their producers left behind. */
final class Transactions {
    record SettleRequest(Cluster cluster, List<String> transactionalIds) {}

    record ListRequest(Cluster cluster) {}

    record Listed(String transactionalId, long producerId, String state) {}

    record ListedTransactions(List<Listed> transactions) {}

    private Transactions() {}

    /** Aborts them, as a producer does that starts again under the same id. */
    static Map<String, Object> settle(SettleRequest request) {
        for (String id : request.transactionalIds) {
            try (KafkaProducer<byte[], byte[]> producer =
                    Clients.producer(request.cluster, Map.of("transactional.id", id))) {
                producer.initTransactions();
            }
        }
        return Map.of();
    }

    static ListedTransactions list(ListRequest request) throws Exception {
        List<Listed> listed = new ArrayList<>();
        try (Admin admin = Clients.admin(request.cluster)) {
            admin.listTransactions().all().get().forEach(transaction -> listed.add(new Listed(
                    transaction.transactionalId(), transaction.producerId(), transaction.state().toString())));
        }
        return new ListedTransactions(listed);
    }

    /** Goes away in the middle of a transaction, as a killed producer does: a plain close would abort it. */
    static void abandon(KafkaProducer<byte[], byte[]> producer) {
        producer.flush();
        producer.close(Duration.ZERO);
    }
}
