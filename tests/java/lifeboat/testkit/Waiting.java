package lifeboat.testkit;

import java.util.concurrent.Callable;

/** Waits for a condition, never for a time. */
final class Waiting {
    private Waiting() {}

    static void until(String what, long milliseconds, Callable<Boolean> condition) throws Exception {
        long deadline = System.currentTimeMillis() + milliseconds;
        while (!condition.call()) {
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("not within " + milliseconds + " ms: " + what);
            }
            Thread.sleep(50);
        }
    }
}
