package lifeboat.testkit;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * Reads commands from standard input, one JSON object a line ({@code {"command": "read", "request": {…}}}), and answers
 * each with one line: {@code {"answer": …}} or {@code {"error": "…", "trace": "…"}}. Ends with its input.
 */
public final class Main {
    private static final ObjectMapper JSON = new ObjectMapper()
            .setPropertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .configure(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES, true)
            .configure(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES, true);

    interface Command {
        Object run(JsonNode request) throws Exception;
    }

    private static final Map<String, Command> COMMANDS = new HashMap<>(Map.ofEntries(
            Map.entry("fidelity", request -> Fidelity.fill(as(request, Fidelity.Request.class))),
            Map.entry("bulk", request -> Bulk.fill(as(request, Bulk.Request.class))),
            Map.entry("read", request -> Oracle.read(as(request, Oracle.ReadRequest.class))),
            Map.entry("records", request -> Oracle.records(as(request, Oracle.RecordsRequest.class))),
            Map.entry("groups", request -> Groups.read(as(request, Groups.Request.class))),
            Map.entry("commit", request -> Groups.commit(as(request, Groups.CommitRequest.class))),
            Map.entry("topics", request -> Topics.describe(as(request, Topics.DescribeRequest.class))),
            Map.entry("leaders", request -> Topics.leaders(as(request, Topics.LeadersRequest.class))),
            Map.entry("create_topics", request -> Topics.create(as(request, Topics.CreateRequest.class))),
            Map.entry("delete_topics", request -> Topics.delete(as(request, Topics.DeleteRequest.class))),
            Map.entry("delete_records", request -> Topics.trim(as(request, Topics.TrimRequest.class))),
            Map.entry("alter_configs", request -> Topics.alter(as(request, Topics.AlterRequest.class))),
            Map.entry("users", request -> Access.users(as(request, Access.UsersRequest.class))),
            Map.entry("remove_user", request -> Access.removeUser(as(request, Access.RemoveUserRequest.class))),
            Map.entry("set_broker", request -> Access.setBroker(as(request, Access.SetBrokerRequest.class))),
            Map.entry("acls", request -> Access.acls(as(request, Access.AclsRequest.class))),
            Map.entry("quota", request -> Access.quota(as(request, Access.QuotaRequest.class))),
            Map.entry("produce", request -> Produce.send(as(request, Produce.Request.class))),
            Map.entry("old_segment", request -> OldFormat.write(as(request, OldFormat.Request.class))),
            Map.entry("settle", request -> Transactions.settle(as(request, Transactions.SettleRequest.class))),
            Map.entry("transactions", request -> Transactions.list(as(request, Transactions.ListRequest.class)))));

    static {
        try {
            // what older clients do not have is not compiled with them
            Class.forName("lifeboat.testkit.Newest").getDeclaredMethod("add", Map.class).invoke(null, COMMANDS);
        } catch (ClassNotFoundException older) {
            System.err.println("clients older than 4.1: some commands are missing");
        } catch (ReflectiveOperationException problem) {
            throw new ExceptionInInitializerError(problem);
        }
    }

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        // whatever a library prints must not end up between the answers
        System.setOut(System.err);
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            answers.print(answer(line));
            answers.print('\n');
            answers.flush();
        }
        Guard.sweep();
        Runtime.getRuntime().halt(0);
    }

    private static String answer(String line) throws Exception {
        try {
            JsonNode call = JSON.readTree(line);
            Command command = COMMANDS.get(call.path("command").asText());
            if (command == null) {
                throw new IllegalArgumentException("no such command: " + call.path("command"));
            }
            return JSON.writeValueAsString(Map.of("answer", command.run(call.path("request"))));
        } catch (Throwable problem) {
            StringWriter trace = new StringWriter();
            problem.printStackTrace(new PrintWriter(trace));
            return JSON.writeValueAsString(Map.of("error", problem.toString(), "trace", trace.toString()));
        }
    }

    static <T> T as(JsonNode request, Class<T> type) throws Exception {
        return JSON.treeToValue(request, type);
    }
}
