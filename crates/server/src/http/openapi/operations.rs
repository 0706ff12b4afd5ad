//! Every operation, in the order of the table of routes.

mod automation;
mod billing;
mod directory;
mod keys;
mod nouns;
mod service_accounts;
mod signing_in;

use countersign_api::{
    approvals::{Approval, ChallengeApproval, Decide, ListApprovals, OpenApproval},
    credentials::{CreateCredential, CreatedCredential, Credential, Rotate},
    evaluation::{EvaluationRequest, EvaluationResponse, EvaluationsRequest, EvaluationsResponse},
    evidence::{Erase, ErasedFields, EvidenceRecord, EvidenceSummary, SearchEvidence},
    findings::{IdentityFindings, ListFindings},
    identities::{
        CreateIdentity, Identity, ListIdentities, Rename, ReviewInput, Transfer, UpdateIdentity,
    },
    incidents::{Incident, IncidentQuery},
    lineage::{Lineage, LineageQuery},
    log::{ListEntries, LogEntries, LogKey},
    manifests::{ExportQuery, ManifestRequest, Plan},
    paging::ListQuery,
    passkeys::AskedPasskey,
    reference::Why,
    results::{ReportResults, ReportedResults},
    revocations::{Feed, FeedQuery, Revocation, Revoke},
    signing_keys::{KillSigningKey, RotateSigningKeys, SigningKeyList},
    tokens::{IntrospectionResponse, TokenQuery, TokenRequest, TokenResponse},
    trust_test::{RefusedAttempt, TrustTest, TrustVerdict},
};

use super::{Operation, Schemas};
use automation::automation;
use billing::billing;
use directory::directory;
use keys::keys;
use nouns::{of_one, registry};
use service_accounts::service_accounts;
use signing_in::signing_in;

/// The rows.
pub(super) fn all(s: &mut Schemas) -> Vec<Operation> {
    let mut rows = plain(s);
    rows.extend(oauth(s));
    rows.extend(identities(s));
    rows.extend(credentials(s));
    rows.extend(service_accounts(s));
    rows.extend(registry(s));
    rows.extend(keys(s));
    rows.extend(automation(s));
    rows.extend(approvals(s));
    rows.extend(manifests(s));
    rows.extend(billing(s));
    rows.extend(evidence(s));
    rows.extend(operating(s));
    rows.extend(signing_in(s));
    rows.extend(directory());
    rows
}

fn plain(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::get(
            "/healthz",
            "operating.health",
            "whether the process answers",
        )
        .open()
        .other("text/plain"),
        Operation::get(
            "/readyz",
            "operating.readiness",
            "whether requests would be answered now",
        )
        .open()
        .other("text/plain"),
        Operation::get(
            "/metrics",
            "operating.metrics",
            "metrics, as Prometheus reads them",
        )
        .open()
        .other("text/plain"),
        Operation::get(
            "/.well-known/oauth-authorization-server",
            "metadata.oauth",
            "RFC 8414 metadata",
        )
        .open()
        .other("application/json"),
        Operation::get(
            "/.well-known/openid-configuration",
            "metadata.openid",
            "OpenID Connect metadata",
        )
        .open()
        .other("application/json"),
        Operation::get(
            "/.well-known/oauth-protected-resource",
            "metadata.resource",
            "RFC 9728 metadata of this API",
        )
        .open()
        .other("application/json"),
        Operation::get(
            "/.well-known/jwks.json",
            "metadata.keys",
            "the public key set",
        )
        .open()
        .other("application/json"),
        Operation::get(
            "/.well-known/authzen-configuration",
            "metadata.authzen",
            "where decisions are asked for",
        )
        .open()
        .other("application/json"),
        Operation::get(
            "/log/checkpoint",
            "log.checkpoint",
            "the newest signed head of the log",
        )
        .open()
        .other("text/plain"),
        Operation::get("/log/tile/{*path}", "log.tile", "a tile of the log")
            .open()
            .other("application/octet-stream"),
        Operation::get("/api/log/key", "log.key", "the log's key: what to pin")
            .open()
            .answers::<LogKey>(200, s),
        Operation::get("/api/openapi.json", "operating.openapi", "this document")
            .open()
            .other("application/json"),
    ]
}

fn oauth(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::post(
            "/oauth2/token",
            "tokens.issue",
            "issues, exchanges or redeems",
        )
        .client()
        .form::<TokenRequest>(s)
        .answers::<TokenResponse>(200, s),
        Operation::post(
            "/oauth2/introspect",
            "tokens.introspect",
            "whether a token counts now, for who runs its audience",
        )
        .client()
        .form::<TokenQuery>(s)
        .answers::<IntrospectionResponse>(200, s),
        Operation::post(
            "/oauth2/revoke",
            "tokens.revoke",
            "revokes a token for who holds it",
        )
        .client()
        .form::<TokenQuery>(s)
        .nothing(200),
    ]
}

