//! SPIFFE: JWT-SVIDs of one trust domain.

use countersign_crypto::jose::{Alg, Jwk};
use countersign_model::{
    Id, id,
    registry::IssuerDoc,
    run::Run,
    trust::{Accepted, TrustRule},
};
use serde_json::{Map, Value};

use super::{
    Discipline, Profile,
    claims::{ClaimFault, blank, keyed, required},
    lint::LintError,
};

/// The profile of a SPIFFE trust domain.
pub(super) struct Spiffe;

/// The use of a key that may sign a JWT-SVID (SPIFFE Trust Domain and Bundle §4.2.2).
pub(super) const KEY_USE: &str = "jwt-svid";

impl Profile for Spiffe {
    fn provider(&self, _issuer: &IssuerDoc) -> &'static str {
        "spiffe"
    }

    fn algorithms(&self) -> &'static [Alg] {
        // JWT-SVID §2.1, as far as we verify; Ed25519 is not in its list.
        &[Alg::Es256, Alg::Es384, Alg::Ps256, Alg::Rs256]
    }

    fn max_life_seconds(&self, _issuer: &IssuerDoc) -> i64 {
        3600
    }

    fn replay(&self, _issuer: &IssuerDoc) -> Discipline {
        Discipline::Bound
    }

    fn names_issuer(&self) -> bool {
        false
    }

    fn takes_key(&self, key: &Jwk) -> bool {
        key.key_use.as_deref() == Some(KEY_USE)
    }

    /// The trust domain is configuration, never what a bundle says of itself.
    fn lint_issuer(&self, issuer: &IssuerDoc) -> Vec<LintError> {
        match issuer.trust_domain.as_deref() {
            Some(domain) if is_trust_domain(domain) => Vec::new(),
            Some(_) => vec![LintError::new(
                "trust_domain",
                "must be lower-case letters, digits and `.-_`, without `spiffe://`",
            )],
            None => vec![LintError::new(
                "trust_domain",
                "must be stated, such as `prod.example.com`",
            )],
        }
    }

    fn check(&self, issuer: &IssuerDoc, claims: &Map<String, Value>) -> Result<(), ClaimFault> {
        let subject = required(claims, "sub")?;
        match parse_id(&subject) {
            Some((domain, _)) if Some(domain) == issuer.trust_domain.as_deref() => Ok(()),
            Some(_) => Err(ClaimFault::new("sub", "is of another trust domain")),
            None => Err(ClaimFault::new("sub", "is not the SPIFFE ID of a workload")),
        }
    }

    fn run(
        &self,
        issuer_id: Id<id::Issuer>,
        issuer: &IssuerDoc,
        claims: &Map<String, Value>,
    ) -> Result<Run, ClaimFault> {
        let subject = required(claims, "sub")?;
        let run = Run {
            project_name: parse_id(&subject).map(|(_, path)| path.to_owned()),
            project: Some(subject),
            ..blank(self.provider(issuer), issuer_id, claims)
        };
        Ok(keyed(run, issuer_id))
    }

    fn pins(&self, _issuer: &IssuerDoc) -> &'static [&'static [&'static str]] {
        &[&["sub"]]
    }

    fn binders(&self, _issuer: &IssuerDoc) -> &'static [&'static str] {
        &[]
    }

    fn caller_chosen(&self, _issuer: &IssuerDoc, claim: &str) -> bool {
        claim != "sub"
    }

    fn lint(&self, issuer: &IssuerDoc, rule: &TrustRule) -> Vec<LintError> {
        let subjects = rule.matches.get("sub").map(Accepted::values);
        let domain = issuer.trust_domain.as_deref().unwrap_or_default();
        let of_this_domain = |id: &str| parse_id(id).is_some_and(|(found, _)| found == domain);
        subjects
            .unwrap_or_default()
            .iter()
            .filter(|id| !of_this_domain(id))
            .map(|_| {
                let example = format!(
                    "must be a SPIFFE ID such as `spiffe://{domain}/ns/payments/sa/settler`"
                );
                LintError::new("sub", example)
            })
            .collect()
    }

    fn also_matching(&self, _issuer: &IssuerDoc, _rule: &TrustRule) -> Vec<String> {
        vec![
            "every workload that the trust domain gives this SPIFFE ID, on any node".to_owned(),
            "no other path, also not one below it: the ID is compared whole".to_owned(),
        ]
    }
}

/// Whether the subject lies in the issuer's trust domain.
pub(super) fn is_of(issuer: &IssuerDoc, subject: Option<&str>) -> bool {
    let domain = subject.and_then(parse_id).map(|(domain, _)| domain);
    domain.is_some() && domain == issuer.trust_domain.as_deref()
}

/// The trust domain and path of the SPIFFE ID of a workload (SPIFFE-ID §2). It is in canonical form
/// or nothing: no port, query, fragment, percent-encoding, empty or relative segment.
fn parse_id(id: &str) -> Option<(&str, &str)> {
    let rest = id
        .strip_prefix("spiffe://")
        .filter(|_| id.len() <= MAX_ID_BYTES)?;
    let (domain, path) = rest.split_at(rest.find('/')?);
    let segment = |segment: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
    };
    let well_formed = is_trust_domain(domain) && path.split('/').skip(1).all(segment);
    well_formed.then_some((domain, path))
}

fn is_trust_domain(domain: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    (1..=255).contains(&domain.len()) && domain.bytes().all(plain)
}

/// SPIFFE-ID §2.3.
const MAX_ID_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_canonical_or_nothing() {
        let parsed = parse_id("spiffe://prod.acme.example/ns/payments/sa/settler");
        assert_eq!(
            parsed,
            Some(("prod.acme.example", "/ns/payments/sa/settler"))
        );
        for other in [
            "spiffe://prod.acme.example",
            "spiffe://prod.acme.example/",
            "spiffe://prod.acme.example/ns//settler",
            "spiffe://prod.acme.example/ns/../settler",
            "spiffe://prod.acme.example/ns/.",
            "spiffe://prod.acme.example/ns/",
            "spiffe://prod.acme.example/ns/type:name",
            "spiffe://prod.acme.example/ns/%61",
            "spiffe://prod.acme.example/ns?x",
            "spiffe://prod.acme.example/ns#x",
            "spiffe://prod.acme.example:80/ns",
            "spiffe://user@prod.acme.example/ns",
            "spiffe://Prod.acme.example/ns",
            "SPIFFE://prod.acme.example/ns",
            "spiffe:///ns",
            "https://prod.acme.example/ns",
        ] {
            assert_eq!(parse_id(other), None, "{other}");
        }
    }
}
