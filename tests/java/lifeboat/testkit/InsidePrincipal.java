package lifeboat.testkit;

import org.apache.kafka.common.security.auth.AuthenticationContext;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder;

/**
 * Whoever comes in through the listeners of brokers, controllers and the testkit is {@code User:testkit}, a super user:
 * so that an authorizer can be tested through the clients' listener, with ANONYMOUS too.
 */
public final class InsidePrincipal extends DefaultKafkaPrincipalBuilder {
    /** Made by Kafka. */
    public InsidePrincipal() {
        super(null, null);
    }

    @Override
    public KafkaPrincipal build(AuthenticationContext context) {
        return new KafkaPrincipal(KafkaPrincipal.USER_TYPE, "testkit");
    }
}
