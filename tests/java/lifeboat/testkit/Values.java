package lifeboat.testkit;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SplittableRandom;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Seeded keys, values and headers of every kind that Kafka can store. */
final class Values {
    private static final List<String> HEADER_NAMES = List.of(
            "trace-id", "content-type", "größe", "ключ", "名前", "", "dup", "dup", "emoji-🛟", "a.very.long.header.name");

    private final SplittableRandom random;

    Values(long seed) {
        random = new SplittableRandom(seed);
    }

    int below(int bound) {
        return random.nextInt(bound);
    }

    /** Null, empty, binary, or text. */
    byte[] key() {
        return switch (below(8)) {
            case 0 -> null;
            case 1 -> new byte[0];
            case 2 -> bytes(1 + below(40));
            default -> text("key-" + below(500));
        };
    }

    /** Null, empty, binary, or a lifelike text. */
    byte[] value() {
        return switch (below(10)) {
            case 0 -> null;
            case 1 -> new byte[0];
            case 2, 3 -> bytes(1 + below(1_500));
            default -> json();
        };
    }

    byte[] json() {
        return text("{\"order_id\":" + random.nextLong(1_000_000_000L) + ",\"customer\":\"c-" + below(5_000)
                + "\",\"status\":\"" + List.of("NEW", "PAID", "SHIPPED", "RETURNED").get(below(4))
                + "\",\"amount\":" + below(100_000) / 100.0 + ",\"city\":\""
                + List.of("Köln", "Łódź", "東京", "Lisboa", "Montréal").get(below(5)) + "\"}");
    }

    byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    /** In order, with duplicates, null and empty values, and names beyond ASCII; often none. */
    Headers headers() {
        RecordHeaders headers = new RecordHeaders();
        if (below(3) == 0) {
            return headers;
        }
        for (int left = below(6); left > 0; left--) {
            byte[] value = switch (below(4)) {
                case 0 -> null;
                case 1 -> new byte[0];
                case 2 -> bytes(below(30));
                default -> text("value-" + below(1_000));
            };
            headers.add(new RecordHeader(HEADER_NAMES.get(below(HEADER_NAMES.size())), value));
        }
        return headers;
    }

    static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
