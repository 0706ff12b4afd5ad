//! The wire of Countersign: types, error forms, paging; with feature `client` a typed client, with `amqp` the queue between
//! server and workers where that is RabbitMQ.
//!
//! One file for each noun. Requests refuse fields that they do not know; answers may gain fields.
//! A record is addressed by its id or its name; in a path, a name that holds a slash stands as `=` and
//! its bytes in hexadecimal. Ids are UUIDs, times RFC 3339. A list answers
//! [`paging::Page`] and takes `?limit=&after=`. Every `POST` that creates takes `Idempotency-Key`;
//! `PATCH` and `DELETE` take `If-Match`. A change that a second person must countersign answers
//! `202` with the [`approvals::Approval`] that waits. Errors are [`problem::Problem`], on the OAuth
//! endpoints [`tokens::OauthError`].
//!
//! | method | path | request | answer |
//! |---|---|---|---|
//! | GET | `/api/identities` | [`identities::ListIdentities`] | page of [`identities::Identity`] |
//! | POST | `/api/identities` | [`identities::CreateIdentity`] | 201 [`identities::Identity`] |
//! | GET | `/api/identities/{id}` | – | [`identities::Identity`] |
//! | PATCH | `/api/identities/{id}` | [`identities::UpdateIdentity`] | [`identities::Identity`] |
//! | DELETE | `/api/identities/{id}` | `?reason=` | 204 |
//! | POST | `/api/identities/{id}/disable` | [`reference::Why`] | [`identities::Identity`] |
//! | POST | `/api/identities/{id}/enable` | [`reference::Why`] | [`identities::Identity`] |
//! | POST | `/api/identities/{id}/transfer` | [`identities::Transfer`] | [`identities::Identity`] |
//! | POST | `/api/identities/{id}/rename` | [`identities::Rename`] | [`identities::Identity`] |
//! | POST | `/api/identities/{id}/accept-sponsorship` | [`reference::Why`] | [`identities::Identity`] |
//! | POST | `/api/identities/{id}/decline-sponsorship` | [`reference::Why`] | [`identities::Identity`] |
//! | POST | `/api/identities/{id}/review` | [`identities::ReviewInput`] | [`identities::Identity`] |
//! | GET | `/api/findings` | [`findings::ListFindings`] | page of [`findings::IdentityFindings`] |
//! | GET | `/api/identities/{id}/attempts` | [`paging::ListQuery`] | page of [`trust_test::RefusedAttempt`] |
//! | GET | `/api/identities/{id}/credentials` | [`paging::ListQuery`] | page of [`credentials::Credential`] |
//! | POST | `/api/identities/{id}/credentials` | [`credentials::CreateCredential`] | 201 [`credentials::CreatedCredential`] |
//! | GET | `/api/credentials/{id}` | – | [`credentials::Credential`] |
//! | POST | `/api/credentials/{id}/rotate` | [`credentials::Rotate`] | 201 [`credentials::CreatedCredential`] |
//! | POST | `/api/credentials/{id}/revoke` | [`reference::Why`] | [`credentials::Credential`] |
//! | GET, POST | `/api/projects` | [`paging::ListQuery`], [`projects::CreateProject`] | page of, 201 [`projects::Project`] |
//! | GET, PATCH, DELETE | `/api/projects/{id}` | [`projects::UpdateProject`] | [`projects::Project`], 204 |
//! | POST | `/api/projects/{id}/leave`, `/api/users/current/leave` | [`reference::Why`] | 204 |
//! | POST | `/api/issuers/{id}/enable` | [`reference::Why`] | [`issuers::Issuer`] |
//! | GET, POST | `/api/teams` | [`paging::ListQuery`], [`teams::CreateTeam`] | page of, 201 [`teams::Team`] |
//! | GET, PATCH, DELETE | `/api/teams/{id}` | [`teams::UpdateTeam`] | [`teams::Team`], 204 |
//! | GET, POST | `/api/users` | [`paging::ListQuery`], [`users::CreateUser`] | page of, 201 [`users::User`] |
//! | GET, PATCH, DELETE | `/api/users/{id}` | [`users::UpdateUser`] | [`users::User`], 204 |
//! | POST | `/api/users/{id}/disable`, `/api/users/{id}/enable` | [`reference::Why`] | [`users::User`] |
//! | GET | `/api/users/{id}/departure` | [`departures::DepartureQuery`] | [`departures::Departure`] |
//! | GET, POST | `/api/users/{id}/hand-over` | [`hand_overs::OfferHandOver`] | [`hand_overs::HandOver`] |
//! | POST | `/api/users/{id}/hand-over/accept`, `/api/users/{id}/hand-over/decline` | [`hand_overs::AnswerHandOver`] | [`hand_overs::HandedOver`] |
//! | GET, POST | `/api/linked-accounts` | [`paging::ListQuery`], [`users::CreateLinkedAccount`] | page of, 201 [`users::LinkedAccount`] |
//! | GET, DELETE | `/api/linked-accounts/{id}` | – | [`users::LinkedAccount`], 204 |
//! | POST | `/api/imports` | [`observed::ImportRequest`] | [`observed::Import`] |
//! | GET | `/api/observed-accounts` | [`observed::ListObserved`] | page of [`observed::ObservedAccount`] |
//! | GET, DELETE | `/api/observed-accounts/{id}` | – | [`observed::ObservedAccount`], 204 |
//! | POST | `/api/observed-accounts/{id}/propose` | [`observed::ProposeSponsor`] | [`observed::ObservedAccount`] |
//! | POST | `/api/observed-accounts/{id}/confirm`, `/api/observed-accounts/{id}/decline` | [`reference::Why`] | [`observed::ObservedAccount`] |
//! | GET, PUT | `/api/notices` | [`notices::ChooseNotices`] | [`notices::Notices`] |
//! | GET, POST | `/api/environments` | [`paging::ListQuery`], [`environments::CreateEnvironment`] | page of, 201 [`environments::Environment`] |
//! | GET, PATCH, DELETE | `/api/environments/{id}` | [`environments::UpdateEnvironment`] | [`environments::Environment`], 204 |
//! | GET, POST | `/api/audiences` | [`paging::ListQuery`], [`audiences::CreateAudience`] | page of, 201 [`audiences::Audience`] |
//! | GET, PATCH, DELETE | `/api/audiences/{id}` | [`audiences::UpdateAudience`] | [`audiences::Audience`], 204 |
//! | GET, POST | `/api/actions` | [`paging::ListQuery`], [`actions::CreateAction`] | page of, 201 [`actions::Action`] |
//! | GET, PATCH, DELETE | `/api/actions/{id}` | [`actions::UpdateAction`] | [`actions::Action`], 204 |
//! | GET, POST | `/api/issuers` | [`paging::ListQuery`], [`issuers::CreateIssuer`] | page of, 201 [`issuers::Issuer`] |
//! | GET, PATCH, DELETE | `/api/issuers/{id}` | [`issuers::UpdateIssuer`] | [`issuers::Issuer`], 204 |
//! | GET, POST | `/api/policies` | [`paging::ListQuery`], [`policies::CreatePolicy`] | page of, 201 [`policies::Policy`] |
//! | GET, PATCH, DELETE | `/api/policies/{id}` | [`policies::UpdatePolicy`] | [`policies::Policy`], 204 |
//! | GET, POST | `/api/scopes` | [`paging::ListQuery`], [`scopes::CreateScope`] | page of, 201 [`scopes::DefinedScope`] |
//! | GET, PATCH, DELETE | `/api/scopes/{id}` | [`scopes::UpdateScope`] | [`scopes::DefinedScope`], 204 |
//! | GET, PATCH | `/api/tenant` | [`tenants::UpdateTenant`] | [`tenants::Tenant`] |
//! | POST | `/api/manifests/plan` | [`manifests::ManifestRequest`] | [`manifests::Plan`] |
//! | POST | `/api/manifests/apply` | [`manifests::ManifestRequest`] | [`manifests::Plan`] |
//! | GET | `/api/manifests/export` | [`manifests::ExportQuery`] | YAML text |
//! | GET | `/api/manifests/schema` | – | JSON Schema |
//! | POST | `/api/approvals` | [`approvals::OpenApproval`] | 201 [`approvals::Approval`] |
//! | GET | `/api/approvals` | [`approvals::ListApprovals`] | page of [`approvals::Approval`] |
//! | GET | `/api/approvals/{id}` | – | [`approvals::Approval`] |
//! | POST | `/api/approvals/{id}/approve` | [`approvals::Decide`] | [`approvals::Approval`] |
//! | POST | `/api/approvals/{id}/deny` | [`approvals::Decide`] | [`approvals::Approval`] |
//! | POST | `/api/revocations` | [`revocations::Revoke`] | [`revocations::Revocation`] |
//! | GET | `/api/revocations` | [`revocations::FeedQuery`] | [`revocations::Feed`] |
//! | POST | `/api/results` | [`results::ReportResults`] | [`results::ReportedResults`] |
//! | GET | `/api/evidence` | [`evidence::SearchEvidence`] | page of [`evidence::EvidenceSummary`] |
//! | GET | `/api/evidence/{id}` | – | [`evidence::EvidenceRecord`] |
//! | POST | `/api/evidence/{id}/erase` | [`evidence::Erase`] | [`evidence::ErasedFields`] |
//! | GET | `/api/log/entries` | [`log::ListEntries`] | [`log::LogEntries`] (auditors) |
//! | GET | `/api/log/key` | – | [`log::LogKey`] |
//! | GET | `/api/incidents` | [`incidents::IncidentQuery`] | [`incidents::Incident`] |
//! | GET | `/api/lineage` | [`lineage::LineageQuery`] | [`lineage::Lineage`] |
//! | POST | `/api/trust-tests` | [`trust_test::TrustTest`] | [`trust_test::TrustVerdict`] |
//! | GET | `/api/service-accounts` | [`paging::ListQuery`] | [`service_accounts::ServiceAccounts`] |
//! | POST | `/api/service-accounts` | [`service_accounts::CreateServiceAccount`] | 201 [`service_accounts::CreatedServiceAccount`] |
//! | DELETE | `/api/service-accounts/{id}` | [`reference::Why`] | [`service_accounts::DeletedServiceAccount`] |
//! | POST | `/api/service-accounts/{id}/tokens` | [`service_accounts::NextToken`] | 201 [`service_accounts::CreatedServiceAccount`] |
//! | POST | `/api/auth/refresh` | [`service_accounts::RefreshToken`] | [`service_accounts::LongLivedToken`] |
//! | POST | `/api/sessions` | [`sessions::CreateSession`] | 201 [`sessions::CreatedSession`] |
//! | GET | `/api/sessions/current` | – | [`sessions::CurrentSession`] |
//! | DELETE | `/api/sessions/current` | – | 204 |
//! | GET | `/api/keys` | [`keys::ListKeys`] | page of [`keys::Key`] |
//! | GET | `/api/keys/{ref}` | – | [`keys::KeyValue`] (executions) |
//! | PUT | `/api/keys/{ref}` | [`keys::PutKey`] | [`keys::Key`] |
//! | DELETE | `/api/keys/{ref}` | [`reference::Why`] | 204 |
//! | POST | `/api/keys/{ref}/rotate` | [`keys::RotateKey`] | [`keys::Key`] |
//! | GET | `/api/keys/{ref}/history` | – | [`keys::KeyHistory`] |
//! | GET | `/api/data-keys` | – | [`keys::DataKeyList`] (owners) |
//! | POST | `/api/data-keys/rotate` | [`keys::RotateDataKey`] | [`keys::DataKeyList`] |
//! | GET | `/api/signing-keys` | – | [`signing_keys::SigningKeyList`] |
//! | POST | `/api/signing-keys/rotate` | [`signing_keys::RotateSigningKeys`] | [`signing_keys::SigningKeyList`] |
//! | POST | `/api/signing-keys/{kid}/kill` | [`signing_keys::KillSigningKey`] | [`signing_keys::SigningKeyList`] |
//! | GET | `/api/packs` | [`paging::ListQuery`] | page of [`packs::Pack`] |
//! | GET, DELETE | `/api/packs/{id}` | – | [`packs::Pack`], 204 |
//! | GET | `/api/triggers` | – | array of [`events::Trigger`] |
//! | GET | `/api/rules` | [`events::ListRules`] | array of [`events::Rule`] |
//! | POST | `/api/events` | [`events::CreateEvent`] | 201 [`events::Event`] |
//! | GET | `/api/events/{id}` | – | [`events::Event`] |
//! | GET, POST | `/api/executions` | [`executions::ListExecutions`], [`executions::Execute`] | page of, 201 [`executions::Execution`] |
//! | GET, PATCH | `/api/executions/{id}` | [`executions::UpdateExecution`] | [`executions::Execution`] |
//! | POST | `/api/executions/{id}/cancel` | [`executions::CancelExecution`] | [`executions::Execution`] |
//! | POST | `/api/executions/claim` | [`executions::Claim`] | [`executions::ClaimedExecutions`] |
//! | POST | `/api/executions/heartbeat` | [`executions::Heartbeat`] | [`executions::Heard`] |
//! | POST | `/api/executions/{id}/claim` | [`executions::ClaimOne`] | [`executions::ClaimedExecutions`] |
//! | POST | `/api/executions/{id}/finish` | [`executions::FinishExecution`] | [`executions::Execution`] |
//! | POST | `/api/webhooks/{path}` | any JSON document | 201 [`events::Event`] |
//! | GET | `/api/openapi.json` | – | OpenAPI 3.1 |
//! | GET | `/log/checkpoint` | – | signed note, text |
//! | GET | `/log/tile/{path}` | – | tile, bytes |
//! | POST | `/access/v1/evaluation` | [`evaluation::EvaluationRequest`] | [`evaluation::EvaluationResponse`] |
//! | POST | `/access/v1/evaluations` | [`evaluation::EvaluationsRequest`] | [`evaluation::EvaluationsResponse`] |
//! | POST | `/oauth2/token` | form [`tokens::TokenRequest`] | [`tokens::TokenResponse`] |
//! | POST | `/oauth2/introspect` | form [`tokens::TokenQuery`] | [`tokens::IntrospectionResponse`] |
//! | POST | `/oauth2/revoke` | form [`tokens::TokenQuery`] | 200, empty |

pub mod actions;
pub mod approvals;
pub mod audiences;
pub mod billing;
#[cfg(feature = "client")]
pub mod client;
pub mod console;
pub mod credentials;
pub mod departures;
pub mod device_authorizations;
pub mod environments;
pub mod evaluation;
pub mod events;
pub mod evidence;
pub mod executions;
pub mod findings;
pub mod hand_overs;
pub mod identities;
pub mod incidents;
pub mod invitations;
pub mod issuers;
pub mod keys;
pub mod lineage;
pub mod log;
pub mod manifests;
pub mod notices;
pub mod observed;
pub mod packs;
pub mod paging;
pub mod passkeys;
pub mod policies;
pub mod problem;
pub mod projects;
#[cfg(feature = "amqp")]
pub mod queue;
pub mod reference;
pub mod results;
pub mod revocations;
pub mod scopes;
pub mod service_accounts;
pub mod sessions;
pub mod signing_keys;
pub mod teams;
pub mod tenants;
pub mod time;
pub mod tokens;
pub mod trust_test;
pub mod users;

pub use problem::Problem;
pub use reference::{NameOrId, Ref};
pub use time::Time;

#[cfg(feature = "client")]
pub use client::{Client, ClientError};
