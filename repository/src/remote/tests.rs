use super::*;

fn options(given: &[(&str, &str)]) -> StoreOptions {
    let mut options = StoreOptions::default();
    for (name, value) in given {
        options.set(name, value).unwrap();
    }
    options
}

fn environment(given: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    given.iter().map(owned).collect()
}

fn bucket(text: &str) -> (RepositoryUrl, Bucket) {
    let url: RepositoryUrl = text.parse().unwrap();
    let lifeboat_config::Place::Bucket(bucket) = url.place().clone() else {
        panic!("{text}")
    };
    (url, bucket)
}

#[test]
fn every_option_that_is_known_is_one_of_object_stores() {
    for name in store_option_names(Provider::S3) {
        assert!(AmazonS3ConfigKey::from_str(name).is_ok(), "{name}");
    }
    for name in store_option_names(Provider::Google) {
        assert!(GoogleConfigKey::from_str(name).is_ok(), "{name}");
    }
    for name in store_option_names(Provider::Azure) {
        assert!(AzureConfigKey::from_str(name).is_ok(), "{name}");
    }
}

#[test]
fn an_option_wins_over_the_environment_and_credentials_are_not_mixed() {
    let environment = environment(&[
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "of-environment"),
        ("AWS_SESSION_TOKEN", "of-environment"),
        ("AWS_ENDPOINT_URL", "http://environment"),
        ("AWS_PROFILE", "ignored"),
        ("PATH", "/bin"),
    ]);
    let gather = |options: &StoreOptions| {
        Settings::<AmazonS3ConfigKey>::gather(Provider::S3, options, environment.clone())
    };
    let settings = gather(&StoreOptions::default());
    let last = |key| settings.last(&key).map(str::to_owned);
    assert_eq!(last(AmazonS3ConfigKey::Region).unwrap(), "eu-west-1");
    assert_eq!(
        last(AmazonS3ConfigKey::Endpoint).unwrap(),
        "http://environment"
    );
    assert_eq!(last(AmazonS3ConfigKey::Token).unwrap(), "of-environment");

    let settings = gather(&options(&[
        ("aws_access_key_id", "ours"),
        ("aws_secret_access_key", "ours"),
        ("aws_endpoint", "http://ours"),
    ]));
    let last = |key| settings.last(&key).map(str::to_owned);
    assert_eq!(last(AmazonS3ConfigKey::AccessKeyId).unwrap(), "ours");
    assert_eq!(last(AmazonS3ConfigKey::Endpoint).unwrap(), "http://ours");
    assert_eq!(last(AmazonS3ConfigKey::Token), None);
    assert_eq!(last(AmazonS3ConfigKey::Region).unwrap(), "eu-west-1");
}

#[test]
fn an_option_that_can_not_be_used_names_the_store_and_no_secret() {
    let (url, bucket) = bucket("gs://b");
    let options = options(&[("google_service_account_key", "hunter2 is no JSON")]);
    let made = connect(&url, &bucket, &options, [], soon());
    let Err(RepositoryError::Options { url, source }) = made else {
        panic!("it was taken")
    };
    assert_eq!(url, "gs://b");
    assert!(!source.to_string().contains("hunter2"), "{source}");
}
