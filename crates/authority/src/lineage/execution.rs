//! The story of an execution: from how it ended back to the event, and to who answers for each of them.

use countersign_model::{
    evidence::{Event, Role},
    execution::ExecutionState,
    lineage::Story,
};

use super::{
    Graph, Node,
    teller::{Teller, find, shown},
};
use crate::{evidence::search::Found, rejection::Rejection};

impl Teller<'_, '_, '_> {
    /// The story of the execution that a record is about.
    pub(super) fn execution(mut self, id: &str) -> Result<(Story, Graph, Vec<String>), Rejection> {
        // One event starts several: only the records of this one are of its story.
        let own: Vec<Found> = self
            .records
            .values()
            .filter(|found| find(&found.record, Role::Execution).is_some_and(|one| one.id == id))
            .cloned()
            .collect();
        let mut story = Story {
            run_verified: true,
            ..Story::default()
        };
        let last = |wanted: fn(&Event) -> bool| {
            own.iter()
                .rev()
                .find(|found| wanted(&found.record.event))
                .cloned()
        };
        let ended = last(|event| matches!(event, Event::ExecutionEnded(_)));
        let token = last(|event| matches!(event, Event::TokenIssued(_)));
        let scheduled = last(|event| matches!(event, Event::ExecutionScheduled(_)));

        let mut from = match &ended {
            Some(ended) => self.ended(ended, &mut story)?,
            None => String::new(),
        };
        if let Some(token) = &token {
            let key = self.token_of_execution(token, &from, &mut story)?;
            self.keys_read(&own, &key, &mut story)?;
            from = key;
        }
        if let Some(scheduled) = &scheduled {
            from = self.scheduled(scheduled, &from, &mut story)?;
            self.identity(&scheduled.record, &from, &mut story)?;
            self.cause(scheduled, &from, &mut story)?;
            self.countersigned(scheduled, &from, &mut story)?;
        } else {
            self.gap(&from, "scheduled_by", "the schedule");
        }
        let attempt = match ended.as_ref().map(|found| &found.record.event) {
            Some(Event::ExecutionEnded(ended)) => format!(" attempt {}", ended.attempt),
            _ => String::new(),
        };
        story.run = Some(format!("execution {id}{attempt}"));
        Ok((story, self.graph, self.gaps))
    }

    /// Who countersigned it, or that nobody is on record who did.
    fn countersigned(
        &mut self,
        scheduled: &Found,
        from: &str,
        story: &mut Story,
    ) -> Result<(), Rejection> {
        let Event::ExecutionScheduled(due) = &scheduled.record.event else {
            return Ok(());
        };
        if !due.requires_approval {
            return Ok(());
        }
        let id = due.execution_id.to_string();
        let approval = self.records.values().find_map(|found| {
            let opened = matches!(found.record.event, Event::ApprovalOpened(_))
                && find(&found.record, Role::Execution).is_some_and(|one| one.id == id);
            find(&found.record, Role::Approval).filter(|_| opened)
        });
        let approval = approval.map(|one| one.id.clone());
        story.approval_needed = true;
        self.approvals(approval.as_deref(), from, story)?;
        if story.approved_by.is_empty() {
            self.gap(from, "approved_by", "the approval");
        }
        Ok(())
    }

    fn ended(&mut self, found: &Found, story: &mut Story) -> Result<String, Rejection> {
        let Event::ExecutionEnded(ended) = &found.record.event else {
            return Ok(String::new());
        };
        let state = ended.state.as_str().replace('_', " ");
        story.action = Some(ended.action_ref.clone());
        story.outcome = Some(match ended.state {
            ExecutionState::Succeeded => "done".to_owned(),
            _ => "failed".to_owned(),
        });
        story.at = Some(found.record.occurred_at.to_string());
        self.evidence_node(found, "execution", format!("{} {state}", ended.action_ref))
    }

    fn token_of_execution(
        &mut self,
        found: &Found,
        from: &str,
        story: &mut Story,
    ) -> Result<String, Rejection> {
        let label = "token of the execution".to_owned();
        let key = self.evidence_node(found, "token", label)?;
        self.graph.edge(from, "used", &key);
        if story.action.is_none() {
            story.action = find(&found.record, Role::Execution).map(shown);
            story.at = Some(found.record.occurred_at.to_string());
        }
        Ok(key)
    }

    fn keys_read(
        &mut self,
        own: &[Found],
        token: &str,
        story: &mut Story,
    ) -> Result<(), Rejection> {
        for found in own {
            let Event::KeyRead(read) = &found.record.event else {
                continue;
            };
            let name = read.key.to_string();
            let key = self.evidence_node(found, "key", format!("read key {name}"))?;
            self.graph.edge(token, "read", &key);
            if !story.keys_read.contains(&name) {
                story.keys_read.push(name);
            }
        }
        Ok(())
    }

    fn scheduled(
        &mut self,
        found: &Found,
        from: &str,
        story: &mut Story,
    ) -> Result<String, Rejection> {
        let Event::ExecutionScheduled(scheduled) = &found.record.event else {
            return Ok(String::new());
        };
        let key = self.evidence_node(
            found,
            "schedule",
            format!("{} was due", scheduled.action_ref),
        )?;
        self.graph.edge(from, "scheduled_by", &key);
        if story.action.is_none() {
            story.action = Some(scheduled.action_ref.clone());
            story.at = Some(found.record.occurred_at.to_string());
        }
        story.authority = scheduled.rule.as_ref().map(|rule| format!("rule {rule}"));
        if let Some(rule) = &scheduled.rule {
            let node = format!("rule:{rule}");
            self.graph
                .node(Node::new(node.clone(), "rule", format!("rule {rule}")));
            self.graph.edge(&key, "authorized_by", &node);
        }
        Ok(key)
    }

    /// What made it due: an event and who created it, a person, or another execution.
    fn cause(&mut self, scheduled: &Found, from: &str, story: &mut Story) -> Result<(), Rejection> {
        let parents: Vec<Found> = scheduled
            .record
            .parents
            .iter()
            .filter_map(|parent| self.records.get(parent).cloned())
            .collect();
        for parent in parents {
            match &parent.record.event {
                Event::EventCreated(event) => {
                    let label = format!("event {}", event.trigger_type);
                    let key = self.evidence_node(&parent, "event", label.clone())?;
                    self.graph.edge(from, "caused_by", &key);
                    let by = find(&parent.record, Role::Identity)
                        .or_else(|| find(&parent.record, Role::Actor));
                    let Some(by) = by else {
                        self.gap(&key, "created_by", "who created the event");
                        continue;
                    };
                    let answers = find(&parent.record, Role::Sponsor).map(shown);
                    let node = format!("identity:{}", by.id);
                    self.graph
                        .node(Node::new(node.clone(), "identity", shown(by)));
                    self.graph.edge(&key, "created_by", &node);
                    let who = match answers {
                        Some(answers) => {
                            let sponsor = match find(&parent.record, Role::Sponsor) {
                                Some(sponsor) => self.answering(&sponsor.id)?,
                                None => String::new(),
                            };
                            self.graph
                                .node(Node::new(sponsor.clone(), "sponsor", answers.clone()));
                            self.graph.edge(&node, "sponsored_by", &sponsor);
                            format!("{} (for which {answers} answers)", shown(by))
                        }
                        None => shown(by),
                    };
                    let rule = story.authority.take().unwrap_or_else(|| label.clone());
                    story.authority = Some(format!("{rule}, fired by {label} of {who}"));
                }
                Event::TokenIssued(issued) => {
                    let who = find(&parent.record, Role::Execution)
                        .or_else(|| find(&parent.record, Role::Actor))
                        .or_else(|| find(&parent.record, Role::Identity));
                    let who = who.map_or_else(|| issued.subject.clone(), shown);
                    let key = self.evidence_node(&parent, "token", format!("token of {who}"))?;
                    self.graph.edge(from, "caused_by", &key);
                    story.authority = Some(format!("{who}, who started it"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
