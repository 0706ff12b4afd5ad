//! Certificates of clients (RFC 8705 §2): who vouches for one, and whom it is for.
#![cfg(feature = "certificates")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_crypto::certificate::{
    ClientCertificate, InvalidCertificate, MAX_CERTIFICATE_BYTES, Registered,
};
use countersign_model::{Timestamp, certificate::CertificateSubject};

/// Two days after the certificates were made.
const NOW: i64 = 1_795_600_000;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../testkit/certificates/", $name, ".crt"))
    };
}

fn der(pem: &str) -> Vec<u8> {
    let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(inner).unwrap()
}

fn shown(pem: &str, others: &[&str]) -> ClientCertificate {
    let others: Vec<_> = others.iter().map(|pem| der(pem)).collect();
    let others: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
    ClientCertificate::new(&der(pem), &others).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

#[test]
fn only_the_pinned_authority_vouches_for_a_client_and_only_for_clients() {
    let authority = Registered::read_authority(pem!("authority")).unwrap();
    let stranger = Registered::read_authority(pem!("stranger")).unwrap();
    let vouched = |shown: &ClientCertificate, now| shown.is_issued_by(&authority, at(now));
    let client = shown(pem!("client"), &[]);
    assert!(vouched(&client, NOW));
    assert!(
        !client.is_issued_by(&stranger, at(NOW)),
        "an authority of the same name"
    );
    assert!(!vouched(&shown(pem!("forged"), &[]), NOW));
    assert!(!vouched(&shown(pem!("forged"), &[pem!("authority")]), NOW));
    assert!(
        !vouched(&shown(pem!("server_only"), &[]), NOW),
        "for servers alone"
    );
    assert!(!vouched(&shown(pem!("pinned"), &[]), NOW), "self-signed");
    assert!(!vouched(&shown(pem!("expired"), &[]), NOW));
    assert!(!vouched(&client, NOW - 30 * 86_400), "before its time");
    assert!(!vouched(&client, NOW + 101 * 365 * 86_400), "after it");
    // Through one in between, which was shown or not.
    assert!(vouched(&shown(pem!("through"), &[pem!("inter")]), NOW));
    assert!(!vouched(&shown(pem!("through"), &[]), NOW));
    assert!(!vouched(&shown(pem!("through"), &[pem!("stranger")]), NOW));
    // Whoever has a certificate is no authority with it.
    assert!(!vouched(&shown(pem!("authority"), &[]), NOW));
    assert!(!vouched(&shown(pem!("inter"), &[]), NOW));
}

#[test]
fn a_subject_is_met_exactly_or_not() {
    let client = shown(pem!("client"), &[]);
    let subject = |text: &str| text.parse::<CertificateSubject>().unwrap();
    for good in [
        "dn:CN=payroll,OU=Payroll,O=Example\\, Inc.",
        "dn:CN=payroll, OU=Payroll, O=Example\\, Inc.",
        "dns:payroll.internal",
        "dns:PAYROLL.internal",
        "uri:spiffe://example.com/payroll",
        "ip:192.0.2.7",
        "email:payroll@example.com",
    ] {
        assert!(client.is_for(&subject(good)), "{good}");
        assert!(!shown(pem!("pinned"), &[]).is_for(&subject(good)), "{good}");
    }
    for bad in [
        "dn:CN=payroll",
        "dn:O=Example\\, Inc.,OU=Payroll,CN=payroll",
        "dn:CN=payroll,OU=Payroll,O=Example, Inc.",
        "dn:CN=Payroll,OU=Payroll,O=Example\\, Inc.",
        "dns:payroll",
        "dns:payroll.internal.evil",
        "dns:a.wild.internal",
        "dns:*.wild.internal",
        "uri:spiffe://example.com/payroll/",
        "uri:spiffe://EXAMPLE.com/payroll",
        "ip:192.0.2.8",
        "ip:::ffff:192.0.2.7",
        "email:Payroll@example.com",
        // What is a name of one kind is not one of another.
        "uri:payroll.internal",
        "dns:payroll@example.com",
        "email:payroll.internal",
    ] {
        assert!(!client.is_for(&subject(bad)), "{bad}");
    }
    // RFC 4514 §3 has nine names of types, in any case; any other type is a number, and its value hexadecimal.
    let names = shown(pem!("names"), &[]);
    for good in [
        "2.5.4.5=#13023432,1.2.840.113549.1.9.1=#160d61406578616d706c652e636f6d,CN=payroll,UID=payroll,OU=Payroll,O=Example,STREET=Main 1,L=Munich,ST=Bavaria,C=DE,DC=example,DC=com",
        "2.5.4.5=#13023432, 1.2.840.113549.1.9.1=#160D61406578616D706C652E636F6D, cn=payroll, uid=payroll, ou=Payroll, o=Example, Street=Main 1, l=Munich, st=Bavaria, c=DE, dc=example, dc=com",
    ] {
        assert!(names.is_for(&subject(&format!("dn:{good}"))), "{good}");
        for (one, other) in [
            ("Main 1", "main 1"),
            ("Main 1", " Main 1"),
            ("#13023432", "42"),
            ("2.5.4.5", "serialNumber"),
            ("Munich", "#0c064d756e696368"),
        ] {
            let bad = good.replace(one, other);
            assert!(!names.is_for(&subject(&format!("dn:{bad}"))), "{bad}");
        }
    }
    for text in ["", "dns", "dns:", "cn:payroll", "ip:payroll", "dn: "] {
        assert!(text.parse::<CertificateSubject>().is_err(), "{text}");
    }
}

#[test]
fn what_is_registered_is_one_certificate_and_an_authority_where_one_is_needed() {
    let read = Registered::read(pem!("pinned")).unwrap();
    assert_eq!(read.thumbprint, *shown(pem!("pinned"), &[]).thumbprint());
    assert!(read.not_after > at(NOW));
    let both = format!("{}{}", pem!("pinned"), pem!("client"));
    for text in ["", "text", pem!("pinned").trim_start_matches('-'), &both] {
        assert_eq!(
            Registered::read(text),
            Err(InvalidCertificate::Form),
            "{text}"
        );
    }
    let broken = pem!("pinned").replace("MII", "MIJ");
    assert_eq!(Registered::read(&broken), Err(InvalidCertificate::Form));
    for pem in [pem!("pinned"), pem!("client")] {
        assert_eq!(
            Registered::read_authority(pem),
            Err(InvalidCertificate::NoAuthority)
        );
    }
    let over = Registered::read(pem!("expired")).unwrap();
    assert!(matches!(
        over.until(at(NOW)),
        Err(InvalidCertificate::Over(_))
    ));
}

#[test]
fn t24_nobody_shows_more_than_a_client_needs() {
    let long = vec![0x30; MAX_CERTIFICATE_BYTES + 1];
    assert!(ClientCertificate::new(&long, &[]).is_none());
    assert!(ClientCertificate::new(b"", &[]).is_none());
    assert!(ClientCertificate::new(b"a", &[&long]).is_none());
    assert!(ClientCertificate::new(b"a", &[b"b".as_slice(); 5]).is_none());
    let text = ClientCertificate::new(b"no certificate", &[b"b".as_slice(); 4]).unwrap();
    let authority = Registered::read_authority(pem!("authority")).unwrap();
    assert!(!text.is_issued_by(&authority, at(NOW)));
    assert!(!text.is_for(&CertificateSubject::Dns("payroll.internal".to_owned())));
    let mut cut = der(pem!("client"));
    cut.push(0);
    let cut = ClientCertificate::new(&cut, &[]).unwrap();
    assert!(!cut.is_for(&CertificateSubject::Dns("payroll.internal".to_owned())));
}
