package lifeboat.testkit;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Orders, clicks and documents that look, and compress, as those of a real shop. Written straight into bytes: it must be fast. */
final class Lifelike {
    private static final byte[][] STATUS = texts("NEW", "PAID", "PACKED", "SHIPPED", "DELIVERED", "RETURNED");
    private static final byte[][] CURRENCY = texts("EUR", "USD", "GBP", "JPY", "PLN");
    private static final byte[][] CITY = texts("Berlin", "Köln", "Łódź", "Lisboa", "東京", "Montréal", "São Paulo");
    private static final byte[][] PAGE = texts("/", "/search", "/product/", "/cart", "/checkout", "/account/orders");
    private static final byte[][] AGENT = texts(
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0");

    private static final byte[] BASE64 = utf8("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    private static final int SIGNED = 720;

    private final SplittableRandom random;
    private final boolean orders;
    private final boolean documents;
    private final int keys;
    private byte[] buffer = new byte[2_048];
    private int length;
    private int lastKey;

    Lifelike(long seed, String kind, int keys) {
        if (!List.of("orders", "clicks", "documents").contains(kind)) {
            throw new IllegalArgumentException("no such kind: " + kind);
        }
        this.random = new SplittableRandom(seed);
        this.orders = !kind.equals("clicks");
        this.documents = kind.equals("documents");
        this.keys = keys;
    }

    byte[] key() {
        // some customers come often, most seldom
        double skewed = random.nextDouble();
        lastKey = (int) (skewed * skewed * keys);
        length = 0;
        text(orders ? "order-" : "user-").number(lastKey);
        return Arrays.copyOf(buffer, length);
    }

    int lastKey() {
        return lastKey;
    }

    List<Header> headers() {
        if (orders && random.nextInt(4) == 0) {
            byte[] trace = new byte[16];
            random.nextBytes(trace);
            return List.of(new RecordHeader("traceparent", trace), new RecordHeader("source", utf8("shop")));
        }
        return List.of();
    }

    byte[] value(long sequence) {
        length = 0;
        if (orders) {
            order(sequence);
            if (documents) {
                document();
            }
        } else {
            click(sequence);
        }
        return Arrays.copyOf(buffer, length);
    }

    private void order(long sequence) {
        text("{\"order_id\":\"").number(lastKey).text("-").number(sequence);
        text("\",\"customer\":{\"id\":").number(random.nextInt(100_000)).text(",\"city\":\"").any(CITY);
        text("\",\"postcode\":\"").number(10_000 + random.nextInt(89_999)).text("\"},\"status\":\"").any(STATUS);
        text("\",\"currency\":\"").any(CURRENCY).text("\",\"items\":[");
        int items = 1 + random.nextInt(5);
        for (int i = 0; i < items; i++) {
            text(i == 0 ? "" : ",").text("{\"sku\":\"SKU-").number(random.nextInt(20_000));
            text("\",\"quantity\":").number(1 + random.nextInt(4)).text(",\"price\":");
            number(1 + random.nextInt(300)).text(".").number(10 + random.nextInt(90)).text("}");
        }
        text("],\"payment\":\"").hex(16).text("\",\"created_at\":").number(1_790_000_000_000L + sequence * 13).text("}");
    }

    /** What was signed, in base64: it does not compress much. */
    private void document() {
        length--;
        text(",\"document\":\"");
        reserve(SIGNED);
        for (int i = 0; i < SIGNED; i += 10) {
            long bits = random.nextLong();
            for (int j = 0; j < 10; j++) {
                buffer[length++] = BASE64[(int) (bits >>> (6 * j) & 63)];
            }
        }
        text("\"}");
    }

    private void click(long sequence) {
        text("{\"session\":\"").hex(8).text("\",\"user\":").number(lastKey).text(",\"page\":\"").any(PAGE);
        text("\",\"product\":").number(random.nextInt(20_000)).text(",\"ms\":").number(random.nextInt(3_000));
        text(",\"agent\":\"").any(AGENT).text("\",\"at\":").number(1_790_000_000_000L + sequence * 3).text("}");
    }

    private Lifelike any(byte[][] choices) {
        return bytes(choices[random.nextInt(choices.length)]);
    }

    private Lifelike text(String ascii) {
        reserve(ascii.length());
        for (int i = 0; i < ascii.length(); i++) {
            buffer[length++] = (byte) ascii.charAt(i);
        }
        return this;
    }

    private Lifelike bytes(byte[] bytes) {
        reserve(bytes.length);
        System.arraycopy(bytes, 0, buffer, length, bytes.length);
        length += bytes.length;
        return this;
    }

    private Lifelike number(long number) {
        reserve(20);
        int digits = 1;
        for (long rest = number / 10; rest > 0; rest /= 10) {
            digits++;
        }
        length += digits;
        long rest = number;
        for (int i = 1; i <= digits; i++) {
            buffer[length - i] = (byte) ('0' + rest % 10);
            rest /= 10;
        }
        return this;
    }

    private Lifelike hex(int digits) {
        reserve(digits);
        long bits = random.nextLong();
        for (int i = 0; i < digits; i++) {
            buffer[length++] = (byte) "0123456789abcdef".charAt((int) (bits >>> (4 * i) & 15));
        }
        return this;
    }

    private void reserve(int more) {
        if (length + more > buffer.length) {
            buffer = Arrays.copyOf(buffer, 2 * (length + more));
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[][] texts(String... texts) {
        return Arrays.stream(texts).map(Lifelike::utf8).toArray(byte[][]::new);
    }
}
