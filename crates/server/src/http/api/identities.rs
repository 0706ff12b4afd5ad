//! Identities: listed with filters, shown with how complete their evidence is.

mod create;
mod lifecycle;
mod update;

pub use create::create;
pub use lifecycle::{
    accept_sponsorship, decline_sponsorship, delete, disable, enable, rename, review, transfer,
};
pub use update::update;

use axum::{Json as JsonAnswer, extract::State, response::Response};
use countersign_api::{
    identities::{
        ApprovalRule, Completeness, Confirmed, Identity, Impersonator, ListIdentities,
        PendingSponsor, Review,
    },
    paging::Page,
    reference::Meta,
};
use countersign_authority::{
    ReadMode, Rejection,
    evidence::search::{self, Found, Search},
    findings::{self as authority_findings, Look, MOST_LOOKED_AT},
    registry::{
        PageQuery,
        identities::{self, IdentityFilter},
    },
};
use countersign_model::{
    audit_fields::AuditField,
    finding::Powers,
    registry::{IdentityDoc, Noun},
};
use http::StatusCode;

use super::{
    findings,
    records::{self, Shows, View},
};
use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, json::Query, problem::Failure},
};

/// How many of the newest records completeness is told of: enough to see a habit, read in a moment.
const LOOKED_AT: u32 = 500;

/// `GET /api/identities`.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListIdentities>,
) -> Result<JsonAnswer<Page<Identity>>, Failure> {
    let filters = ListIdentities {
        after: None,
        limit: None,
        ..query.clone()
    };
    let list = records::list_name(Identity::PATH, &caller, &filters)?;
    let wanted = records::page_query(
        &app,
        &list,
        query.after.as_deref(),
        query.limit,
        query.status,
    )?;
    let offered = query.offered == Some(true);
    let with_findings = query.findings == Some(true) && !offered;
    let wanted = PageQuery {
        limit: if with_findings {
            wanted.limit.min(MOST_LOOKED_AT)
        } else {
            wanted.limit
        },
        name_prefix: query.name,
        ..wanted
    };
    let filter = IdentityFilter {
        project: query.project.map(|name| name.0),
        status: query.status,
        kind: query.kind,
        environment: query.environment,
        sponsor: query.sponsor.map(|name| name.0),
        incomplete: query.incomplete,
        review_due_at: (query.review_due == Some(true)).then_some(caller.ctx.now),
        offered,
        long_lived: false,
    };
    let (permit, now) = (caller.permit.clone(), caller.ctx.now);
    let pepper = app.authority().secrets().pepper.clone();
    let mode = if with_findings {
        ReadMode::Search
    } else {
        ReadMode::Request
    };
    let (page, beside) = app
        .authority()
        .store()
        .read_as(mode, move |tx| {
            let page = identities::list(tx, &permit, &filter, &wanted)?;
            let look = Look {
                now,
                pepper: &pepper,
            };
            let found = if with_findings {
                authority_findings::of_page(tx, &permit, &page, &look)?
            } else {
                vec![Vec::new(); page.items.len()]
            };
            let mut beside = Vec::with_capacity(found.len());
            for (listed, found) in page.items.iter().zip(found) {
                let oldest = identities::oldest_credential(tx, &permit, listed.record.id, now)?;
                beside.push((oldest, found));
            }
            Ok::<_, Rejection>((page, beside))
        })
        .await?;
    let mut page = records::page_of::<Identity>(&app, &list, page)?;
    for (identity, (oldest, found)) in page.0.items.iter_mut().zip(beside) {
        identity.oldest_credential_at = oldest.map(Into::into);
        identity.findings = findings::wire(found);
    }
    Ok(page)
}

/// `GET /api/identities/{id}`.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(text): Addressed,
) -> Result<Response, Failure> {
    let permit = caller.permit.clone();
    let pepper = app.authority().secrets().pepper.clone();
    let now = caller.ctx.now;
    let (shown, oldest, evidence, found) = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            let shown = identities::show(tx, &permit, &text)?;
            let newest = Search {
                identity: Some(shown.record.id.to_string()),
                limit: LOOKED_AT,
                ..Search::default()
            };
            let page = search::search(tx, permit.tenant_id(), &newest, &pepper)?;
            let look = Look {
                now,
                pepper: &pepper,
            };
            let found = authority_findings::of(tx, &permit, &shown, &look)?;
            let oldest = identities::oldest_credential(tx, &permit, shown.record.id, now)?;
            Ok::<_, Rejection>((shown, oldest, page.records, found))
        })
        .await?;
    let mut identity: Identity = records::of_shown(&shown)?;
    identity.evidence = Some(completeness(&evidence));
    identity.findings = findings::wire(found);
    identity.oldest_credential_at = oldest.map(Into::into);
    Ok(records::tagged(
        &caller,
        StatusCode::OK,
        Identity::PATH,
        &shown.record,
        identity,
    ))
}

