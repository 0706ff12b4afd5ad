//! The story of an edit that took a second person: who asked, what it does, who decided, and whether it was made.

use countersign_model::{
    evidence::{Event, Role},
    lineage::{Edit, Story},
};
use serde_json::Value;

use super::{
    Graph,
    teller::{Teller, find, shown},
};
use crate::{evidence::search::Found, rejection::Rejection};

impl Teller<'_, '_, '_> {
    /// The record that asked for the edit that a record is about.
    pub(super) fn edit_of(&self, main: &Found) -> Option<Found> {
        let approval = &find(&main.record, Role::Approval)?.id;
        let asks = |found: &&Found| match &found.record.event {
            Event::ApprovalOpened(opened) => {
                opened.request.get("type").and_then(Value::as_str) == Some("change")
                    && find(&found.record, Role::Approval).is_some_and(|one| one.id == *approval)
            }
            _ => false,
        };
        self.records.values().find(asks).cloned()
    }

    pub(super) fn edit(mut self, opened: &Found) -> Result<(Story, Graph, Vec<String>), Rejection> {
        let record = &opened.record;
        let approval = find(record, Role::Approval).map(|one| one.id.clone());
        let of_it = |found: &&Found| {
            matches!(found.record.event, Event::Changed(_))
                && find(&found.record, Role::Approval).map(|one| &one.id) == approval.as_ref()
        };
        let made = self.records.values().find(of_it).cloned();
        let what = match &record.event {
            Event::ApprovalOpened(opened) => opened.request.get("summary").and_then(Value::as_str),
            _ => None,
        };
        let what = what.unwrap_or("[gap: what it does is not on record]");
        let asked_by = find(record, Role::Actor);
        let mut story = Story {
            approval_needed: true,
            edit: Some(Edit {
                what: what.to_owned(),
                asked_by: asked_by.map(shown),
                denied_by: Vec::new(),
                made_at: made
                    .as_ref()
                    .map(|made| made.record.occurred_at.to_string()),
            }),
            ..Story::default()
        };
        let last = match &made {
            Some(made) => self.evidence_node(made, "change", what.to_owned())?,
            None => String::new(),
        };
        if find(record, Role::Identity).is_some() {
            self.identity(record, &last, &mut story)?;
        }
        self.approvals(approval.as_deref(), &last, &mut story)?;
        if let Some(asked_by) = asked_by {
            let node = self.user(asked_by);
            self.graph
                .edge(&format!("evidence:{}", record.id), "asked_by", &node);
        }
        Ok((story, self.graph, self.gaps))
    }
}
