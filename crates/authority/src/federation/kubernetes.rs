//! Kubernetes: projected service account tokens of a cluster whose keys are pinned.

use countersign_crypto::jose::Alg;
use countersign_model::{
    Id, id,
    registry::{IssuerDoc, KeySource},
    run::Run,
    trust::TrustRule,
};
use serde_json::{Map, Value};

use super::{
    Discipline, Profile,
    claims::{ClaimFault, blank, keyed, required, text},
    lint::LintError,
};

/// The profile of a Kubernetes cluster.
pub(super) struct Kubernetes;

impl Profile for Kubernetes {
    fn provider(&self, _issuer: &IssuerDoc) -> &'static str {
        "kubernetes"
    }

    fn algorithms(&self) -> &'static [Alg] {
        &[Alg::Rs256, Alg::Es256, Alg::Es384]
    }

    fn max_life_seconds(&self, _issuer: &IssuerDoc) -> i64 {
        // A cluster adds seven seconds to an hour. Tokens that every pod gets for the API server
        // can live a year: those are not for here.
        3607
    }

    fn replay(&self, _issuer: &IssuerDoc) -> Discipline {
        Discipline::Bound
    }

    fn refuses_audience(&self, issuer: &IssuerDoc, audience: &str) -> Option<&'static str> {
        let of_the_api_server = audience == issuer.url || API_SERVER_AUDIENCES.contains(&audience);
        of_the_api_server.then_some("it is the API server's: every pod has a token for it")
    }

    /// INVARIANT: the keys are pinned. Thousands of clusters share one issuer string, and only
    /// their keys tell them apart.
    fn lint_issuer(&self, issuer: &IssuerDoc) -> Vec<LintError> {
        match issuer.keys {
            KeySource::Inline(_) => Vec::new(),
            KeySource::Discovery | KeySource::Uri(_) => vec![LintError::new(
                "keys",
                "the keys of a cluster must be given here, as `kubectl get --raw /openid/v1/jwks` \
                 shows them: thousands of clusters have the same issuer",
            )],
        }
    }

    fn check(&self, issuer: &IssuerDoc, claims: &Map<String, Value>) -> Result<(), ClaimFault> {
        if !matches!(issuer.keys, KeySource::Inline(_)) {
            return Err(ClaimFault::new(
                "iss",
                "is a cluster whose keys are not pinned",
            ));
        }
        let namespace = required(claims, NAMESPACE)?;
        let account = required(claims, "kubernetes.io.serviceaccount.name")?;
        required(claims, ACCOUNT_UID)?;
        let subject = required(claims, "sub")?;
        if subject == format!("system:serviceaccount:{namespace}:{account}") {
            Ok(())
        } else {
            Err(ClaimFault::new(
                "sub",
                "names another service account than `kubernetes.io`",
            ))
        }
    }

    fn run(
        &self,
        issuer_id: Id<id::Issuer>,
        issuer: &IssuerDoc,
        claims: &Map<String, Value>,
    ) -> Result<Run, ClaimFault> {
        let namespace = required(claims, NAMESPACE)?;
        let account = required(claims, "kubernetes.io.serviceaccount.name")?;
        let run = Run {
            project: Some(required(claims, ACCOUNT_UID)?),
            project_name: Some(format!("{namespace}/{account}")),
            run_id: text(claims, "kubernetes.io.pod.uid"),
            workflow: text(claims, "kubernetes.io.pod.name"),
            runner: text(claims, "kubernetes.io.node.name"),
            ..blank(self.provider(issuer), issuer_id, claims)
        };
        Ok(keyed(run, issuer_id))
    }

    fn pins(&self, _issuer: &IssuerDoc) -> &'static [&'static [&'static str]] {
        &[&[ACCOUNT_UID]]
    }

    fn binders(&self, _issuer: &IssuerDoc) -> &'static [&'static str] {
        // A cluster knows neither environments nor refs; the service account stands for both.
        &[]
    }

    fn subject_weakness(&self, _issuer: &IssuerDoc) -> Option<&'static str> {
        Some(
            "a namespace and a service account that are deleted and made again have the same names",
        )
    }

    fn caller_chosen(&self, _issuer: &IssuerDoc, claim: &str) -> bool {
        // Whoever may make pods in the namespace names them and has some say where they run.
        claim.starts_with("kubernetes.io.pod.name") || claim.starts_with("kubernetes.io.node.")
    }

    fn also_matching(&self, _issuer: &IssuerDoc, rule: &TrustRule) -> Vec<String> {
        let mut others = Vec::new();
        if !rule.matches.contains_key("kubernetes.io.pod.uid") {
            others.push("every pod of the namespace that runs as this service account".to_owned());
        }
        others.push(
            "a pod that is already gone, until its token expires: the cluster is not asked"
                .to_owned(),
        );
        others.push(
            "no other cluster, also one with the same issuer: its keys are not the pinned ones"
                .to_owned(),
        );
        others
    }
}

const NAMESPACE: &str = "kubernetes.io.namespace";
const ACCOUNT_UID: &str = "kubernetes.io.serviceaccount.uid";

const API_SERVER_AUDIENCES: [&str; 5] = [
    "api",
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "kubernetes",
    "kubernetes.default.svc",
];