fn completeness(evidence: &[Found]) -> Completeness {
    let complete = evidence
        .iter()
        .filter(|found| found.record.missing.is_empty())
        .count();
    let mut counted: Vec<(AuditField, u32)> = Vec::new();
    for field in evidence.iter().flat_map(|found| &found.record.missing) {
        match counted.iter_mut().find(|(known, _)| known == field) {
            Some((_, count)) => *count += 1,
            None => counted.push((*field, 1)),
        }
    }
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Completeness {
        records: evidence.len() as u64,
        complete: complete as u64,
        missing: counted.into_iter().map(|(field, _)| field).collect(),
    }
}

impl Shows for Identity {
    const NOUN: Noun = Noun::Identity;
    const PATH: &'static str = "identities";

    fn of(view: &View<'_>) -> Option<Self> {
        let doc = view.record.identity()?;
        let (last_seen_at, last_seen_source) = view.seen.clone().unzip();
        Some(Self {
            meta: view.meta(),
            kind: doc.kind,
            subject: doc.subject.clone(),
            client_id: doc.client_id.clone(),
            project: view.refer(doc.project_id),
            sponsor: view.party(doc.sponsor),
            pending_sponsor: pending_sponsor(view, doc),
            owner: view.party(doc.owner),
            managers: doc.managers.iter().map(|id| view.refer(*id)).collect(),
            purpose: doc.purpose.clone(),
            description: doc.description.clone(),
            environments: doc.environments.clone(),
            audiences: doc.audiences.iter().map(|id| view.refer(*id)).collect(),
            resources: doc.resources.clone(),
            allowed_actions: doc.allowed_actions.clone(),
            denied_actions: doc.denied_actions.clone(),
            roles: doc.roles.clone(),
            token_ttl_seconds: doc.token_ttl_seconds,
            requires_approval: doc.requires_approval,
            approval_rule: approval_rule(view, doc),
            impersonators: doc
                .impersonators
                .iter()
                .map(|right| Impersonator {
                    party: view.party(right.party),
                    since: right.since.into(),
                    until: right.until.into(),
                })
                .collect(),
            trust_model: doc.trust_model,
            expires_at: doc.expires_at.into(),
            orphan_grace_until: doc.orphan_grace_until.map(Into::into),
            risk_tier: doc.risk_tier(),
            confirmed: doc.confirmed.as_ref().map(|last| Confirmed {
                by: view.refer(last.by),
                at: last.at.into(),
                last_seen_at: last.last_seen_at.map(Into::into),
            }),
            review_due_at: doc.review_due(view.record.created_at).into(),
            review: doc.review.as_ref().map(|review| Review {
                by: view.refer(review.by),
                at: review.at.into(),
                tier: review.tier,
            }),
            incomplete: doc.defaulted.iter().cloned().collect(),
            created_by: Some(view.refer(doc.created_by)),
            status_reason: doc.status_reason.clone(),
            last_seen_at,
            last_seen_source,
            oldest_credential_at: None,
            powers: Powers::of(&doc.allowed_actions.difference(&doc.denied_actions)),
            findings: Vec::new(),
            evidence: None,
            metadata: doc.metadata.clone(),
        })
    }

    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
}

fn pending_sponsor(view: &View<'_>, doc: &IdentityDoc) -> Option<PendingSponsor> {
    doc.pending_sponsor.as_ref().map(|pending| PendingSponsor {
        party: view.party(pending.party),
        asked_by: view.refer(pending.asked_by),
        asked_at: pending.asked_at.into(),
    })
}

fn approval_rule(view: &View<'_>, doc: &IdentityDoc) -> ApprovalRule {
    let rule = &doc.approval_rule;
    ApprovalRule {
        required: rule.required,
        approvers: rule
            .approvers
            .iter()
            .map(|party| view.party(*party))
            .collect(),
        second_if_unproven: rule.second_if_unproven,
    }
}
