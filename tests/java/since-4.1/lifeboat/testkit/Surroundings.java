package lifeboat.testkit;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.CreateDelegationTokenOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.security.auth.KafkaPrincipal;

/** What a cluster is besides its topics and their records, in the shape of Lifeboat's documents. */
final class Surroundings {
    /** {@code type}: BROKER, GROUP or CLIENT_METRICS; the name of all brokers is empty. A null value takes away. */
    record Config(String type, String name, Map<String, String> configs) {}

    record Acl(
            String resourceType, String resourceName, String patternType, String principal, String host,
            String operation, String permission) {
        AclBinding binding() {
            return new AclBinding(
                    new ResourcePattern(ResourceType.valueOf(resourceType), resourceName,
                            PatternType.valueOf(patternType)),
                    new AccessControlEntry(principal, host, AclOperation.valueOf(operation),
                            AclPermissionType.valueOf(permission)));
        }

        static Acl of(AclBinding binding) {
            ResourcePattern pattern = binding.pattern();
            AccessControlEntry entry = binding.entry();
            return new Acl(pattern.resourceType().name(), pattern.name(), pattern.patternType().name(),
                    entry.principal(), entry.host(), entry.operation().name(), entry.permissionType().name());
        }
    }

    /** A null name is the default of its type; a null limit takes away. */
    record Quota(Map<String, String> entity, Map<String, Double> limits) {}

    record Start(String group, String topic, int partition, long offset) {}

    record FillRequest(
            Cluster cluster, List<Config> configs, List<Acl> acls, List<Quota> quotas, List<Start> starts) {}

    /** {@code groups}, {@code clientMetrics}: whose settings are asked for; a null list: the brokers know none. */
    record DescribeRequest(
            Cluster cluster, boolean authorizer, List<String> groups, List<String> clientMetrics,
            List<String> shareGroups) {}

    record Configs(
            Map<String, String> cluster, Map<String, Map<String, String>> brokers,
            Map<String, Map<String, String>> groups, Map<String, Map<String, String>> clientMetrics) {}

    record Range(short min, short max) {}

    record Features(Map<String, Short> finalized, Map<String, Range> supported) {}

    record Described(
            Configs configs, List<Acl> acls, List<Quota> quotas, Features features, List<Start> starts) {}

    record TokenRequest(Cluster cluster, String renewer) {}

    record Token(String tokenId, String owner, List<String> renewers, long maxTimestampMs) {}

    private Surroundings() {}

