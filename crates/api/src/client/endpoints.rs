//! What is not the same for every noun.

use reqwest::Method;
use serde_json::Value;

use super::{Changed, Client, ClientError, Headers};
use crate::{
    approvals::{Approval, Decide, ListApprovals, OpenApproval},
    billing::{BillingQuery, Statement, StatementList},
    credentials::{CreateCredential, CreatedCredential, Credential, Rotate},
    departures::{Departure, DepartureQuery},
    device_authorizations::{DeviceAuthorization, UserCode},
    evaluation::{EvaluationRequest, EvaluationResponse, EvaluationsRequest, EvaluationsResponse},
    evidence::{Erase, ErasedFields, EvidenceRecord, EvidenceSummary, SearchEvidence},
    findings::{IdentityFindings, ListFindings},
    hand_overs::{AnswerHandOver, HandOver, HandedOver, OfferHandOver},
    identities::{Identity, Rename, ReviewInput, Transfer},
    incidents::{Incident, IncidentQuery},
    invitations::{CreateInvitation, Invitation, Invitations},
    issuers::Issuer,
    keys::{DataKeyList, Key, KeyHistory, KeyValue, ListKeys, PutKey, RotateDataKey, RotateKey},
    lineage::{Lineage, LineageQuery},
    log::{self, ListEntries, LogEntries, LogKey},
    manifests::{ExportQuery, ManifestRequest, Plan},
    notices::{ChooseNotices, Notices},
    observed::{Import, ImportRequest, ObservedAccount, ProposeSponsor},
    paging::{ListQuery, Page},
    passkeys::{Nothing, PasskeyLink, Passkeys},
    reference::Why,
    results::{ReportResults, ReportedResults},
    revocations::{Feed, FeedQuery, Revocation, Revoke},
    service_accounts::{
        CreateServiceAccount, CreatedServiceAccount, DeletedServiceAccount, LongLivedToken,
        NextToken, RefreshToken, ServiceAccounts,
    },
    sessions::{CreateSession, CreatedSession, CurrentSession, Sessions},
    signing_keys::{KillSigningKey, RotateSigningKeys, SigningKeyList},
    tenants::{Tenant, UpdateTenant},
    trust_test::{RefusedAttempt, TrustTest, TrustVerdict},
    users::User,
};

/// A method for each endpoint: segments of its path, its request, its answer.
macro_rules! endpoints {
    ($(
        $(#[$doc:meta])*
        $verb:ident $name:ident($($arg:ident),*) $path:tt, $request:ty => $answer:ty;
    )*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// When the server refuses or cannot be reached.
                pub async fn $name(&self, $($arg: &str,)* request: &$request) -> Result<$answer, ClientError> {
                    endpoints!(@ $verb self, $path, request)
                }
            )*
        }
    };
    (@ get $client:ident, $path:tt, $request:ident) => { $client.get(&$path, $request).await };
    (@ post $client:ident, $path:tt, $request:ident) => { $client.post(&$path, $request).await };
    (@ put $client:ident, $path:tt, $request:ident) => { $client.put(&$path, $request).await };
    (@ delete $client:ident, $path:tt, $request:ident) => { $client.remove(&$path, $request).await };
    (@ act $client:ident, $path:tt, $request:ident) => { $client.act(&$path, $request).await };
    (@ change $client:ident, $path:tt, $request:ident) => {
        $client.change(Method::POST, &$path, $request, Headers::default()).await
    };
}

