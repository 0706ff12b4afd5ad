//! The caller's own tenant.

use axum::{extract::State, response::Response};
use countersign_api::{
    reference::Meta,
    tenants::{Provider, PutProvider as WirePut, Tenant, UpdateTenant as Body},
};
use countersign_authority::registry::{
    issuers::IssuerRules,
    tenants::{self, PutProvider, UpdateTenant},
};
use countersign_crypto::Secret;
use countersign_model::registry::{Admits, MOST_MAX_AGE, Noun, ProviderClientAuth, ProviderDoc};
use http::StatusCode;

use super::{
    approvals,
    records::{self, Shows, View},
};
use crate::{
    app::App,
    http::{caller::Caller, etag::IfMatch, json::Json, problem::Failure},
};

/// `GET /api/tenant`.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<Response, Failure> {
    let permit = caller.permit.clone();
    let shown = app
        .authority()
        .store()
        .read(move |tx| tenants::show(tx, &permit))
        .await?;
    let mut tenant: Tenant = records::of_shown(&shown)?;
    let issuer = &caller.tenant.issuer;
    tenant.issuer.clone_from(issuer);
    if let Some(provider) = &mut tenant.provider {
        provider.redirect_uri = format!("{issuer}/login/callback");
        provider.backchannel_logout_uri = format!("{issuer}/login/backchannel");
    }
    Ok(records::tagged(
        &caller,
        StatusCode::OK,
        Tenant::PATH,
        &shown.record,
        tenant,
    ))
}

/// `PATCH /api/tenant`.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    if_match: IfMatch,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let provider = match (body.provider, body.remove_provider) {
        (Some(_), true) => {
            return Err(Failure::bad_request(
                "state `provider`, or `remove_provider`, and not both",
            ));
        }
        (Some(put), false) => Some(Some(put_provider(&app, &caller, put))),
        (None, true) => Some(None),
        (None, false) => None,
    };
    let command = UpdateTenant {
        if_version: if_match.0,
        refuse_unknown_actions: body.refuse_unknown_actions,
        orphan_grace_seconds: body.orphan_grace_seconds,
        approvals_need_passkey: body.approvals_need_passkey,
        registration: body.registration,
        provider,
        provisioner: body
            .provisioner
            .map(|name| Some(name).filter(|name| !name.is_empty())),
        reason: body.reason,
        browser: caller.browser_session(),
    };
    let outcome = records::execute(&app, &caller, if_match, command).await?;
    match outcome.approval_id() {
        Some(approval) => approvals::waits(&app, &caller, approval).await,
        None => show(State(app), caller).await,
    }
}

fn put_provider(app: &App, caller: &Caller, put: WirePut) -> PutProvider {
    PutProvider {
        name: put.name,
        issuer: put.issuer,
        client_id: put.client_id,
        client_secret: put.client_secret.map(|text| Secret::new(text.into_inner())),
        private_key_jwt: put.private_key_jwt,
        acr: put.acr,
        max_age_seconds: put.max_age_seconds.unwrap_or(MOST_MAX_AGE.0),
        groups_claim: put.groups_claim,
        teams: put.teams,
        access_groups: put.access_groups,
        admits: if put.admit_invited {
            Admits::Invited
        } else {
            Admits::Linked
        },
        rules: IssuerRules {
            tenant_issuer: caller.tenant.issuer.clone(),
            allow_loopback: app.config().federation.allow_loopback_issuers,
        },
        secrets: app.authority().shared_secrets(),
    }
}

fn wire(doc: &ProviderDoc, view: &View<'_>) -> Provider {
    Provider {
        name: doc.name.clone(),
        issuer: doc.issuer.clone(),
        client_id: doc.client_id.clone(),
        private_key_jwt: doc.client_auth == ProviderClientAuth::PrivateKeyJwt,
        acr: doc.acr.clone(),
        max_age_seconds: doc.max_age_seconds,
        groups_claim: doc.groups_claim.clone(),
        teams: doc
            .teams
            .iter()
            .map(|(group, team)| (group.clone(), view.refer(*team)))
            .collect(),
        access_groups: doc.access_groups.clone(),
        admit_invited: doc.admits == Admits::Invited,
        redirect_uri: String::new(),
        backchannel_logout_uri: String::new(),
    }
}

impl Shows for Tenant {
    const NOUN: Noun = Noun::Tenant;
    const PATH: &'static str = "tenant";

    /// Its issuer is known to who serves it, and is put in there.
    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.tenant()?;
        Some(Self {
            meta: view.meta(),
            issuer: String::new(),
            refuse_unknown_actions: doc.refuse_unknown_actions,
            orphan_grace_seconds: doc.orphan_grace_seconds,
            approvals_need_passkey: doc.approvals_need_passkey,
            registration: doc.registration,
            provider: doc.provider.as_ref().map(|doc| wire(doc, view)),
            provisioner: doc.provisioner.map(|id| view.refer(id)),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}
