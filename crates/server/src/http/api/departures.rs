//! `GET /api/users/{id}/departure`: if this person leaves tomorrow.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    departures::{
        AtStake, Departure, DepartureCounts, DepartureQuery, ProposedSuccessor, Undecided,
    },
    reference::{PartyRef, Ref},
};
use countersign_authority::{
    ReadMode,
    registry::leaving::{self, Successor},
};
use countersign_model::{
    Timestamp,
    registry::{Party, Record},
};

use super::records;
use crate::{
    app::App,
    http::{addressed::Addressed, caller::Caller, json::Query, problem::Failure},
};

/// Says what would happen, and changes nothing.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Addressed(user): Addressed,
    Query(query): Query<DepartureQuery>,
) -> Result<JsonAnswer<Departure>, Failure> {
    let list = records::list_name("departure", &caller, &user)?;
    let after = query.after.as_deref();
    let wanted = leaving::DepartureQuery {
        after: after
            .map(|after| app.cursors().open(&list, after))
            .transpose()?,
        limit: query.limit.unwrap_or_default(),
    };
    let (permit, now) = (caller.permit.clone(), caller.ctx.now);
    let pepper = app.authority().secrets().pepper.clone();
    let told = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            leaving::departure(tx, &permit, &user, &wanted, now, &pepper)
        })
        .await?;
    let next = told
        .next
        .as_ref()
        .map(|next| app.cursors().seal(&list, next))
        .transpose()?;
    Ok(JsonAnswer(wire(told, next, now)))
}

fn wire(told: leaving::Departure, next: Option<String>, now: Timestamp) -> Departure {
    Departure {
        user: refer(&told.user),
        status: told.user.status,
        sentence: told.sentence(now),
        warnings: told.warnings(),
        orphan_grace_seconds: told.grace.0,
        counts: DepartureCounts {
            sponsors: told.sponsors,
            owns: told.owns,
            manages: told.manages,
            approves: told.approves,
            orphans: told.orphans,
            undecided: told.undecided,
            sign_ins: told.sign_ins,
            passkeys: told.passkeys,
            tokens: told.tokens,
        },
        projects: told.projects.iter().map(refer).collect(),
        teams: told.teams.iter().map(refer).collect(),
        items: told.items.into_iter().filter_map(at_stake).collect(),
        next,
        truncated: told.truncated,
    }
}

fn at_stake(one: leaving::AtStake) -> Option<AtStake> {
    let doc = one.identity.identity()?;
    let project = one.project.as_ref().map(|project| project.name.clone());
    Some(AtStake {
        identity: refer(&one.identity),
        kind: doc.kind,
        status: one.identity.status,
        project: Ref {
            id: doc.project_id.cast(),
            name: project.unwrap_or_default(),
        },
        relations: one.relations,
        orphaned: one.orphaned.map(str::to_owned),
        stops_at: one.stops_at.map(Into::into),
        undecided: one.undecided.map(|undecided| Undecided {
            left: undecided.left,
            required: undecided.required,
            waiting: undecided.waiting,
        }),
        successor: one.successor.as_ref().map(proposed),
    })
}

/// A successor on the wire.
fn proposed(successor: &Successor) -> ProposedSuccessor {
    ProposedSuccessor {
        user: PartyRef::new(
            Party::User(successor.user.id.cast()),
            successor.user.name.clone(),
        ),
        reason: successor.reason(),
    }
}

/// A record by its id and name.
pub(super) fn refer(record: &Record) -> Ref {
    Ref {
        id: record.id,
        name: record.name.clone(),
    }
}