endpoints! {
    /// Switches an identity off.
    change disable_identity(id) ["api", "identities", id, "disable"], Why => Changed<Identity>;
    /// Switches an identity on again.
    change enable_identity(id) ["api", "identities", id, "enable"], Why => Changed<Identity>;
    /// Moves an identity to another project.
    change transfer_identity(id) ["api", "identities", id, "transfer"], Transfer => Changed<Identity>;
    /// Gives an identity another name.
    change rename_identity(id) ["api", "identities", id, "rename"], Rename => Changed<Identity>;
    /// Accepts to answer for an identity.
    change accept_sponsorship(id) ["api", "identities", id, "accept-sponsorship"], Why => Changed<Identity>;
    /// Declines to answer for an identity.
    change decline_sponsorship(id) ["api", "identities", id, "decline-sponsorship"], Why => Changed<Identity>;
    /// Reviews an identity.
    change review_identity(id) ["api", "identities", id, "review"], ReviewInput => Changed<Identity>;
    /// Switches a user off.
    change disable_user(id) ["api", "users", id, "disable"], Why => Changed<User>;
    /// Switches a user on again.
    change enable_user(id) ["api", "users", id, "enable"], Why => Changed<User>;
    /// The months in which anything was counted.
    get statements() ["api", "billing", "statements"], BillingQuery => StatementList;
    /// The statement of a month.
    get statement(month) ["api", "billing", "statements", month], BillingQuery => Statement;
    /// What would happen if a user left.
    get departure(id) ["api", "users", id, "departure"], DepartureQuery => Departure;
    /// What a user hands over.
    get hand_over(id) ["api", "users", id, "hand-over"], () => HandOver;
    /// Offers what a user answers for to others.
    post offer_hand_over(id) ["api", "users", id, "hand-over"], OfferHandOver => HandOver;
    /// Accepts what a user hands over to the caller.
    post accept_hand_over(id) ["api", "users", id, "hand-over", "accept"], AnswerHandOver => HandedOver;
    /// Declines it.
    post decline_hand_over(id) ["api", "users", id, "hand-over", "decline"], AnswerHandOver => HandedOver;
    /// The caller leaves the tenant.
    act leave_tenant() ["api", "users", "current", "leave"], Why => ();
    /// The caller leaves a project.
    act leave_project(id) ["api", "projects", id, "leave"], Why => ();
    /// Trusts a revoked issuer again.
    change enable_issuer(id) ["api", "issuers", id, "enable"], Why => Changed<Issuer>;
    /// The credentials of an identity.
    get credentials(identity) ["api", "identities", identity, "credentials"], ListQuery => Page<Credential>;
    /// Makes a credential: the only answer with its secret.
    change create_credential(identity) ["api", "identities", identity, "credentials"], CreateCredential => Changed<CreatedCredential>;
    /// Makes a credential's successor: the only answer with its secret.
    change rotate_credential(id) ["api", "credentials", id, "rotate"], Rotate => Changed<CreatedCredential>;
    /// Revokes a credential.
    post revoke_credential(id) ["api", "credentials", id, "revoke"], Why => Credential;
    /// The caller's tenant.
    get tenant() ["api", "tenant"], () => Tenant;
    /// Plans manifests.
    post plan() ["api", "manifests", "plan"], ManifestRequest => Plan;
    /// Applies manifests.
    post apply() ["api", "manifests", "apply"], ManifestRequest => Plan;
    /// The JSON Schema of manifests.
    get manifest_schema() ["api", "manifests", "schema"], () => Value;
    /// Which messages the caller hears of where.
    get notices() ["api", "notices"], () => Notices;
    /// Chooses that.
    put choose_notices() ["api", "notices"], ChooseNotices => Notices;
    /// Brings in accounts of another system.
    post import() ["api", "imports"], ImportRequest => Import;
    /// Names who could answer for an observed account.
    post propose_sponsor(id) ["api", "observed-accounts", id, "propose"], ProposeSponsor => ObservedAccount;
    /// The caller answers for an observed account.
    post confirm_observed(id) ["api", "observed-accounts", id, "confirm"], Why => ObservedAccount;
    /// The caller does not.
    post decline_observed(id) ["api", "observed-accounts", id, "decline"], Why => ObservedAccount;
    /// Opens an approval.
    post open_approval() ["api", "approvals"], OpenApproval => Approval;
    /// Requests that wait or waited.
    get approvals() ["api", "approvals"], ListApprovals => Page<Approval>;
    /// One request.
    get approval(id) ["api", "approvals", id], () => Approval;
    /// Says yes to what was read.
    post approve(id) ["api", "approvals", id, "approve"], Decide => Approval;
    /// Says no to what was read.
    post deny(id) ["api", "approvals", id, "deny"], Decide => Approval;
    /// Revokes, or says what would die.
    post revoke() ["api", "revocations"], Revoke => Revocation;
    /// The revocation feed.
    get revocation_feed() ["api", "revocations"], FeedQuery => Feed;
    /// Reports results.
    post report_results() ["api", "results"], ReportResults => ReportedResults;
    /// What is weak about identities.
    get findings() ["api", "findings"], ListFindings => Page<IdentityFindings>;
    /// Searches evidence.
    get search_evidence() ["api", "evidence"], SearchEvidence => Page<EvidenceSummary>;
    /// One record, with its proof.
    get evidence(id) ["api", "evidence", id], () => EvidenceRecord;
    /// What something did between two times.
    get incident() ["api", "incidents"], IncidentQuery => Incident;
    /// Erases the personal values of a record.
    post erase_evidence(id) ["api", "evidence", id, "erase"], Erase => ErasedFields;
    /// Records in the order of the log.
    get log_entries() ["api", "log", "entries"], ListEntries => LogEntries;
    /// The log's own key.
    get log_key() ["api", "log", "key"], () => LogKey;
    /// The chain behind a result, or ahead of a person.
    get lineage() ["api", "lineage"], LineageQuery => Lineage;
    /// Explains a run's token.
    post trust_test() ["api", "trust-tests"], TrustTest => TrustVerdict;
    /// The refused attempts at an identity.
    get refused_attempts(identity) ["api", "identities", identity, "attempts"], ListQuery => Page<RefusedAttempt>;
    /// The service accounts with long-lived tokens.
    get service_accounts() ["api", "service-accounts"], ListQuery => ServiceAccounts;
    /// Makes the next token of a service account: the only answer with it.
    post next_token(id) ["api", "service-accounts", id, "tokens"], NextToken => CreatedServiceAccount;
    /// Renews the caller's own long-lived token.
    post refresh_token() ["api", "auth", "refresh"], RefreshToken => LongLivedToken;
    /// Signs in with a one-time code.
    post create_session() ["api", "sessions"], CreateSession => CreatedSession;
    /// The caller's sign-ins that last.
    get sessions() ["api", "sessions"], () => Sessions;
    /// A link that makes a passkey for the caller.
    post offer_passkey() ["api", "passkeys"], Nothing => PasskeyLink;
    /// The caller's passkeys.
    get passkeys() ["api", "passkeys"], () => Passkeys;
    /// Invites a person.
    post invite() ["api", "invitations"], CreateInvitation => Invitation;
    /// The open invitations that the caller may see.
    get invitations() ["api", "invitations"], () => Invitations;
    /// Who asks to be signed in with this code.
    post device_authorization() ["api", "device-authorizations", "show"], UserCode => DeviceAuthorization;
    /// Lets a command line act for the caller.
    post confirm_device() ["api", "device-authorizations", "confirm"], UserCode => DeviceAuthorization;
    /// Turns a command line away.
    post deny_device() ["api", "device-authorizations", "deny"], UserCode => DeviceAuthorization;
    /// Who the caller is.
    get current_session() ["api", "sessions", "current"], () => CurrentSession;
    /// The keys, without their values.
    get keys() ["api", "keys"], ListKeys => Page<Key>;
    /// The value of a key, with the token of an execution.
    get key_value(key) ["api", "keys", key], () => KeyValue;
    /// Sets the value of a key.
    put put_key(key) ["api", "keys", key], PutKey => Key;
    /// Gives a key its next version.
    post rotate_key(key) ["api", "keys", key, "rotate"], RotateKey => Key;
    /// A key with its versions, and who read it.
    get key_history(key) ["api", "keys", key, "history"], () => KeyHistory;
    /// Deletes a key with its values.
    delete delete_key(key) ["api", "keys", key], Why => ();
    /// What the values are encrypted with.
    get data_keys() ["api", "data-keys"], () => DataKeyList;
    /// Makes a new data key, and puts everything under it.
    post rotate_data_key() ["api", "data-keys", "rotate"], RotateDataKey => DataKeyList;
    /// The signing keys.
    get signing_keys() ["api", "signing-keys"], () => SigningKeyList;
    /// Makes successors of the signing keys.
    post rotate_signing_keys() ["api", "signing-keys", "rotate"], RotateSigningKeys => SigningKeyList;
    /// Ends a signing key at once.
    post kill_signing_key(kid) ["api", "signing-keys", kid, "kill"], KillSigningKey => SigningKeyList;
    /// Asks for a decision.
    post evaluate() ["access", "v1", "evaluation"], EvaluationRequest => EvaluationResponse;
    /// Asks for several decisions.
    post evaluate_all() ["access", "v1", "evaluations"], EvaluationsRequest => EvaluationsResponse;
}

