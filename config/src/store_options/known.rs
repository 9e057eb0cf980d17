//! The options of object_store that Lifeboat passes on, under one name each.

use std::sync::LazyLock;

use crate::Provider;

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Never shown.
    Secret,
    /// A file.
    Path,
    Flag,
    OneOf(&'static [&'static str]),
}

impl Kind {
    pub(super) fn expected(self) -> String {
        match self {
            Self::Text | Self::Secret | Self::Path => "a text".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// An option that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// It says who we are: with one of them given, none of the environment's is taken.
    pub(super) credential: bool,
    pub(super) about: &'static str,
}

impl Known {
    pub(super) fn is_of(&self, provider: Provider) -> bool {
        self.name.starts_with(provider.option_prefix())
    }
}

/// The option of that name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

pub(super) static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut known = s3();
    known.extend(client_options!("aws_"));
    known.extend(google());
    known.extend(client_options!("google_"));
    known.extend(azure());
    known.extend(client_options!("azure_"));
    known
});

const fn option(name: &'static str, kind: Kind, about: &'static str) -> Known {
    Known {
        name,
        kind,
        credential: false,
        about,
    }
}

const fn credential(name: &'static str, kind: Kind, about: &'static str) -> Known {
    Known {
        name,
        kind,
        credential: true,
        about,
    }
}

/// How the store is spoken to: the same for all.
macro_rules! client_options {
    ($prefix:literal) => {
        [
            option(
                concat!($prefix, "allow_http"),
                Kind::Flag,
                "`true` lets an endpoint be `http://`, without TLS",
            ),
            option(
                concat!($prefix, "connect_timeout"),
                Kind::Text,
                "how long a connection may take to be made (`5s`)",
            ),
            option(
                concat!($prefix, "timeout"),
                Kind::Text,
                "how long a request may take with all of its answer (`2m`); a part of an upload has 8 MiB",
            ),
            option(
                concat!($prefix, "read_timeout"),
                Kind::Text,
                "how long an answer may stand still",
            ),
            option(
                concat!($prefix, "proxy_url"),
                Kind::Secret,
                "the proxy; else `HTTPS_PROXY` and `HTTP_PROXY` are honoured",
            ),
            option(
                concat!($prefix, "proxy_excludes"),
                Kind::Text,
                "hosts that are asked without the proxy",
            ),
            option(
                concat!($prefix, "user_agent"),
                Kind::Text,
                "what requests say of who sends them",
            ),
        ]
    };
}
use client_options;

fn s3() -> Vec<Known> {
    let mut known = s3_credentials();
    known.extend([
        option("aws_region", Kind::Text, "the bucket's region (`us-east-1`)"),
        option(
            "aws_endpoint",
            Kind::Text,
            "where a store that is not Amazon's is: `https://minio.example:9000`",
        ),
        option(
            "aws_virtual_hosted_style_request",
            Kind::Flag,
            "`true`: the bucket is a part of the host's name, and `aws_endpoint` holds it already",
        ),
        option(
            "aws_checksum_algorithm",
            Kind::OneOf(&["sha256", "crc64nvme", "none"]),
            "the checksum that goes with each upload and that the store checks (`sha256`); locked buckets want one",
        ),
        option(
            "aws_unsigned_payload",
            Kind::Flag,
            "`true`: signatures do not cover what is uploaded; the checksum does",
        ),
        option(
            "aws_server_side_encryption",
            Kind::OneOf(&["AES256", "aws:kms", "aws:kms:dsse", "sse-c"]),
            "how the store encrypts what it keeps",
        ),
        option(
            "aws_sse_kms_key_id",
            Kind::Text,
            "the key of `aws:kms` and `aws:kms:dsse`",
        ),
        option(
            "aws_sse_bucket_key_enabled",
            Kind::Flag,
            "`true`: one data key for many objects, which asks KMS less often",
        ),
        option(
            "aws_sse_customer_key_base64",
            Kind::Secret,
            "the key of `sse-c`, without which nothing can be read",
        ),
        option(
            "aws_conditional_put",
            Kind::OneOf(&["etag", "disabled"]),
            "`disabled`: the store does not know `If-None-Match`; wants `init --single-writer`",
        ),
        option("aws_request_payer", Kind::Flag, "`true`: who asks pays"),
        option("aws_s3_express", Kind::Flag, "`true`: an S3 Express bucket"),
        option(
            "aws_disable_bulk_delete",
            Kind::Flag,
            "`true`: objects are deleted one by one",
        ),
    ]);
    known
}

