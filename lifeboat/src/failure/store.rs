//! What to do about an object store that can't be reached, or does not let us in.

use lifeboat_repository::Cause;

pub(super) const NO_CREDENTIALS: &str = "give a key in repository.options (aws_access_key_id and aws_secret_access_key, \
     google_service_account, azure_storage_account_key, …) or in the environment's variables of the same names";

pub(super) const NOT_RENEWED: &str = "the service that gives this machine (or pod) its credentials does not answer as it \
     did: run it again when it does";

pub(super) fn no_repository(url: &str) -> String {
    let otherwise = if url.starts_with("file:") {
        "mount the volume that it is on"
    } else {
        "check bucket and prefix"
    };
    format!("make one with `lifeboat init --repository {url}`, or {otherwise}")
}

pub(super) fn denied(cause: &Cause) -> &'static str {
    if cause.io().is_some() {
        return "let the user that runs lifeboat read and write everything below the repository's folder";
    }
    match cause.code() {
        Some("RequestTimeTooSkewed") => CLOCK,
        _ => {
            "allow it: reading takes get and list, `backup` put and abort of uploads as well, never delete; README.md, \
             \"Where snapshots go\", has the policies"
        }
    }
}

const CLOCK: &str = "set this machine's clock: the store's is more than some minutes away from it";

pub(super) fn credentials(cause: &Cause) -> &'static str {
    match cause.code() {
        Some("ExpiredToken" | "TokenRefreshRequired") => {
            "get a new session token: the one that was given is over"
        }
        Some("SignatureDoesNotMatch" | "AuthenticationFailed") => {
            "check the secret key, which is not the one that belongs to this access key or account"
        }
        Some("InvalidAccessKeyId" | "InvalidClientTokenId") => {
            "check the access key's id and the endpoint: this store knows no such key"
        }
        _ => {
            "check the keys in repository.options and in the environment, and that they belong to this store"
        }
    }
}

pub(super) fn unreachable(cause: &Cause) -> &'static str {
    let text = cause.to_string();
    if text.contains("certificate") {
        "the store's certificate is not trusted here: name its authority with SSL_CERT_FILE"
    } else if text.contains("lookup") {
        "check the endpoint's name in repository.options (aws_endpoint, google_base_url, azure_storage_endpoint)"
    } else {
        "check the endpoint in repository.options (aws_endpoint, google_base_url, azure_storage_endpoint), that the store \
         is running, and the network between"
    }
}

/// What to do about a failure that is none of the others, where that is known.
pub(super) fn failed(cause: &Cause) -> Option<&'static str> {
    let answer = cause.answer()?;
    Some(match cause.code() {
        Some(
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        ) => "name the bucket's region with aws_region",
        Some("RequestTimeTooSkewed") => CLOCK,
        Some("InvalidBucketName") => "check the bucket's name in the repository's URL",
        Some("XMinioStorageFull" | "QuotaExceeded") => "make room in the store, and run it again",
        _ if answer.status >= 500 || answer.status == 429 => {
            "the store failed, and did so for minutes: run it again when it is well"
        }
        _ => return None,
    })
}
