package lifeboat.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
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

    record RemoveUserRequest(Cluster cluster, String user, String mechanism) {}

    record SetBrokerRequest(Cluster cluster, String broker, String name, String value) {}

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
            Waiting.until("the users are known", 30_000, () -> {
                var known = admin.describeUserScramCredentials().all().get();
                return request.users.keySet().stream().allMatch(user -> known.containsKey(user)
                        && known.get(user).credentialInfos().stream()
                                .map(info -> info.mechanism().mechanismName()).toList()
                                .containsAll(request.mechanisms));
            });
        }
        return Map.of();
    }

    /** Takes a user's credential away, and returns when no broker knows it any more. */
    static Map<String, Object> removeUser(RemoveUserRequest request) throws Exception {
        ScramMechanism mechanism = ScramMechanism.fromMechanismName(request.mechanism);
        try (Admin admin = Clients.admin(request.cluster)) {
            admin.alterUserScramCredentials(
                    List.of(new UserScramCredentialDeletion(request.user, mechanism))).all().get();
            Waiting.until("the credential is gone", 30_000, () -> {
                var known = admin.describeUserScramCredentials().all().get().get(request.user);
                return known == null
                        || known.credentialInfos().stream().noneMatch(info -> info.mechanism() == mechanism);
            });
        }
        return Map.of();
    }

    /** A dynamic setting of one broker. */
    static Map<String, Object> setBroker(SetBrokerRequest request) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.BROKER, request.broker);
        var change = new AlterConfigOp(
                new ConfigEntry(request.name, request.value), AlterConfigOp.OpType.SET);
        try (Admin admin = Clients.admin(request.cluster)) {
            admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
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
