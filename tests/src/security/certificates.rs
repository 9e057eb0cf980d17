//! An authority of our own, the brokers' certificate and a client's.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use super::Certificate;

/// The file of the authority that clients shall trust.
pub(crate) const CA: &str = "ca.pem";
/// The host whose certificate [`Certificate::OtherHost`] is.
const ELSEWHERE: &str = "kafka.elsewhere.example";

/// Where they lie, PEM all of them.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// Key and chain of every broker.
    pub(crate) broker: PathBuf,
    /// Key and chain of the client, as Java wants them.
    pub(super) client: PathBuf,
    /// The client's chain alone.
    pub(super) client_certificate: PathBuf,
    /// The client's key alone.
    pub(super) client_key: PathBuf,
}

impl Certificates {
    pub(crate) fn make(folder: &Path, wanted: Certificate) -> Result<Self> {
        let ca = authority("Lifeboat test authority")?;
        fs::write(folder.join(CA), ca.pem())?;

        let mut broker = leaf("kafka", ExtendedKeyUsagePurpose::ServerAuth);
        broker.subject_alt_names = if wanted == Certificate::OtherHost {
            vec![SanType::DnsName(ELSEWHERE.try_into()?)]
        } else {
            vec![
                SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                SanType::DnsName("localhost".try_into()?),
            ]
        };
        if wanted == Certificate::Expired {
            broker.not_after = date_time_ymd(2021, 1, 1);
        }
        let signer = match wanted {
            Certificate::OtherCa => &authority("Another authority")?,
            _ => &ca,
        };
        let key = KeyPair::generate()?;
        let chain = broker.signed_by(&key, signer)?.pem();
        let made = Self {
            broker: folder.join("broker.pem"),
            client: folder.join("client.pem"),
            client_certificate: folder.join("client-certificate.pem"),
            client_key: folder.join("client-key.pem"),
        };
        fs::write(&made.broker, key.serialize_pem() + &chain)?;

        let key = KeyPair::generate()?;
        let client = leaf("lifeboat", ExtendedKeyUsagePurpose::ClientAuth);
        let chain = client.signed_by(&key, &ca)?.pem();
        fs::write(&made.client, key.serialize_pem() + &chain)?;
        fs::write(&made.client_certificate, chain)?;
        fs::write(&made.client_key, key.serialize_pem())?;
        Ok(made)
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut wanted = named(name);
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(wanted, KeyPair::generate()?)?)
}

fn leaf(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut wanted = named(name);
    wanted.use_authority_key_identifier_extension = true;
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![usage];
    wanted
}

fn named(name: &str) -> CertificateParams {
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    wanted.distinguished_name.push(DnType::CommonName, name);
    wanted.not_before = date_time_ymd(2020, 1, 1);
    wanted.not_after = date_time_ymd(2099, 1, 1);
    wanted
}
