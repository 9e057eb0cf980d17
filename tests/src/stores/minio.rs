//! MinIO: S3 as most have it on premises.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{
    START_DEADLINE, Server,
    http::{Answer, request},
    signing,
};
use crate::security::{
    Certificate,
    certificates::{CA, Certificates},
};

const KMS_KEY: &str = "testkit:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Who somebody is to S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The access key's id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token of a temporary key.
    pub token: Option<String>,
}

/// What a store says of an object beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectProperties {
    /// Its class, where that is not the usual one.
    pub storage_class: Option<String>,
    /// How the store encrypts it.
    pub encryption: Option<String>,
    /// The checksum that came with it and that the store has checked; of an upload in parts that of the parts'.
    pub sha256: Option<String>,
}

/// A MinIO server.
#[derive(Debug)]
pub struct MinIo {
    server: Server,
}

impl MinIo {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let minio = Self::launch(|_| Ok(Vec::new()))?;
        // it listens before it knows its disks
        let deadline = Instant::now() + START_DEADLINE;
        while let Err(error) = minio.ask("GET", "/", "", "", &[]) {
            if Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(minio)
    }

    /// Starts one that speaks TLS, and has no buckets; and tells the file of the authority behind its certificate.
    pub fn start_with_tls() -> Result<(Self, PathBuf)> {
        let minio = Self::launch(|folder| {
            let made = Certificates::make(folder, Certificate::Good)?;
            let both = fs::read_to_string(&made.broker)?;
            let at = both.find("-----BEGIN CERTIFICATE").context("no chain")?;
            fs::write(folder.join("private.key"), &both[..at])?;
            fs::write(folder.join("public.crt"), &both[at..])?;
            Ok(vec!["--certs-dir".to_owned(), folder.display().to_string()])
        })?;
        let authority = minio.server.scratch.join("certificates").join(CA);
        Ok((minio, authority))
    }

    fn launch(secured: impl FnOnce(&Path) -> Result<Vec<String>>) -> Result<Self> {
        let root = Self::root_keys();
        let environment = [
            ("MINIO_ROOT_USER", root.id.as_str()),
            ("MINIO_ROOT_PASSWORD", root.secret.as_str()),
            ("MINIO_BROWSER", "off"),
            ("MINIO_UPDATE", "off"),
            // for server-side encryption
            ("MINIO_KMS_SECRET_KEY", KMS_KEY),
        ];
        let server = Server::start("minio", &environment, |port, data| {
            let certificates = data.with_file_name("certificates");
            fs::create_dir(&certificates)?;
            let mut arguments = vec!["server".to_owned(), "--quiet".to_owned()];
            arguments.extend(secured(&certificates)?);
            arguments.extend([
                "--address".to_owned(),
                format!("127.0.0.1:{port}"),
                data.display().to_string(),
            ]);
            Ok(arguments)
        })?;
        Ok(Self { server })
    }

    /// Who may do everything.
    pub fn root_keys() -> Keys {
        Keys {
            id: "testkit-root".to_owned(),
            secret: "testkit-root-secret".to_owned(),
            token: None,
        }
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port
    }

    /// Lets everybody do everything in a bucket, also who says nothing of who he is.
    pub(super) fn open_to_all(&self, bucket: &str) -> Result<()> {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":["*"]}},"Action":["s3:*"],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}]}}"#
        );
        self.ask("PUT", &format!("/{bucket}"), "policy=", &policy, &[])?;
        Ok(())
    }

    /// The environment by which a program speaks to it as `keys`.
    pub fn environment(&self, keys: &Keys) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", keys.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret.clone()),
        ];
        environment.extend(keys.token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
        environment
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, bucket: &str) -> Result<()> {
        self.ask("PUT", &format!("/{bucket}"), "", "", &[])?;
        Ok(())
    }

    /// Makes a bucket whose objects can't be changed or deleted by anybody for so many days after they were written.
    pub fn make_locked_bucket(&self, bucket: &str, days: u32) -> Result<()> {
        let path = format!("/{bucket}");
        let enabled = ("x-amz-bucket-object-lock-enabled", "true");
        self.ask("PUT", &path, "", "", &[enabled])?;
        let rule = format!(
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
             <Mode>COMPLIANCE</Mode><Days>{days}</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
        );
        self.ask("PUT", &path, "object-lock=", &rule, &[])?;
        Ok(())
    }

    /// Keys with which nothing can be done but what `policy` allows.
    pub fn keys_with(&self, policy: &str) -> Result<Keys> {
        let encoded: String = policy
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        let body =
            format!("Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600&Policy={encoded}");
        let host = format!("127.0.0.1:{}", self.server.port);
        let signed = ("POST", "/", "");
        let mut headers = signing::amazon(&Self::root_keys(), "sts", &host, signed, &body)?;
        headers.push((
            "Content-Type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        ));
        let answer = request(self.server.port, "POST", "/", &headers, &body)?;
        let answer = answer.expect_success()?;
        Ok(Keys {
            id: answer.element("AccessKeyId")?,
            secret: answer.element("SecretAccessKey")?,
            token: Some(answer.element("SessionToken")?),
        })
    }

    /// What the store says of an object beside its bytes.
    pub fn properties(&self, bucket: &str, object: &str) -> Result<ObjectProperties> {
        let checksums = ("x-amz-checksum-mode", "ENABLED");
        let path = format!("/{bucket}/{object}");
        let answer = self.ask("HEAD", &path, "", "", &[checksums])?;
        Ok(ObjectProperties {
            storage_class: answer.header("x-amz-storage-class"),
            encryption: answer.header("x-amz-server-side-encryption"),
            sha256: answer.header("x-amz-checksum-sha256"),
        })
    }

    /// How many uploads in parts were begun and neither finished nor given up, as its disk tells: MinIO lists those of
    /// one name only.
    pub fn unfinished_uploads(&self) -> Result<usize> {
        let staged = self.server.scratch.join("data/.minio.sys/multipart");
        let mut found = 0;
        for object in fs::read_dir(&staged).with_context(|| staged.display().to_string())? {
            found += fs::read_dir(object?.path())?.count();
        }
        Ok(found)
    }

    /// The names of all objects in a bucket, as its disk tells.
    pub fn objects(&self, bucket: &str) -> Result<Vec<String>> {
        let top = self.server.scratch.join("data").join(bucket);
        let (mut found, mut folders) = (Vec::new(), vec![top.clone()]);
        while let Some(folder) = folders.pop() {
            if folder.join("xl.meta").is_file() {
                found.push(folder.strip_prefix(&top)?.display().to_string());
                continue;
            }
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// How many versions of objects and marks of deleted ones the bucket holds.
    pub fn versions(&self, bucket: &str) -> Result<(usize, usize)> {
        let answer = self.ask("GET", &format!("/{bucket}"), "versions=", "", &[])?;
        Ok((
            answer.body.matches("<Version>").count(),
            answer.body.matches("<DeleteMarker>").count(),
        ))
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &str,
        more: &[(&str, &str)],
    ) -> Result<Answer> {
        let host = format!("127.0.0.1:{}", self.server.port);
        let signed = (method, path, query);
        let mut headers = signing::amazon(&Self::root_keys(), "s3", &host, signed, body)?;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        headers.extend(more.iter().map(owned));
        let target = format!("{path}?{query}");
        request(self.server.port, method, &target, &headers, body)?.expect_success()
    }
}
