use openssl::{
    hash::MessageDigest,
    nid::Nid,
    pkcs12::{Pkcs12, Pkcs12Builder},
    stack::Stack,
    symm::Cipher,
};

use super::*;
use crate::wire::tls::testing::{Authority, Fault, Files, Leaf, identity, inline};

fn x509(leaf: &Leaf) -> X509 {
    X509::from_der(leaf.certificate.der()).unwrap()
}

fn pkey(leaf: &Leaf) -> PKey<Private> {
    PKey::private_key_from_der(&leaf.key.serialize_der()).unwrap()
}

fn pkcs12(leaf: &Leaf, authority: &Authority, change: impl Fn(&mut Pkcs12Builder)) -> Vec<u8> {
    let mut others = Stack::new().unwrap();
    others
        .push(X509::from_pem(authority.pem().as_bytes()).unwrap())
        .unwrap();
    let mut builder = Pkcs12::builder();
    builder.pkey(&pkey(leaf)).cert(&x509(leaf)).ca(others);
    change(&mut builder);
    builder.build2("hunter2").unwrap().to_der().unwrap()
}

fn store(path: PathBuf, password: Option<&str>) -> Store {
    Store {
        property: "ssl.keystore.location",
        path,
        kind: None,
        password: password.map(Secret::new),
    }
}

fn in_store(path: PathBuf, password: Option<&str>) -> Identity {
    Identity {
        place: IdentityPlace::Store(store(path, password)),
        key_password: None,
    }
}

fn apart(certificate: &str, key: &str, password: Option<&str>) -> Identity {
    Identity {
        place: IdentityPlace::Apart {
            certificate: inline("ssl.keystore.certificate.chain", certificate),
            key: inline("ssl.keystore.key", key),
        },
        key_password: password.map(Secret::new),
    }
}

fn refused(identity: &Identity) -> String {
    let Err(error) = load_identity(identity) else {
        panic!("it was taken");
    };
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter"), "{text}");
    text
}

#[test]
fn a_pkcs12_store_gives_key_and_chain() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let leaf = authority.leaf(Fault::None);
    for (name, bytes) in [
        ("modern.p12", pkcs12(&leaf, &authority, |_| {})),
        // what keytool wrote before Java 17
        (
            "older.p12",
            pkcs12(&leaf, &authority, |builder| {
                builder
                    .key_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC)
                    .cert_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC)
                    .mac_md(MessageDigest::sha1());
            }),
        ),
    ] {
        let path = files.write(name, bytes);
        let pair = load_identity(&in_store(path.clone(), Some("hunter2"))).unwrap();
        assert_eq!(pair.chain.len(), 2, "{name}");
        assert!(pair.key.public_eq(&pkey(&leaf)));
        let trust = Trust::File(store(path.clone(), Some("hunter2")));
        let (trusted, _) = load_trust(&trust).unwrap().unwrap();
        assert_eq!(trusted.len(), 2);
        let wrong = refused(&in_store(path.clone(), Some("hunter3")));
        assert!(
            wrong.contains("can't be opened with ssl.keystore.password"),
            "{wrong}"
        );
        let none = refused(&in_store(path, None));
        assert!(none.contains("needs a password"), "{none}");
    }
}

#[test]
fn the_legacy_ciphers_of_java_8_are_read_where_the_system_still_can() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let leaf = authority.leaf(Fault::None);
    let Ok(legacy) = Provider::try_load(None, "legacy", true) else {
        // the message for this case is all that there is to see
        return;
    };
    let bytes = pkcs12(&leaf, &authority, |builder| {
        builder
            .key_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC)
            .cert_algorithm(Nid::PBE_WITHSHA1AND40BITRC2_CBC)
            .mac_md(MessageDigest::sha1());
    });
    drop(legacy);
    let path = files.write("java8.p12", bytes);
    let pair = load_identity(&in_store(path, Some("hunter2"))).unwrap();
    assert_eq!(pair.chain.len(), 2);
}

#[test]
fn an_encrypted_key_is_decrypted_with_its_password_only() {
    let authority = Authority::new("ours");
    let leaf = authority.leaf(Fault::None);
    let certificate = leaf.certificate.pem();
    let encrypted = pkey(&leaf)
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"hunter2")
        .unwrap();
    let encrypted = String::from_utf8(encrypted).unwrap();
    let traditional = pkey(&leaf)
        .ec_key()
        .unwrap()
        .private_key_to_pem_passphrase(Cipher::aes_128_cbc(), b"hunter2")
        .unwrap();
    let traditional = String::from_utf8(traditional).unwrap();
    for key in [encrypted, traditional] {
        load_identity(&apart(&certificate, &key, Some("hunter2"))).unwrap();
        let wrong = refused(&apart(&certificate, &key, Some("hunter3")));
        assert!(
            wrong.contains("can't be decrypted with ssl.key.password"),
            "{wrong}"
        );
        let none = refused(&apart(&certificate, &key, None));
        assert!(none.contains("the private key is encrypted"), "{none}");
        assert!(none.contains("set ssl.key.password"), "{none}");
    }
}

