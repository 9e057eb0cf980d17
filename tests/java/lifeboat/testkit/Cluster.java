package lifeboat.testkit;

import java.util.HashMap;
import java.util.Map;

/** Where a cluster is, and what a client needs to get in. */
record Cluster(String bootstrap, Map<String, String> properties) {
    /** A client's properties; what is set here does not depend on what the client is for. */
    Map<String, Object> client() {
        String tokens = properties.get("sasl.oauthbearer.token.endpoint.url");
        if (tokens != null) {
            // since Kafka 4 a client asks nobody for tokens whom its Java machine was not told of
            System.setProperty("org.apache.kafka.sasl.oauthbearer.allowed.urls", tokens);
        }
        Map<String, Object> client = new HashMap<>(properties);
        client.put("bootstrap.servers", bootstrap);
        return client;
    }
}