fn identities(s: &mut Schemas) -> Vec<Operation> {
    let one = |verb: &str| format!("/api/identities/{{id}}/{verb}");
    let mut rows = vec![
        Operation::get(
            "/api/findings",
            "findings.list",
            "lists what is weak about identities, with filters",
        )
        .query::<ListFindings>(s)
        .page::<IdentityFindings>(s),
        Operation::get(
            "/api/identities",
            "identities.list",
            "lists identities, with filters",
        )
        .query::<ListIdentities>(s)
        .page::<Identity>(s),
        Operation::post("/api/identities", "identities.create", "makes an identity")
            .keyed()
            .body::<CreateIdentity>(s)
            .answers::<Identity>(201, s)
            .waits(s),
    ];
    rows.extend(of_one::<Identity, UpdateIdentity>(
        s,
        "/api/identities/{id}",
        "identities",
        "an identity",
    ));
    rows.extend([
        Operation::post(
            one("disable"),
            "identities.disable",
            "switches it off: its tokens die at once",
        )
        .tagged()
        .body::<Why>(s)
        .answers::<Identity>(200, s),
        Operation::post(one("enable"), "identities.enable", "switches it on again")
            .tagged()
            .body::<Why>(s)
            .answers::<Identity>(200, s),
        Operation::post(
            one("transfer"),
            "identities.transfer",
            "moves it to another project",
        )
        .tagged()
        .body::<Transfer>(s)
        .answers::<Identity>(200, s)
        .waits(s),
        Operation::post(one("rename"), "identities.rename", "gives it another name")
            .tagged()
            .body::<Rename>(s)
            .answers::<Identity>(200, s)
            .waits(s),
        Operation::post(
            one("accept-sponsorship"),
            "identities.accept_sponsorship",
            "accepts to answer for it",
        )
        .body::<Why>(s)
        .answers::<Identity>(200, s),
        Operation::post(
            one("decline-sponsorship"),
            "identities.decline_sponsorship",
            "declines to answer for it",
        )
        .body::<Why>(s)
        .answers::<Identity>(200, s),
        Operation::post(
            one("review"),
            "identities.review",
            "states how much harm it can do",
        )
        .tagged()
        .body::<ReviewInput>(s)
        .answers::<Identity>(200, s),
    ]);
    rows
}

fn credentials(s: &mut Schemas) -> Vec<Operation> {
    let own = "/api/identities/{id}/credentials";
    let one = "/api/credentials/{id}";
    vec![
        Operation::get(
            own,
            "credentials.list",
            "lists the credentials of an identity",
        )
        .query::<ListQuery>(s)
        .page::<Credential>(s),
        Operation::post(
            own,
            "credentials.create",
            "makes a credential: the only answer with its secret",
        )
        .keyed()
        .body::<CreateCredential>(s)
        .answers::<CreatedCredential>(201, s)
        .waits(s),
        Operation::get(one, "credentials.show", "shows a credential").answers::<Credential>(200, s),
        Operation::post(
            format!("{one}/rotate"),
            "credentials.rotate",
            "makes its successor: the only answer with its secret",
        )
        .keyed()
        .body::<Rotate>(s)
        .answers::<CreatedCredential>(201, s)
        .waits(s),
        Operation::post(
            format!("{one}/revoke"),
            "credentials.revoke",
            "revokes it: tokens that it gave die",
        )
        .tagged()
        .body::<Why>(s)
        .answers::<Credential>(200, s),
    ]
}

