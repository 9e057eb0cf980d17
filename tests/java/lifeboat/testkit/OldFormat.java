package lifeboat.testkit;

import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

/**
 * Log segments as brokers before 0.11 wrote them, made by Kafka's own classes. Those are no interface, and lie elsewhere in
 * newer versions: they are found by their names.
 */
final class OldFormat {
    /** Bytes are base64, absent for null. Without a codec each record is a message of its own. */
    record Message(long offset, long timestamp, String key, String value) {}

    record Batch(byte magic, String codec, Long appendTime, List<Message> messages) {}

    record Request(Cluster cluster, String path, List<Batch> batches) {}

    record Written(long bytes) {}

    private static final String PACKAGE = "org.apache.kafka.common.record.";

    private static Class<?> find(String name) throws ClassNotFoundException {
        try {
            return Class.forName(PACKAGE + name);
        } catch (ClassNotFoundException newer) {
            return Class.forName(PACKAGE + "internal." + name);
        }
    }

    /** The builder of this Kafka: codec, timestamp type, base offset, append time. */
    private static Method builder() throws Exception {
        for (Method method : find("MemoryRecords").getMethods()) {
            Class<?>[] types = method.getParameterTypes();
            if (method.getName().equals("builder") && types.length == 6 && types[1] == byte.class
                    && types[4] == long.class && types[5] == long.class) {
                return method;
            }
        }
        throw new IllegalStateException("this Kafka makes no segments of old formats");
    }

    /** As the builder wants it: the enum, or since 3.8 what is made of it. */
    private static Object codec(Class<?> wanted, String name) throws Exception {
        Class<?> names = find("CompressionType");
        Object codec = constant(names, name);
        if (wanted == names) {
            return codec;
        }
        Object begun = wanted.getMethod("of", names).invoke(null, codec);
        Method build = wanted.getClassLoader().loadClass(wanted.getName() + "$Builder").getMethod("build");
        return build.invoke(begun);
    }

    private OldFormat() {}

    static Written write(Request request) throws Exception {
        Method begin = builder();
        Class<?> times = begin.getParameterTypes()[3];
        try (FileChannel file = FileChannel.open(Path.of(request.path), StandardOpenOption.CREATE,
                StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            for (Batch batch : request.batches) {
                Object codec = codec(begin.getParameterTypes()[2], batch.codec);
                Object time = constant(times, batch.magic == 0 ? "NO_TIMESTAMP_TYPE"
                        : batch.appendTime == null ? "CREATE_TIME" : "LOG_APPEND_TIME");
                long appended = batch.appendTime == null ? -1 : batch.appendTime;
                Object builder = begin.invoke(null, ByteBuffer.allocate(1 << 16), batch.magic, codec, time,
                        batch.messages.get(0).offset, appended);
                Method append = builder.getClass().getMethod(
                        "appendWithOffset", long.class, long.class, byte[].class, byte[].class);
                for (Message message : batch.messages) {
                    append.invoke(builder, message.offset, message.timestamp, bytes(message.key), bytes(message.value));
                }
                Object records = builder.getClass().getMethod("build").invoke(builder);
                ByteBuffer bytes = (ByteBuffer) records.getClass().getMethod("buffer").invoke(records);
                while (bytes.hasRemaining()) {
                    file.write(bytes);
                }
            }
            return new Written(file.size());
        }
    }

    private static Object constant(Class<?> type, String name) {
        return Arrays.stream(type.getEnumConstants())
                .filter(it -> ((Enum<?>) it).name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no " + name));
    }

    private static byte[] bytes(String base64) {
        return base64 == null ? null : Base64.getDecoder().decode(base64);
    }
}
