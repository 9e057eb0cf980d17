//! Access control lists read, made and removed.

use kafka_protocol::{
    messages::{
        CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, DescribeAclsResponse,
        create_acls_request::AclCreation, delete_acls_request::DeleteAclsFilter,
        delete_acls_response::DeleteAclsFilterResult, describe_acls_response::DescribeAclsResource,
    },
    protocol::StrBytes,
};
use lifeboat_archive::documents::{
    AclBinding, AclOperation, PatternType, PermissionType, ResourceType,
};

use super::{Cluster, versions::Call};
use crate::error::{ErrorCode, KafkaError};

/// Kafka's number for "whichever".
const ANY: i8 = 1;
/// A controller takes at most 10,000 changes at once.
const ACLS_PER_REQUEST: usize = 1000;

/// What became of each binding, in the order given.
pub type AclOutcomes = Vec<Result<(), KafkaError>>;

impl Cluster {
    /// Every binding, sorted; `None` where the cluster has no authorizer. It takes Describe on the cluster.
    pub async fn acls(&self) -> Result<Option<Vec<AclBinding>>, KafkaError> {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(ANY)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY);
        let answer = match self.ask_any(&request, describe_verdict).await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some(ErrorCode::SECURITY_DISABLED) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut acls: Vec<_> = answer.resources.iter().flat_map(bindings).collect();
        acls.sort_unstable();
        Ok(Some(acls))
    }

    /// Makes bindings; one that is there already stays as it is. It takes Alter on the cluster.
    pub async fn create_acls(&self, acls: &[AclBinding]) -> AclOutcomes {
        self.alter_acls(
            acls,
            |acls| CreateAclsRequest::default().with_creations(acls.iter().map(creation).collect()),
            |answer| {
                let results = answer.results.iter();
                let refusals = results.map(|result| {
                    let code = ErrorCode::from_wire(result.error_code)?;
                    Some((code, result.error_message.clone()))
                });
                refusals.collect()
            },
        )
        .await
    }

    /// Removes exactly these bindings; one that is not there is none. It takes Alter on the cluster.
    pub async fn delete_acls(&self, acls: &[AclBinding]) -> AclOutcomes {
        self.alter_acls(
            acls,
            |acls| DeleteAclsRequest::default().with_filters(acls.iter().map(exactly).collect()),
            |answer| answer.filter_results.iter().map(refusal).collect(),
        )
        .await
    }

    /// Asks for a change of bindings; the same change twice is the same as once.
    async fn alter_acls<C: Call>(
        &self,
        acls: &[AclBinding],
        request: impl Fn(&[AclBinding]) -> C,
        refusals: impl Fn(&C::Answer) -> Vec<Refusal>,
    ) -> AclOutcomes {
        let operation = C::API.name;
        let refused = |acl: &AclBinding, (code, message): &(ErrorCode, Option<StrBytes>)| {
            KafkaError::broker_says(operation, acl, *code, message.as_ref())
        };
        let mut outcomes = Vec::with_capacity(acls.len());
        for acls in acls.chunks(ACLS_PER_REQUEST) {
            let verdict = |answer: &C::Answer| {
                let refusals = refusals(answer);
                if refusals.len() != acls.len() {
                    return Err(KafkaError::Malformed {
                        operation,
                        detail: format!("{} results for {} ACLs", refusals.len(), acls.len()),
                    });
                }
                let errors = acls.iter().zip(&refusals);
                let mut errors = errors.filter_map(|(acl, no)| Some(refused(acl, no.as_ref()?)));
                let passing = errors.find(KafkaError::is_retriable);
                passing.map_or(Ok(()), Err)
            };
            match self.ask_any(&request(acls), verdict).await {
                Ok(answer) => {
                    let results = acls.iter().zip(refusals(&answer));
                    outcomes.extend(results.map(|(acl, no)| match no {
                        None => Ok(()),
                        Some(no) => Err(refused(acl, &no)),
                    }));
                }
                Err(error) => outcomes.extend(acls.iter().map(|_| Err(error.clone()))),
            }
        }
        outcomes
    }
}

/// Why the broker did not do it, where it did not.
type Refusal = Option<(ErrorCode, Option<StrBytes>)>;

fn describe_verdict(answer: &DescribeAclsResponse) -> Result<(), KafkaError> {
    match ErrorCode::from_wire(answer.error_code) {
        None => Ok(()),
        Some(code) => Err(KafkaError::broker_says(
            "DescribeAcls",
            "the cluster",
            code,
            answer.error_message.as_ref(),
        )),
    }
}

fn bindings(resource: &DescribeAclsResource) -> impl Iterator<Item = AclBinding> {
    resource.acls.iter().map(|acl| AclBinding {
        resource_type: ResourceType(resource.resource_type),
        resource_name: resource.resource_name.to_string(),
        pattern_type: PatternType(resource.pattern_type),
        principal: acl.principal.to_string(),
        host: acl.host.to_string(),
        operation: AclOperation(acl.operation),
        permission: PermissionType(acl.permission_type),
    })
}

fn creation(acl: &AclBinding) -> AclCreation {
    AclCreation::default()
        .with_resource_type(acl.resource_type.0)
        .with_resource_name(StrBytes::from_string(acl.resource_name.clone()))
        .with_resource_pattern_type(acl.pattern_type.0)
        .with_principal(StrBytes::from_string(acl.principal.clone()))
        .with_host(StrBytes::from_string(acl.host.clone()))
        .with_operation(acl.operation.0)
        .with_permission_type(acl.permission.0)
}

fn exactly(acl: &AclBinding) -> DeleteAclsFilter {
    DeleteAclsFilter::default()
        .with_resource_type_filter(acl.resource_type.0)
        .with_resource_name_filter(Some(StrBytes::from_string(acl.resource_name.clone())))
        .with_pattern_type_filter(acl.pattern_type.0)
        .with_principal_filter(Some(StrBytes::from_string(acl.principal.clone())))
        .with_host_filter(Some(StrBytes::from_string(acl.host.clone())))
        .with_operation(acl.operation.0)
        .with_permission_type(acl.permission.0)
}

/// Of the whole filter, or of the one binding that it matched.
fn refusal(result: &DeleteAclsFilterResult) -> Refusal {
    let of_the_filter =
        ErrorCode::from_wire(result.error_code).map(|code| (code, result.error_message.clone()));
    of_the_filter.or_else(|| {
        result.matching_acls.iter().find_map(|acl| {
            let code = ErrorCode::from_wire(acl.error_code)?;
            Some((code, acl.error_message.clone()))
        })
    })
}

#[cfg(test)]
mod tests;