#[test]
fn pem_may_stand_in_one_line_as_in_a_properties_file() {
    let authority = Authority::new("ours");
    let leaf = authority.leaf(Fault::None);
    let chain = leaf.certificate.pem() + &authority.pem();
    let one_line =
        |text: &str, between: &str| text.trim().lines().collect::<Vec<_>>().join(between);
    let spaced = apart(
        &one_line(&chain, " "),
        &one_line(&leaf.key.serialize_pem(), " "),
        None,
    );
    assert_eq!(load_identity(&spaced).unwrap().chain.len(), 2);
    let squeezed = apart(
        &one_line(&chain, ""),
        &one_line(&leaf.key.serialize_pem(), ""),
        None,
    );
    assert_eq!(load_identity(&squeezed).unwrap().chain.len(), 2);
}

#[test]
fn pem_whose_ends_share_their_dashes_is_refused() {
    let torn = "-----BEGIN CERTIFICATE-----END CERTIFICATE-----";
    let text = refused(&apart(torn, torn, None));
    assert!(text.contains("PEM"), "{text}");
}

#[test]
fn a_pem_store_holds_both_and_a_folder_many_authorities() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let leaf = authority.leaf(Fault::None);
    let both = leaf.key.serialize_pem() + &leaf.certificate.pem();
    let path = files.write("client.pem", both);
    load_identity(&in_store(path, None)).unwrap();

    let files = Files::new();
    files.write("a.pem", authority.pem());
    files.write("a-again.0", authority.pem());
    files.write("b.pem", Authority::new("another").pem());
    files.write("README", "not a certificate");
    let mut folder = store(files.folder(), None);
    folder.kind = Some(StoreKind::Pem);
    let (found, _) = load_trust(&Trust::File(folder)).unwrap().unwrap();
    assert_eq!(found.len(), 2);
}

#[test]
fn what_can_not_be_read_is_named_with_what_to_do() {
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let leaf = authority.leaf(Fault::None);
    let jks = files.write("kafka.jks", b"\xfe\xed\xfe\xed\0\0\0\x02");
    let text = refused(&in_store(jks, Some("hunter2")));
    assert!(text.contains("a JKS store can't be read"), "{text}");
    assert!(
        text.contains("keytool -importkeystore -srckeystore /"),
        "{text}"
    );
    assert!(text.contains("kafka.p12 -deststoretype PKCS12"), "{text}");

    let nothing = files.write("nothing", "hello");
    let text = refused(&in_store(nothing, None));
    assert!(
        text.contains("nothing is not PEM text or a PKCS#12 store"),
        "{text}"
    );
    let text = refused(&in_store("/nowhere/key.p12".into(), None));
    assert!(
        text.contains("can't read /nowhere/key.p12: No such file"),
        "{text}"
    );

    let certificate = leaf.certificate.pem();
    let other = authority.leaf(Fault::None).key.serialize_pem();
    let text = refused(&apart(&certificate, &other, None));
    assert!(text.contains("not the first certificate's"), "{text}");
    let text = refused(&apart(&certificate, &certificate, None));
    assert!(
        text.contains("ssl.keystore.key: holds no PEM private key"),
        "{text}"
    );

    let mut pem = store(files.write("ca.pem", authority.pem()), None);
    pem.kind = Some(StoreKind::Pkcs12);
    let Err(error) = load_trust(&Trust::File(pem)) else {
        panic!("it was taken");
    };
    assert!(
        error.to_string().contains("ca.pem is not a PKCS#12 store"),
        "{error}"
    );
}

fn subject(identity: &Identity) -> String {
    load_identity(identity).unwrap().subject().unwrap()
}

#[test]
fn the_principal_of_a_certificate_is_its_subject_in_javas_order() {
    let authority = Authority::new("authority");
    assert_eq!(subject(&identity(&authority.leaf(Fault::None))), "CN=leaf");
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, name) in [
        (rcgen::DnType::OrganizationName, "Example, Inc."),
        (rcgen::DnType::CommonName, "agent"),
    ] {
        params.distinguished_name.push(kind, name);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    assert_eq!(
        subject(&identity(&Leaf { certificate, key })),
        "CN=agent,O=Example\\, Inc."
    );
}
