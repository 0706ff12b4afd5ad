//! `GET /api/findings`: what is weak about identities.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    findings::{Finding, IdentityFindings, ListFindings},
    identities::Identity,
    paging::Page,
};
use countersign_authority::{
    ReadMode,
    findings::{self, FindingFilter, Findings, Look},
    registry::identities::IdentityFilter,
};
use countersign_model::finding;

use super::records;
use crate::{
    app::App,
    http::{caller::Caller, json::Query, problem::Failure},
};

/// Lists what is weak about the identities that the caller may see.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListFindings>,
) -> Result<JsonAnswer<Page<IdentityFindings>>, Failure> {
    let filters = ListFindings {
        after: None,
        limit: None,
        ..query.clone()
    };
    let list = records::list_name("findings", &caller, &filters)?;
    let wanted = records::page_query(&app, &list, query.after.as_deref(), query.limit, None)?;
    let filter = FindingFilter {
        identities: IdentityFilter {
            project: query.project.map(|name| name.0),
            kind: query.kind,
            sponsor: query.sponsor.map(|name| name.0),
            ..IdentityFilter::default()
        },
        weakness: query.weakness,
        severity: query.severity,
    };
    let (permit, now) = (caller.permit.clone(), caller.ctx.now);
    let pepper = app.authority().secrets().pepper.clone();
    let Findings { page, found } = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            let look = Look {
                now,
                pepper: &pepper,
            };
            findings::list(tx, &permit, &filter, &wanted, &look)
        })
        .await?;
    let JsonAnswer(page) = records::page_of::<Identity>(&app, &list, page)?;
    let items = page.items.into_iter().zip(found);
    Ok(JsonAnswer(Page {
        items: items
            .map(|(identity, found)| told(identity, found))
            .collect(),
        next: page.next,
    }))
}

fn told(identity: Identity, found: Vec<finding::Finding>) -> IdentityFindings {
    IdentityFindings {
        identity: countersign_api::Ref {
            id: identity.meta.id,
            name: identity.meta.name,
        },
        kind: identity.kind,
        project: identity.project,
        sponsor: identity.sponsor,
        findings: wire(found),
    }
}

/// Findings on the wire.
pub(super) fn wire(found: Vec<finding::Finding>) -> Vec<Finding> {
    let one = |finding: finding::Finding| Finding {
        severity: finding.severity,
        weakness: finding.weakness,
        says: finding.says,
        remedy: finding.remedy.into_owned(),
        fix: finding.fix,
        credential: finding.credential,
    };
    found.into_iter().map(one).collect()
}
