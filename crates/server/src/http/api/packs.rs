//! Packs: what a project does by itself.

use axum::{extract::State, response::Response};
use countersign_api::{
    events::Trigger,
    packs::{Pack, PackAction, Webhook},
    reference::{Meta, Why},
};
use countersign_authority::registry::packs::DeletePack;
use countersign_model::{
    pack::account_of,
    registry::{Noun, PackDoc},
};

use super::{
    events::rule,
    records::{self, Shows, View},
};
use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, etag::IfMatch, json::Query, problem::Failure},
};

/// `DELETE /api/packs/{id}`.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(named): Addressed,
    if_match: IfMatch,
    Query(why): Query<Why>,
) -> Result<Response, Failure> {
    let command = DeletePack {
        pack: named,
        if_version: if_match.0,
        reason: why.reason,
    };
    records::delete(&app, &caller, if_match, command).await
}

impl Shows for Pack {
    const NOUN: Noun = Noun::Pack;
    const PATH: &'static str = "packs";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.pack()?;
        let triggers = doc.triggers.iter().map(|one| Trigger {
            reference: doc.part(&one.name),
            description: one.description.clone(),
        });
        let rules = doc.rules.iter();
        Some(Self {
            meta: view.meta(),
            project: view.refer(doc.project_id),
            sponsor: view.party(doc.sponsor),
            description: doc.description.clone(),
            triggers: triggers.collect(),
            actions: actions(doc),
            rules: rules
                .map(|one| rule(doc.part(&one.name), doc.project_id, one))
                .collect(),
            webhooks: webhooks(doc),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

fn webhooks(doc: &PackDoc) -> Vec<Webhook> {
    let shown = doc.webhooks.iter().map(|webhook| {
        let signature = webhook.signature.as_ref();
        Webhook {
            path: webhook.path.clone(),
            signature_key: signature.map(|asked| asked.key.to_string()),
            signature_form: signature.map(|asked| asked.form),
        }
    });
    shown.collect()
}

fn actions(doc: &PackDoc) -> Vec<PackAction> {
    let shown = doc.actions.iter().map(|action| {
        let reference = doc.part(&action.name);
        let parameters = action.parameters.iter();
        PackAction {
            description: action.description.clone(),
            service_account: account_of(&reference),
            command: action.command.clone(),
            script_sha256: action.script.as_ref().map(|script| script.sha256.clone()),
            timeout_seconds: action.time_out.0,
            keys: action.keys.clone(),
            starts: action.starts.iter().map(ToString::to_string).collect(),
            parameters: parameters
                .map(|(name, one)| (name.clone(), one.description.clone()))
                .collect(),
            retry_if_lost: action.retry_if_lost,
            requires_approval: action.requires_approval,
            reference,
        }
    });
    shown.collect()
}