impl Client {
    /// Makes a service account: the only answer with its first token. The key makes a repetition harmless.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn create_service_account(
        &self,
        create: &CreateServiceAccount,
        idempotency_key: &str,
    ) -> Result<CreatedServiceAccount, ClientError> {
        let segments = ["api", "service-accounts"];
        let headers = Headers {
            idempotency_key: Some(idempotency_key),
            if_match: None,
        };
        let request = headers
            .onto(self.request(Method::POST, &segments))
            .json(create);
        let (_, answer) = self.send(request).await?;
        self.json(&segments, &answer)
    }

    /// Deletes a service account; its name stays taken.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn delete_service_account(
        &self,
        id: &str,
        why: &Why,
    ) -> Result<DeletedServiceAccount, ClientError> {
        let segments = ["api", "service-accounts", id];
        let request = self.request(Method::DELETE, &segments).json(why);
        let (_, answer) = self.send(request).await?;
        self.json(&segments, &answer)
    }

    /// Edits the caller's tenant.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn update_tenant(
        &self,
        update: &UpdateTenant,
        if_match: Option<&str>,
    ) -> Result<Changed<Tenant>, ClientError> {
        let headers = Headers {
            idempotency_key: None,
            if_match,
        };
        self.change(Method::PATCH, &["api", "tenant"], update, headers)
            .await
    }

    /// Ends the caller's session.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn delete_session(&self) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &["api", "sessions", "current"]))
            .await
            .map(drop)
    }

    /// Ends one of the caller's sign-ins.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn end_session(&self, session: &str) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &["api", "sessions", session]))
            .await
            .map(drop)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn revoke_invitation(&self, invitation: &str) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &["api", "invitations", invitation]))
            .await
            .map(drop)
    }

    /// Removes one of the caller's passkeys.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn remove_passkey(&self, passkey: &str) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &["api", "passkeys", passkey]))
            .await
            .map(drop)
    }

    /// The registry as YAML.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn export(&self, query: &ExportQuery) -> Result<String, ClientError> {
        let request = self
            .request(Method::GET, &["api", "manifests", "export"])
            .query(query);
        let (_, body) = self.send(request).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The newest checkpoint of the log, a signed note.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn checkpoint(&self) -> Result<String, ClientError> {
        let bytes = self
            .log_file(log::CHECKPOINT_PATH.trim_start_matches("/log/"))
            .await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file of the log: `checkpoint`, `tile/0/000`, `tile/entries/000.p/12`.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn log_file(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let segments: Vec<&str> = std::iter::once("log").chain(path.split('/')).collect();
        let (_, body) = self.send(self.request(Method::GET, &segments)).await?;
        Ok(body)
    }
}