    static Map<String, Object> fill(FillRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            Map<ConfigResource, Collection<AlterConfigOp>> configs = new HashMap<>();
            for (Config config : request.configs) {
                List<AlterConfigOp> changes = new ArrayList<>();
                config.configs.forEach((name, value) -> changes.add(new AlterConfigOp(new ConfigEntry(name, value),
                        value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)));
                configs.put(new ConfigResource(ConfigResource.Type.valueOf(config.type), config.name), changes);
            }
            admin.incrementalAlterConfigs(configs).all().get();
            if (!request.acls.isEmpty()) {
                admin.createAcls(request.acls.stream().map(Acl::binding).toList()).all().get();
            }
            List<ClientQuotaAlteration> quotas = new ArrayList<>();
            for (Quota quota : request.quotas) {
                List<ClientQuotaAlteration.Op> limits = new ArrayList<>();
                quota.limits.forEach((key, limit) -> limits.add(new ClientQuotaAlteration.Op(key, limit)));
                quotas.add(new ClientQuotaAlteration(new ClientQuotaEntity(quota.entity), limits));
            }
            admin.alterClientQuotas(quotas).all().get();
            // the controller has it; a broker tells it when it has read that far in the metadata log
            Waiting.until("the brokers tell what was set", 30_000, () -> isTold(admin, request));
            Map<String, Map<TopicPartition, Long>> starts = new TreeMap<>();
            request.starts.forEach(start -> starts.computeIfAbsent(start.group, any -> new HashMap<>())
                    .put(new TopicPartition(start.topic, start.partition), start.offset));
            for (var start : starts.entrySet()) {
                admin.alterShareGroupOffsets(start.getKey(), start.getValue()).all().get();
            }
        }
        return Map.of();
    }

    private static boolean isTold(Admin admin, FillRequest request) throws Exception {
        for (Config config : request.configs) {
            ConfigResource.Type type = ConfigResource.Type.valueOf(config.type);
            ConfigResource resource = new ConfigResource(type, config.name);
            Map<String, ConfigEntry> told = new HashMap<>();
            admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()
                    .forEach(entry -> told.put(entry.name(), entry));
            for (var wanted : config.configs.entrySet()) {
                ConfigEntry entry = told.get(wanted.getKey());
                boolean own = entry != null && switch (entry.source()) {
                    case DEFAULT_CONFIG, STATIC_BROKER_CONFIG, UNKNOWN -> false;
                    case DYNAMIC_DEFAULT_BROKER_CONFIG -> config.name.isEmpty();
                    default -> true;
                };
                boolean same = wanted.getValue() == null
                        ? !own
                        : own && (entry.isSensitive() || wanted.getValue().equals(entry.value()));
                if (!same) {
                    return false;
                }
            }
        }
        if (!request.acls.isEmpty() && !admin.describeAcls(AclBindingFilter.ANY).values().get()
                .containsAll(request.acls.stream().map(Acl::binding).toList())) {
            return false;
        }
        var quotas = admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get();
        for (Quota quota : request.quotas) {
            Map<String, Double> told = quotas.getOrDefault(new ClientQuotaEntity(quota.entity), Map.of());
            for (var limit : quota.limits.entrySet()) {
                if (!Objects.equals(told.get(limit.getKey()), limit.getValue())) {
                    return false;
                }
            }
        }
        return true;
    }

    static Described describe(DescribeRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            List<Acl> acls = new ArrayList<>();
            if (request.authorizer) {
                admin.describeAcls(AclBindingFilter.ANY).values().get().forEach(acl -> acls.add(Acl.of(acl)));
            }
            List<Quota> quotas = new ArrayList<>();
            admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().forEach((entity, limits) ->
                    quotas.add(new Quota(new TreeMap<>(entity.entries()), new TreeMap<>(limits))));
            List<Start> starts = new ArrayList<>();
            for (String group : request.shareGroups) {
                var offsets = admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()));
                offsets.partitionsToOffsetInfo(group).get().forEach((tp, info) ->
                        starts.add(new Start(group, tp.topic(), tp.partition(), info.startOffset())));
            }
            starts.sort(Comparator.comparing(Start::group).thenComparing(Start::topic)
                    .thenComparing(Start::partition));
            return new Described(configs(admin, request), acls, quotas, features(admin), starts);
        }
    }

    private static Configs configs(Admin admin, DescribeRequest request) throws Exception {
        Map<String, Map<String, String>> brokers = new TreeMap<>();
        for (Node node : admin.describeCluster().nodes().get()) {
            brokers.put(node.idString(), own(admin, ConfigResource.Type.BROKER, node.idString(),
                    ConfigSource.DYNAMIC_BROKER_CONFIG));
        }
        return new Configs(
                own(admin, ConfigResource.Type.BROKER, "", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
                brokers,
                each(admin, ConfigResource.Type.GROUP, request.groups, ConfigSource.DYNAMIC_GROUP_CONFIG),
                each(admin, ConfigResource.Type.CLIENT_METRICS, request.clientMetrics,
                        ConfigSource.DYNAMIC_CLIENT_METRICS_CONFIG));
    }

    private static Map<String, Map<String, String>> each(
            Admin admin, ConfigResource.Type type, List<String> names, ConfigSource source) throws Exception {
        if (names == null) {
            return null;
        }
        Map<String, Map<String, String>> each = new TreeMap<>();
        for (String name : names) {
            each.put(name, own(admin, type, name, source));
        }
        return each;
    }

    private static Map<String, String> own(Admin admin, ConfigResource.Type type, String name, ConfigSource source)
            throws Exception {
        ConfigResource resource = new ConfigResource(type, name);
        Map<String, String> own = new TreeMap<>();
        for (ConfigEntry entry : admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            if (entry.source() == source) {
                own.put(entry.name(), entry.value());
            }
        }
        return own;
    }

    private static Features features(Admin admin) throws Exception {
        var told = admin.describeFeatures().featureMetadata().get();
        Map<String, Short> finalized = new TreeMap<>();
        told.finalizedFeatures().forEach((name, range) -> finalized.put(name, range.maxVersionLevel()));
        Map<String, Range> supported = new TreeMap<>();
        told.supportedFeatures().forEach(
                (name, range) -> supported.put(name, new Range(range.minVersion(), range.maxVersion())));
        return new Features(finalized, supported);
    }

    /** A token of the user that asks. */
    static Token token(TokenRequest request) throws Exception {
        try (Admin admin = Clients.admin(request.cluster)) {
            var options = new CreateDelegationTokenOptions()
                    .renewers(List.of(new KafkaPrincipal(KafkaPrincipal.USER_TYPE, request.renewer)));
            var info = admin.createDelegationToken(options).delegationToken().get().tokenInfo();
            Waiting.until("the token is known", 30_000, () -> admin.describeDelegationToken().delegationTokens()
                    .get().stream().anyMatch(known -> known.tokenInfo().tokenId().equals(info.tokenId())));
            return new Token(info.tokenId(), info.ownerAsString(),
                    List.copyOf(info.renewersAsString()), info.maxTimestamp());
        }
    }
}
