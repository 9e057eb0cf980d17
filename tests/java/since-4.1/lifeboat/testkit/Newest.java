package lifeboat.testkit;

import java.util.Map;

/** The commands that want clients of Kafka 4.1 or newer. */
final class Newest {
    private Newest() {}

    static void add(Map<String, Main.Command> commands) {
        commands.put("fill_surroundings",
                request -> Surroundings.fill(Main.as(request, Surroundings.FillRequest.class)));
        commands.put("surroundings",
                request -> Surroundings.describe(Main.as(request, Surroundings.DescribeRequest.class)));
        commands.put("token", request -> Surroundings.token(Main.as(request, Surroundings.TokenRequest.class)));
        commands.put("join", request -> Members.join(Main.as(request, Members.Request.class)));
    }
}
