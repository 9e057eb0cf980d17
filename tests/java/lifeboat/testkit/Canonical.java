package lifeboat.testkit;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/**
 * SHA-256 over what a record is, in one unambiguous form: timestamp (8 bytes), key, value, number of headers (4 bytes),
 * and of each header its name and value; every text or byte string after its length (4 bytes, −1 for null). The offset
 * is no part of it: a restore may translate it.
 */
final class Canonical {
    private final MessageDigest digest = sha256();
    private final boolean timestampType;
    private final ByteBuffer number = ByteBuffer.allocate(8);

    /** With {@code timestampType} the type (CreateTime or LogAppendTime) is part of the digest. */
    Canonical(boolean timestampType) {
        this.timestampType = timestampType;
    }

    void update(ConsumerRecord<byte[], byte[]> record) {
        if (timestampType) {
            digest.update((byte) record.timestampType().id);
        }
        number.clear();
        digest.update(number.putLong(record.timestamp()).array(), 0, 8);
        bytes(record.key());
        bytes(record.value());
        Header[] headers = record.headers().toArray();
        number(headers.length);
        for (Header header : headers) {
            bytes(header.key().getBytes(StandardCharsets.UTF_8));
            bytes(header.value());
        }
    }

    /** The digest so far; more may follow. */
    String hex() {
        try {
            return HexFormat.of().formatHex(((MessageDigest) digest.clone()).digest());
        } catch (CloneNotSupportedException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    static String of(ConsumerRecord<byte[], byte[]> record) {
        Canonical canonical = new Canonical(false);
        canonical.update(record);
        return canonical.hex();
    }

    static String of(byte[] bytes) {
        return HexFormat.of().formatHex(sha256().digest(bytes));
    }

    private void bytes(byte[] bytes) {
        if (bytes == null) {
            number(-1);
        } else {
            number(bytes.length);
            digest.update(bytes);
        }
    }

    private void number(int value) {
        number.clear();
        digest.update(number.putInt(value).array(), 0, 4);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
