//! Certificates: what is issued is read back, what is read is judged, and what is hostile breaks nothing. The files in
//! `openssl/` were made by OpenSSL 3.0.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleetproof_world::Seeds;
use fleetproof_world::tls::{Authority, Certificate, CertificateError, Chain, Identity, Request, Subject, Validity};
use proptest::prelude::*;

const NOW: u64 = 1_900_000_000_000;
const DAY: u64 = 86_400_000;
const YEAR: Validity = Validity { from_ms: NOW, until_ms: NOW + 365 * DAY };

fn authority(name: &str) -> Authority {
    Authority::new(name, &mut Seeds::new(1).stream(name))
}

fn issued(by: &Authority, name: &str) -> Identity {
    by.issue(&Subject::named(name), YEAR, &mut Seeds::new(1).stream(name)).unwrap()
}

fn read(chain: &Chain) -> Vec<Certificate> {
    chain.ders().map(|der| Certificate::read(der).unwrap()).collect()
}

fn own(authority: &Authority) -> Certificate {
    Certificate::read(&authority.certificate_der(NOW).unwrap()).unwrap()
}

#[test]
fn what_is_issued_is_read_back() {
    let subject = Subject {
        common_name: "hvac-7".to_owned(),
        organization: Some("Acme".to_owned()),
        unit: Some("Plant 2".to_owned()),
        serial_number: Some("SN-0815".to_owned()),
    };
    let factory = authority("factory");
    let validity = Validity { from_ms: NOW + 999, until_ms: 2_600_000_000_000 };
    let identity = factory.issue(&subject, validity, &mut Seeds::new(1).stream("hvac-7")).unwrap();
    let [leaf] = &*read(identity.chain()) else { panic!("one certificate") };
    let fields: Vec<_> = leaf.subject().iter().map(|field| (&*field.name, &*field.value)).collect();
    let wanted = [
        ("Organization", "Acme"),
        ("OrganizationalUnit", "Plant 2"),
        ("SerialNumber", "SN-0815"),
        ("CommonName", "hvac-7"),
    ];
    assert_eq!(fields, wanted);
    assert_eq!((&*leaf.issuer()[0].name, &*leaf.issuer()[0].value), ("CommonName", "factory"));
    // The second is beyond 2049, so written in the longer form.
    assert_eq!((leaf.from_ms(), leaf.until_ms()), (1_900_000_000_000, 2_600_000_000_000));
    assert_eq!(leaf.authority_key_id(), own(&factory).subject_key_id());
    assert!(leaf.authority_key_id().is_some() && !leaf.is_authority() && own(&factory).is_authority());
    assert_eq!((leaf.fingerprint(), leaf.fingerprint().len()), (identity.fingerprint(), 64));
    assert_eq!(leaf.serial().len(), 32);
}

#[test]
fn what_openssl_wrote_is_read_as_openssl_reads_it() {
    let certificate = Certificate::from_pem(include_str!("openssl/certificate.pem")).unwrap();
    assert_eq!(certificate.fingerprint(), "61a00150d2c03706178aa0cd58ab6fb203a9bf081d5b78ae2edb1355bb5b92c7");
    assert_eq!(certificate.serial(), "a1b2c3");
    assert_eq!((certificate.from_ms(), certificate.until_ms()), (1_796_083_267_000, 2_660_083_267_000));
    let fields = certificate.policy_fields();
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| &**value);
    for (name, value) in [
        ("SerialNumber", "a1b2c3"),
        ("Subject.CommonName", "dev-ä"),
        ("Subject.Country", "DE"),
        ("Subject.State", "Bayern"),
        ("Subject.Locality", "Ulm"),
        ("Subject.Organization", "Erste"),
        ("Subject.Organization.0", "Erste"),
        ("Subject.Organization.1", "Zweite"),
        ("Subject.DistinguishedNameQualifier", "q1"),
        ("Issuer.OrganizationalUnit", "Werk 7"),
    ] {
        assert_eq!(field(name), Some(value), "{name}");
    }
    assert_eq!(field("Subject.Organization.2"), None);
    // It signed itself, and says that it is an authority.
    certificate.issued_by(&certificate, NOW).unwrap();
}