fn s3_credentials() -> Vec<Known> {
    vec![
        credential("aws_access_key_id", Kind::Text, "the access key's id"),
        credential("aws_secret_access_key", Kind::Secret, "the access key"),
        credential(
            "aws_session_token",
            Kind::Secret,
            "the token that belongs to a temporary access key",
        ),
        credential(
            "aws_web_identity_token_file",
            Kind::Path,
            "the token of a service account (EKS sets it)",
        ),
        credential(
            "aws_role_arn",
            Kind::Text,
            "the role that the token stands for",
        ),
        option(
            "aws_role_session_name",
            Kind::Text,
            "what the role's session is called",
        ),
        option(
            "aws_endpoint_url_sts",
            Kind::Text,
            "where tokens are changed into keys",
        ),
        credential(
            "aws_container_credentials_relative_uri",
            Kind::Text,
            "where a task on ECS gets its keys",
        ),
        credential(
            "aws_container_credentials_full_uri",
            Kind::Text,
            "where a pod on EKS gets its keys",
        ),
        credential(
            "aws_container_authorization_token_file",
            Kind::Path,
            "the token that it shows there",
        ),
        option(
            "aws_metadata_endpoint",
            Kind::Text,
            "where an instance on EC2 gets its keys",
        ),
        option(
            "aws_imdsv1_fallback",
            Kind::Flag,
            "`true`: an instance may use the old protocol for that",
        ),
        credential(
            "aws_skip_signature",
            Kind::Flag,
            "`true`: ask as nobody, for a bucket that is open to all",
        ),
    ]
}

fn google() -> Vec<Known> {
    vec![
        credential(
            "google_service_account",
            Kind::Path,
            "the service account's JSON file",
        ),
        credential(
            "google_service_account_key",
            Kind::Secret,
            "what stands in that file",
        ),
        credential(
            "google_application_credentials",
            Kind::Path,
            "the file of application default credentials",
        ),
        credential(
            "google_bearer_token",
            Kind::Secret,
            "a token, used as it is",
        ),
        credential("google_skip_signature", Kind::Flag, "`true`: ask as nobody"),
        option(
            "google_base_url",
            Kind::Text,
            "where a store that is not Google's is",
        ),
    ]
}

fn azure() -> Vec<Known> {
    vec![
        option(
            "azure_storage_account_name",
            Kind::Text,
            "the storage account",
        ),
        credential(
            "azure_storage_account_key",
            Kind::Secret,
            "the account's key",
        ),
        credential(
            "azure_storage_sas_key",
            Kind::Secret,
            "a shared access signature",
        ),
        credential("azure_storage_token", Kind::Secret, "a bearer token"),
        credential(
            "azure_storage_client_id",
            Kind::Text,
            "a service principal's or managed identity's id",
        ),
        credential(
            "azure_storage_client_secret",
            Kind::Secret,
            "the service principal's secret",
        ),
        option("azure_storage_tenant_id", Kind::Text, "its tenant"),
        option(
            "azure_storage_authority_host",
            Kind::Text,
            "where tokens are given out",
        ),
        credential(
            "azure_federated_token_file",
            Kind::Path,
            "the token of a workload identity (AKS sets it)",
        ),
        credential(
            "azure_object_id",
            Kind::Text,
            "a managed identity's object id",
        ),
        credential(
            "azure_msi_resource_id",
            Kind::Text,
            "a managed identity's resource id",
        ),
        option(
            "azure_msi_endpoint",
            Kind::Text,
            "where a managed identity gets its token",
        ),
        credential(
            "azure_use_azure_cli",
            Kind::Flag,
            "`true`: the token of `az login`",
        ),
        credential("azure_skip_signature", Kind::Flag, "`true`: ask as nobody"),
        option(
            "azure_storage_endpoint",
            Kind::Text,
            "where a store that is not in Azure's public cloud is",
        ),
        option(
            "azure_storage_use_emulator",
            Kind::Flag,
            "`true`: Azurite, with the account that everybody knows",
        ),
        option(
            "azure_storage_encryption_key",
            Kind::Secret,
            "a key of the customer's, in base64, without which nothing can be read",
        ),
    ]
}
