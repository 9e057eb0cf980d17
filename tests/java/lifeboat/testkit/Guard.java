package lifeboat.testkit;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * Runs the main method of another class and ends the JVM as soon as standard input ends: a broker never outlives the
 * test that started it, even where that test was killed. What it wrote goes with it: {@code -Dlifeboat.scratch=FOLDER}.
 */
public final class Guard {
    private Guard() {}

    public static void main(String[] arguments) throws Exception {
        InputStream parent = System.in;
        Thread thread = new Thread(() -> outlive(parent), "guard");
        thread.setDaemon(true);
        thread.start();
        Class.forName(arguments[0])
                .getMethod("main", String[].class)
                .invoke(null, (Object) Arrays.copyOfRange(arguments, 1, arguments.length));
    }

    private static void outlive(InputStream parent) {
        try {
            while (parent.read() >= 0) {
                // nothing is ever said: only the end counts
            }
        } catch (IOException gone) {
            // as good as the end
        }
        sweep();
        Runtime.getRuntime().halt(137);
    }

    /** Removes what is told to go with this machine. */
    static void sweep() {
        String scratch = System.getProperty("lifeboat.scratch");
        if (scratch != null) {
            // the broker still writes: what it makes anew is taken by the second round
            remove(Path.of(scratch));
            remove(Path.of(scratch));
        }
    }

    private static void remove(Path folder) {
        try (Stream<Path> paths = Files.walk(folder)) {
            paths.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        } catch (IOException | RuntimeException vanished) {
            // another node of the cluster removes the same folder
        }
    }
}