#[test]
fn another_kind_of_key_is_read_but_never_verified() {
    let certificate = Certificate::from_pem(include_str!("openssl/rsa-certificate.pem")).unwrap();
    assert_eq!(certificate.common_name(), Some("rsa"));
    assert!(matches!(certificate.issued_by(&certificate, NOW), Err(CertificateError::Unsupported { .. })));
    let error = Request::from_pem(include_str!("openssl/rsa-request.pem")).unwrap_err().to_string();
    assert_eq!(error, "the request's signature is of a kind that is not understood: use ECDSA with SHA-256");
}

#[test]
fn the_same_seed_gives_the_same_certificates() {
    let all = |seed| {
        let keys = &mut Seeds::new(seed).stream("keys");
        let factory = Authority::with_intermediate("root", "factory", keys);
        let identity = factory.issue(&Subject::named("a"), YEAR, keys).unwrap();
        let alone = Identity::self_signed(&Subject::named("a"), YEAR, keys).unwrap();
        [identity.chain().pem(), identity.key_pem().unwrap(), alone.chain().pem(), factory.certificate(NOW).unwrap()]
    };
    assert_eq!(all(1), all(1));
    for (one, other) in all(1).iter().zip(all(2)) {
        assert_ne!(*one, other);
    }
    let identity = issued(&authority("factory"), "a");
    assert!(!format!("{identity:?}").contains("SigningKey"));
}

#[test]
fn one_key_can_have_many_certificates_of_different_numbers() {
    let factory = authority("factory");
    let first = issued(&factory, "a");
    let later = Validity { from_ms: NOW + 1000, ..YEAR };
    let other = authority("other");
    let again = [
        factory.issue_again(&first, &Subject::named("b"), YEAR).unwrap(),
        factory.issue_again(&first, &Subject::named("a"), later).unwrap(),
        other.issue_again(&first, &Subject::named("a"), YEAR).unwrap(),
    ];
    let first = &read(first.chain())[0];
    for other in &again {
        let other = &read(other.chain())[0];
        assert_eq!(other.key_info(), first.key_info());
        assert_ne!(other.serial(), first.serial());
        assert_ne!(other.fingerprint(), first.fingerprint());
    }
}

#[test]
fn a_certificate_is_believed_from_its_authority_at_its_time_only() {
    let factory = authority("factory");
    let leaf = &read(issued(&factory, "a").chain())[0];
    leaf.issued_by(&own(&factory), NOW).unwrap();
    leaf.issued_by(&own(&factory), YEAR.until_ms + 999).unwrap();
    assert!(matches!(leaf.issued_by(&own(&factory), NOW - 1), Err(CertificateError::NotYet { .. })));
    assert!(matches!(leaf.issued_by(&own(&factory), YEAR.until_ms + 1000), Err(CertificateError::Expired { .. })));
    assert!(matches!(leaf.issued_by(&own(&authority("other")), NOW), Err(CertificateError::Issuer { .. })));
    // Another authority of the same name: its key has another id.
    let twin = Authority::new("factory", &mut Seeds::new(2).stream("factory"));
    assert!(matches!(leaf.issued_by(&own(&twin), NOW), Err(CertificateError::Issuer { .. })));
    // A leaf signs nothing, also when it has the name of an authority and its key.
    let false_one =
        Identity::self_signed(&Subject::named("factory"), YEAR, &mut Seeds::new(1).stream("factory")).unwrap();
    let refused = leaf.issued_by(&read(false_one.chain())[0], NOW).unwrap_err();
    assert!(matches!(refused, CertificateError::NoAuthority { .. }), "{refused}");
}

