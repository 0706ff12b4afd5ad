//! `GET /api/lineage`: backward to who answers, forward to what they answer for.

use axum::{Json as JsonAnswer, extract::State};
use countersign_api::{
    Ref,
    lineage::{AnswersFor, Direction, Edge, Lineage as Answer, LineageQuery, Node, OtherStory},
};
use countersign_authority::{
    ReadMode,
    lineage::{self, Asker, Backward, Forward, Graph, Lineage, Start},
    people,
};
use countersign_model::registry::Record;

use super::log::position;
use crate::{
    app::App,
    http::{caller::Caller, json::Query, problem::Failure},
};

/// Follows a reference.
pub async fn follow(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<LineageQuery>,
) -> Result<JsonAnswer<Answer>, Failure> {
    let user = caller.permit.user()?;
    let tenant_id = caller.tenant.id;
    let start: Start = query.reference.parse()?;
    let pepper = app.authority().secrets().pepper.clone();
    let lineage = app
        .authority()
        .store()
        .read_as(ReadMode::Search, move |tx| {
            let person = people::person(tx, tenant_id, user)?;
            lineage::follow(
                tx,
                &Asker {
                    tenant_id,
                    person: &person,
                },
                &start,
                &pepper,
            )
        })
        .await;
    Ok(JsonAnswer(match lineage? {
        Lineage::Backward(backward) => told_backward(query.reference, *backward),
        Lineage::Forward(forward) => told_forward(query.reference, *forward),
    }))
}

fn told_backward(reference: String, told: Backward) -> Answer {
    let (nodes, edges) = wire(told.graph);
    Answer {
        reference,
        direction: Direction::Backward,
        sentence: told.story.sentence(),
        story: Some(told.story),
        others: told
            .others
            .into_iter()
            .map(|(reference, sentence)| OtherStory {
                reference,
                sentence,
            })
            .collect(),
        nodes,
        edges,
        gaps: told.gaps,
        answers_for: Vec::new(),
        observed: Vec::new(),
        truncated: told.truncated,
    }
}

fn told_forward(reference: String, told: Forward) -> Answer {
    let (nodes, edges) = wire(told.graph);
    let answers_for = told.answers_for.into_iter().filter_map(|one| {
        let doc = one.identity.identity()?;
        let project = one
            .project
            .as_ref()
            .map(|project| project.name.clone())
            .unwrap_or_default();
        Some(AnswersFor {
            identity: Ref {
                id: one.identity.id,
                name: doc.name.to_string(),
            },
            kind: doc.kind,
            status: one.identity.status,
            project: Ref {
                id: doc.project_id.cast(),
                name: project,
            },
            relations: one
                .relations
                .iter()
                .map(|relation| (*relation).to_owned())
                .collect(),
            allowed_actions: doc
                .allowed_actions
                .iter()
                .map(ToString::to_string)
                .collect(),
            environments: doc.environments.clone(),
            last_seen_at: one.last_seen_at.map(Into::into),
        })
    });
    Answer {
        reference,
        direction: Direction::Forward,
        sentence: told.sentence,
        story: None,
        others: Vec::new(),
        nodes,
        edges,
        gaps: Vec::new(),
        answers_for: answers_for.collect(),
        observed: told.observed.iter().map(observed).collect(),
        truncated: told.truncated,
    }
}

fn observed(record: &Record) -> Ref {
    let label = record.observed_account().map(|doc| &doc.facts.label);
    Ref {
        id: record.id,
        name: label.unwrap_or(&record.name).clone(),
    }
}

fn wire(graph: Graph) -> (Vec<Node>, Vec<Edge>) {
    let nodes = graph.nodes.into_iter().map(|node| Node {
        id: node.key,
        node_type: node.node_type.to_owned(),
        label: node.label,
        now: node.now,
        at: node.at.map(Into::into),
        evidence_id: node.evidence,
        log: node.position.map(position),
        gap: node.gap,
    });
    let edges = graph.edges.into_iter().map(|edge| Edge {
        from: edge.from,
        to: edge.to,
        relation: edge.relation.to_owned(),
    });
    (nodes.collect(), edges.collect())
}
