//! Forward: from a user or team to every identity and privilege that they answer for (S3.11).

use std::collections::BTreeMap;

use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Relation, Status},
};
use countersign_store::{Tx, seen};

use super::{AnswersFor, Asker, Forward, Graph, Node, RECORDS};
use crate::{registry::observed, rejection::Rejection, rows};

const RELATIONS: [Relation; 3] = [Relation::Sponsor, Relation::Owner, Relation::Manager];

pub(super) fn answers_for(
    tx: &mut Tx<'_>,
    asker: &Asker<'_>,
    noun: Noun,
    name: &str,
) -> Result<Forward, Rejection> {
    let party = locate(tx, asker.tenant_id, noun, name)?;
    let own =
        asker.person.user_id == party.id.cast() || asker.person.teams.contains(&party.id.cast());
    let mut found: BTreeMap<Id<id::Record>, (Record, Vec<&'static str>)> = BTreeMap::new();
    let mut observed = Vec::new();
    let mut parties = vec![party.id];
    if noun == Noun::User {
        // Who is in a team answers with it.
        let teams = rows::linked_to(tx, asker.tenant_id, Relation::Member, party.id)?;
        parties.extend(
            teams
                .iter()
                .filter(|record| record.noun == Noun::Team)
                .map(|team| team.id),
        );
    }
    for party in parties {
        let accounts = Relation::Observed;
        observed.extend(rows::linked_up_to(
            tx,
            asker.tenant_id,
            accounts,
            party,
            RECORDS,
        )?);
        for relation in RELATIONS {
            for record in
                rows::linked_up_to(tx, asker.tenant_id, relation, party, rows::WHOLE_LIST)?
            {
                if record.noun == Noun::Identity && record.status != Status::Deleted {
                    let entry = found
                        .entry(record.id)
                        .or_insert_with(|| (record, Vec::new()));
                    if !entry.1.contains(&relation.as_str()) {
                        entry.1.push(relation.as_str());
                    }
                }
            }
        }
    }
    observed.retain(|record| {
        record.status != Status::Deleted && (own || observed::sees(asker.person, record))
    });
    let truncated = found.len() > RECORDS || observed.len() > RECORDS;
    observed.truncate(RECORDS);
    let mut graph = Graph::default();
    let party_key = format!("{}:{}", noun.as_str(), party.id);
    graph.node(Node::new(
        party_key.clone(),
        noun.as_str(),
        party.name.clone(),
    ));
    let mut answers_for = Vec::new();
    for (identity, relations) in found.into_values().take(RECORDS) {
        let Some(doc) = identity.identity() else {
            continue;
        };
        let project = rows::by_id(tx, asker.tenant_id, doc.project_id.cast())?;
        let visible = own
            || asker.person.reads_evidence()
            || project
                .as_ref()
                .and_then(|record| record.project())
                .is_some_and(|project| asker.person.sees(doc, project));
        if !visible {
            continue;
        }
        let key = format!("identity:{}", identity.id);
        graph.node(Node::new(key.clone(), "identity", doc.subject.clone()));
        for relation in &relations {
            graph.edge(&key, relation_edge(relation), &party_key);
        }
        let last_seen_at = seen::by_record(tx, identity.id)?.map(|seen| seen.last_seen_at);
        answers_for.push(AnswersFor {
            identity,
            project,
            relations,
            last_seen_at,
        });
    }
    for account in &observed {
        let Some(doc) = account.observed_account() else {
            continue;
        };
        let key = format!("observed:{}", account.id);
        let label = format!("{} (observed in {})", doc.facts.label, doc.system);
        graph.node(Node::new(key.clone(), "observed", label));
        graph.edge(&key, "sponsored_by", &party_key);
    }
    if answers_for.is_empty() && observed.is_empty() && !own && !asker.person.reads_evidence() {
        return Err(Refusal::new(
            Reason::NotFound,
            format!("there is no {} `{name}` that you can see", noun.as_str()),
        )
        .into());
    }
    let sponsored = answers_for
        .iter()
        .filter(|one| one.relations.contains(&"sponsor"))
        .count();
    let beside = match observed.len() {
        0 => String::new(),
        1 => "; and for 1 observed account of another system".to_owned(),
        count => format!("; and for {count} observed accounts of other systems"),
    };
    let sentence = format!(
        "{} answers for {} {}, as sponsor of {sponsored}{beside}.",
        party.name,
        answers_for.len(),
        if answers_for.len() == 1 {
            "identity"
        } else {
            "identities"
        },
    );
    Ok(Forward {
        party,
        answers_for,
        observed,
        graph,
        sentence,
        truncated,
    })
}

fn relation_edge(relation: &str) -> &'static str {
    match relation {
        "sponsor" => "sponsored_by",
        "owner" => "owned_by",
        _ => "managed_by",
    }
}

pub(crate) fn locate(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    noun: Noun,
    name: &str,
) -> Result<Record, Rejection> {
    let by_id = match name.parse::<Id<id::Record>>() {
        Ok(id) => rows::by_id(tx, tenant, id)?,
        Err(_) => None,
    };
    let found = match by_id {
        Some(record) => Some(record),
        None => countersign_store::records::by_alias(tx, tenant, noun, name)?,
    };
    found.filter(|record| record.noun == noun).ok_or_else(|| {
        let shown: String = name
            .chars()
            .take(128)
            .flat_map(char::escape_debug)
            .collect();
        Refusal::new(
            Reason::NotFound,
            format!("there is no {} `{shown}`", noun.as_str()),
        )
        .into()
    })
}