#[test]
fn a_changed_certificate_is_not_the_authoritys() {
    let factory = authority("factory");
    let identity = issued(&factory, "victim");
    let mut der = identity.chain().leaf_der().to_vec();
    let at = der.windows(6).position(|bytes| bytes == b"victim").unwrap();
    der[at..at + 6].copy_from_slice(b"killer");
    let forged = Certificate::read(&der).unwrap();
    assert_eq!(forged.common_name(), Some("killer"));
    assert!(matches!(forged.issued_by(&own(&factory), NOW), Err(CertificateError::Signature { .. })));
}

#[test]
fn a_chain_leads_to_its_root_through_the_intermediate() {
    let keys = &mut Seeds::new(3).stream("keys");
    let factory = Authority::with_intermediate("root", "factory", keys);
    let identity = factory.issue(&Subject::named("a"), YEAR, keys).unwrap();
    let chain = read(identity.chain());
    let root = Certificate::from_pem(&factory.certificate(NOW).unwrap()).unwrap();
    assert_eq!((chain.len(), root.common_name()), (2, Some("root")));
    let found = chain[0].leads_to(&chain[1..], std::slice::from_ref(&root), NOW).unwrap();
    assert_eq!(found.der(), root.der());
    let missing = chain[0].leads_to(&[], std::slice::from_ref(&root), NOW).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "nobody who is trusted signed for the issuer \"CommonName=factory\": register that authority, or send the intermediate"
    );
    assert_eq!(read(identity.without_intermediates().chain()).len(), 1);
    // The intermediate may sign leaves, but no other authority.
    let refused = chain[1].issued_by(&chain[1], NOW).unwrap_err();
    assert!(matches!(refused, CertificateError::Issuer { .. }), "{refused}");
    // Whoever is registered is trusted, also the intermediate alone.
    assert!(chain[0].leads_to(&[], &chain[1..], NOW).is_ok());
    assert!(chain[0].leads_to(&chain, &[], NOW).is_err());
}

#[test]
fn an_intermediate_is_certified_once_a_day() {
    const DAY: u64 = 86_400_000;
    let factory = Authority::with_intermediate("root", "factory", &mut Seeds::new(3).stream("keys"));
    let noon = NOW - NOW % DAY + DAY / 2;
    let first = factory.certificate_der(noon).unwrap();
    assert_eq!(factory.certificate_der(noon + 1).unwrap(), first);
    let next = factory.certificate_der(noon + DAY).unwrap();
    let (one, other) = (Certificate::read(&first).unwrap(), Certificate::read(&next).unwrap());
    assert_ne!(one.serial(), other.serial());
    assert_eq!(one.key_info(), other.key_info());
    // Whoever comes back to a day has what was given out on it.
    assert_eq!(factory.certificate_der(noon).unwrap(), first);
}

#[test]
fn a_request_is_signed_for_the_key_that_made_it() {
    let device = Identity::self_signed(&Subject::named("ignored"), YEAR, &mut Seeds::new(4).stream("device")).unwrap();
    let wanted = Subject { organization: Some("Acme".to_owned()), ..Subject::named("hvac-7") };
    let pem = device.request(&wanted).unwrap();
    let request = Request::from_pem(&pem).unwrap();
    assert_eq!(request.subject(), wanted);
    let factory = authority("factory");
    let chain = factory.sign(&request, &request.subject(), YEAR).unwrap();
    let leaf = &read(&chain)[0];
    leaf.issued_by(&own(&factory), NOW).unwrap();
    assert_eq!(leaf.key_info(), read(device.chain())[0].key_info());
    // It fits the device's key, and nobody else's.
    let renewed = Identity::from_pem(&chain.pem(), &device.key_pem().unwrap()).unwrap();
    assert_eq!(renewed.fingerprint(), chain.fingerprint());
    let other = issued(&factory, "other").key_pem().unwrap();
    let refused = Identity::from_pem(&chain.pem(), &other).unwrap_err().to_string();
    assert_eq!(refused, "the key is not the one of the first certificate: put the leaf first");
}