fn approvals(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::post(
            "/api/approvals",
            "approvals.open",
            "a run asks people, with its own token of any audience",
        )
        .body::<OpenApproval>(s)
        .answers::<Approval>(201, s),
        Operation::get(
            "/api/approvals",
            "approvals.list",
            "lists requests, newest first",
        )
        .query::<ListApprovals>(s)
        .page::<Approval>(s),
        Operation::get(
            "/api/approvals/{id}",
            "approvals.show",
            "one request, with its records and their proofs",
        )
        .answers::<Approval>(200, s),
        Operation::post(
            "/api/approvals/{id}/challenge",
            "approvals.challenge",
            "asks the caller's passkey to sign what they are about to decide",
        )
        .body::<ChallengeApproval>(s)
        .answers::<AskedPasskey>(200, s),
        Operation::post(
            "/api/approvals/{id}/approve",
            "approvals.approve",
            "says yes to what was read",
        )
        .body::<Decide>(s)
        .answers::<Approval>(200, s),
        Operation::post(
            "/api/approvals/{id}/deny",
            "approvals.deny",
            "says no to what was read",
        )
        .body::<Decide>(s)
        .answers::<Approval>(200, s),
        Operation::post(
            "/access/v1/evaluation",
            "access.evaluation",
            "may this identity do this?",
        )
        .body::<EvaluationRequest>(s)
        .answers::<EvaluationResponse>(200, s),
        Operation::post(
            "/access/v1/evaluations",
            "access.evaluations",
            "the same for several questions",
        )
        .body::<EvaluationsRequest>(s)
        .answers::<EvaluationsResponse>(200, s),
    ]
}

fn manifests(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::post(
            "/api/manifests/plan",
            "manifests.plan",
            "what applying would change",
        )
        .body::<ManifestRequest>(s)
        .answers::<Plan>(200, s),
        Operation::post(
            "/api/manifests/apply",
            "manifests.apply",
            "makes and edits what the documents say",
        )
        .body::<ManifestRequest>(s)
        .answers::<Plan>(200, s),
        Operation::get(
            "/api/manifests/export",
            "manifests.export",
            "what the caller sees, as documents",
        )
        .query::<ExportQuery>(s)
        .other("application/yaml"),
        Operation::get(
            "/api/manifests/schema",
            "manifests.schema",
            "the JSON Schema of a document",
        )
        .open()
        .other("application/json"),
    ]
}

fn evidence(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/log/entries",
            "log.entries",
            "records in the order of the log, for auditors",
        )
        .query::<ListEntries>(s)
        .answers::<LogEntries>(200, s),
        Operation::get(
            "/api/evidence",
            "evidence.list",
            "searches what happened, newest first",
        )
        .query::<SearchEvidence>(s)
        .page::<EvidenceSummary>(s),
        Operation::get(
            "/api/evidence/{id}",
            "evidence.show",
            "one record, with its proof",
        )
        .answers::<EvidenceRecord>(200, s),
        Operation::post(
            "/api/evidence/{id}/erase",
            "evidence.erase",
            "takes personal values out; every proof stays",
        )
        .body::<Erase>(s)
        .answers::<ErasedFields>(200, s),
        Operation::get(
            "/api/incidents",
            "incidents.tell",
            "what something did between two times, from where, and what would stop it",
        )
        .query::<IncidentQuery>(s)
        .answers::<Incident>(200, s),
        Operation::get(
            "/api/lineage",
            "lineage.follow",
            "backward to who answers, or forward from a person",
        )
        .query::<LineageQuery>(s)
        .answers::<Lineage>(200, s),
        Operation::post("/api/results", "results.report", "what a guard saw happen")
            .keyed()
            .body::<ReportResults>(s)
            .answers::<ReportedResults>(200, s),
    ]
}

fn operating(s: &mut Schemas) -> Vec<Operation> {
    vec![
        Operation::get(
            "/api/revocations",
            "revocations.feed",
            "the feed that guards follow: for who runs a resource server, owners and auditors",
        )
        .query::<FeedQuery>(s)
        .answers::<Feed>(200, s),
        Operation::post(
            "/api/revocations",
            "revocations.revoke",
            "revokes at any grain, or says what would die",
        )
        .body::<Revoke>(s)
        .answers::<Revocation>(200, s),
        Operation::get(
            "/api/identities/{id}/attempts",
            "trust.attempts",
            "what was refused at an identity lately",
        )
        .query::<ListQuery>(s)
        .page::<RefusedAttempt>(s),
        Operation::post(
            "/api/trust-tests",
            "trust.test",
            "why a run's token is or is not an identity",
        )
        .body::<TrustTest>(s)
        .answers::<TrustVerdict>(200, s),
        Operation::get(
            "/api/signing-keys",
            "signing-keys.list",
            "the tenant's signing keys",
        )
        .answers::<SigningKeyList>(200, s),
        Operation::post(
            "/api/signing-keys/rotate",
            "signing-keys.rotate",
            "publishes successors",
        )
        .body::<RotateSigningKeys>(s)
        .answers::<SigningKeyList>(200, s),
        Operation::post(
            "/api/signing-keys/{kid}/kill",
            "signing-keys.kill",
            "ends a key at once",
        )
        .body::<KillSigningKey>(s)
        .answers::<SigningKeyList>(200, s),
    ]
}
