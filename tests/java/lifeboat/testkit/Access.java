package lifeboat.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Who may come in, and what they may do. */
final class Access {
    /** The least that Kafka allows: it is for nobody's secrets. */
    private static final int ITERATIONS = 4096;

    record UsersRequest(Cluster cluster, List<String> mechanisms, Map<String, String> users) {}

    /** In Kafka's own words: {@code TOPIC}, {@code PREFIXED}, {@code DESCRIBE_CONFIGS}, {@code ALLOW}. */
    record Acl(String principal, String permission, String operation, String type, String pattern, String name) {
        AclBinding binding() {
            return new AclBinding(
                    new ResourcePattern(ResourceType.valueOf(type), name, PatternType.valueOf(pattern)),
                    new AccessControlEntry(principal, "*", AclOperation.valueOf(operation),
                            AclPermissionType.valueOf(permission)));
        }
    }

    record AclsRequest(Cluster cluster, List<Acl> add, List<Acl> remove) {}

    /** {@code bytesPerSecond} of what brokers send to this client; null: as much as it takes. */
    record QuotaRequest(Cluster cluster, String clientId, Double bytesPerSecond) {}

    private Access() {}

    /** Limits a client, by the id that it gives itself. */
    static Map<String, Object> quota(QuotaRequest request) throws Exception {
        var entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, request.clientId));
        var limit = new ClientQuotaAlteration.Op("consumer_byte_rate", request.bytesPerSecond);
        try (Admin admin = Clients.admin(request.cluster)) {
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(limit)))).all().get();
            var filter = ClientQuotaFilter.containsOnly(List.of(
                    ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.CLIENT_ID, request.clientId)));
            Waiting.until("the quota is known", 30_000, () ->
                    admin.describeClientQuotas(filter).entities().get().isEmpty() == (request.bytesPerSecond == null));
        }
        return Map.of();
    }

    /** Creates users with SCRAM credentials, and returns when every broker knows them. */
    static Map<String, Object> users(UsersRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            for (String mechanism : request.mechanisms) {
                ScramMechanism name = ScramMechanism.fromMechanismName(mechanism);
                ScramCredentialInfo how = new ScramCredentialInfo(name, ITERATIONS);
                // one request each: a user may stand in it only once
                List<UserScramCredentialAlteration> changes = new ArrayList<>();
                request.users.forEach(
                        (user, password) -> changes.add(new UserScramCredentialUpsertion(user, how, password)));
                admin.alterUserScramCredentials(changes).all().get();
            }
            Waiting.until("the users are known", 30_000, () -> admin.describeUserScramCredentials().all().get()
                    .values().stream()
                    .filter(known -> known.credentialInfos().size() == request.mechanisms.size())
                    .count() == request.users.size());
        }
        return Map.of();
    }

    /** Takes some ACLs away, adds others, and returns when what is asked is what was wanted. */
    static Map<String, Object> acls(AclsRequest request) throws Exception {
        List<AclBinding> add = request.add.stream().map(Acl::binding).toList();
        List<AclBinding> remove = request.remove.stream().map(Acl::binding).toList();
        try (Admin admin = Clients.admin(request.cluster)) {
            admin.deleteAcls(remove.stream().map(AclBinding::toFilter).toList()).all().get();
            admin.createAcls(add).all().get();
            Waiting.until("the ACLs are known", 30_000, () -> {
                var known = admin.describeAcls(AclBindingFilter.ANY).values().get();
                return known.containsAll(add) && remove.stream().noneMatch(known::contains);
            });
        }
        return Map.of();
    }
}