#[test]
fn a_request_of_openssl_is_read_and_one_that_was_changed_is_refused() {
    let pem = include_str!("openssl/request.pem");
    let request = Request::from_pem(pem).unwrap();
    assert_eq!(request.subject().common_name, "dev-ä");
    let certificate = Certificate::from_pem(include_str!("openssl/certificate.pem")).unwrap();
    let chain = authority("factory").sign(&request, &request.subject(), YEAR).unwrap();
    assert_eq!(read(&chain)[0].key_info(), certificate.key_info());
    // "Ulm" becomes "Olm".
    let changed = pem.replace("DANVbG0x", "DANPbG0x");
    assert_ne!(changed, pem);
    assert_eq!(
        Request::from_pem(&changed).unwrap_err().to_string(),
        "the signature is not the one of the key that the request asks for: have it signed by that key"
    );
    assert!(matches!(Request::from_pem("no request"), Err(CertificateError::Pem { .. })));
}

#[test]
fn what_is_no_pem_is_refused_with_words() {
    let identity = issued(&authority("factory"), "a");
    let (chain, key) = (identity.chain().pem(), identity.key_pem().unwrap());
    for (chain, key, says) in
        [("", &*key, "no certificate"), (&*chain, "", "private key"), (&*key, &*key, "no certificate")]
    {
        let refused = Identity::from_pem(chain, key).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    let again = Identity::from_pem(&chain, &key).unwrap();
    assert_eq!((again.chain(), again.key_pem().unwrap()), (identity.chain(), key));
}

#[test]
fn what_is_cut_or_too_long_is_refused_where_it_breaks() {
    let identity = issued(&authority("factory"), "a");
    let der = identity.chain().leaf_der();
    for length in 0..der.len() {
        assert!(Certificate::read(&der[..length]).is_err(), "{length}");
    }
    let longer = [der, &[0]].concat();
    assert_eq!(
        Certificate::read(&longer).unwrap_err(),
        CertificateError::Malformed { what: "the certificate", at: der.len() }
    );
    assert_eq!(Certificate::read(&vec![0x30; 65 * 1024]).unwrap_err(), CertificateError::TooLong { bytes: 65 * 1024 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_can_be_a_common_name(name in any::<String>()) {
        let identity = Identity::self_signed(&Subject::named(&name), YEAR, &mut Seeds::new(1).stream("a")).unwrap();
        let leaf = Certificate::read(identity.chain().leaf_der()).unwrap();
        prop_assert_eq!(leaf.common_name(), Some(&*name));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_bytes_break_nothing(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), is_request in any::<bool>()) {
        use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject};
        let mut der = if is_request {
            CertificateSigningRequestDer::from_pem_slice(include_bytes!("openssl/request.pem")).unwrap().to_vec()
        } else {
            CertificateDer::from_pem_slice(include_bytes!("openssl/certificate.pem")).unwrap().to_vec()
        };
        let sound = Certificate::from_pem(include_str!("openssl/certificate.pem")).unwrap();
        let before = der.clone();
        for (at, byte) in &changes {
            let at = at.index(der.len());
            der[at] = *byte;
        }
        if is_request {
            let read = Request::from_der(&der);
            prop_assert!(read.is_err() || der == before, "the signature covers everything");
        } else if let Ok(read) = Certificate::read(&der) {
            let fields = read.policy_fields();
            prop_assert!(!fields.is_empty());
            let believed = read.issued_by(&sound, NOW);
            prop_assert!(believed.is_err() || read.subject() == sound.subject(), "{believed:?}");
            let _ = read.leads_to(std::slice::from_ref(&read), std::slice::from_ref(&sound), NOW);
        }
    }

    #[test]
    fn random_bytes_break_nothing(der in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Certificate::read(&der).is_err());
        prop_assert!(Request::from_der(&der).is_err());
    }
}
