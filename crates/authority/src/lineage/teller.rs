//! Telling one story from its records: each hop, and a gap where one should be.

use std::collections::BTreeMap;

use countersign_model::{
    Id,
    evidence::{Event, Evidence, Outcome, Reference, Role},
    id,
    lineage::Story,
    registry::{Noun, Record},
    run::RunAssurance,
};
use countersign_store::Tx;

use super::{Asker, Graph, Node};
use crate::{
    client_auth::person,
    evidence::search::{Found, Gap},
    log,
    rejection::Rejection,
    rows,
};

/// Walks the records of one story, from the result to who answers.
pub(super) struct Teller<'a, 'b, 'c> {
    tx: &'a mut Tx<'c>,
    asker: &'a Asker<'b>,
    pub(super) records: &'a BTreeMap<Id<id::Evidence>, Found>,
    pub(super) graph: Graph,
    pub(super) gaps: Vec<String>,
}

impl<'a, 'b, 'c> Teller<'a, 'b, 'c> {
    pub(super) fn new(
        tx: &'a mut Tx<'c>,
        asker: &'a Asker<'b>,
        records: &'a BTreeMap<Id<id::Evidence>, Found>,
    ) -> Self {
        Self {
            tx,
            asker,
            records,
            graph: Graph::default(),
            gaps: Vec::new(),
        }
    }

    /// The story, nodes and edges, and the links that should be there and are not.
    pub(super) fn tell(mut self, main: &Found) -> Result<(Story, Graph, Vec<String>), Rejection> {
        if let Some(execution) = find(&main.record, Role::Execution).map(|one| one.id.clone()) {
            return self.execution(&execution);
        }
        if let Some(opened) = self.edit_of(main) {
            return self.edit(&opened);
        }
        let mut story = Story::default();
        let action = Some(main).filter(|found| matches!(found.record.event, Event::Action(_)));
        let token = self.token_of(main);
        let main_key = match action {
            Some(action) => self.action(action, &mut story)?,
            None => String::new(),
        };
        let mut last = main_key;
        if let Some(token) = &token {
            let key = self.token(token, &mut story)?;
            if !last.is_empty() {
                self.graph.edge(&last, "used", &key);
            }
            last = key;
        } else if action.is_some() {
            self.gap(&last, "used", "the token");
        }
        let source = token.as_ref().or(Some(main));
        if let Some(found) = source {
            self.run(&found.record, &last, &mut story);
            self.identity(&found.record, &last, &mut story)?;
        }
        self.approvals(
            approval_of(token.as_ref(), main).as_deref(),
            &last,
            &mut story,
        )?;
        if story.approval_needed && story.approved_by.is_empty() {
            self.gap(&last, "approved_by", "the approval");
        }
        Ok((story, self.graph, self.gaps))
    }

    /// Says of a record that belongs here and cannot be read.
    pub(super) fn lost(&mut self, gap: &Gap) -> Result<(), Rejection> {
        let said = self.graph.lost(self.tx, gap)?;
        self.gaps.push(said);
        Ok(())
    }

    pub(super) fn gap(&mut self, from: &str, relation: &'static str, what: &str) {
        self.graph.gap(from, relation, what);
        self.gaps.push(format!("{what} is not on record"));
    }

    /// The token that the main record is about, or used.
    fn token_of(&self, main: &Found) -> Option<Found> {
        if matches!(main.record.event, Event::TokenIssued(_)) {
            return Some(main.clone());
        }
        let by_parent = main
            .record
            .parents
            .iter()
            .filter_map(|parent| self.records.get(parent));
        let tokens = by_parent
            .chain(self.records.values())
            // A person's session is behind many stories, and the token of none of them.
            .filter(|found| matches!(&found.record.event, Event::TokenIssued(issued) if issued.identity_kind.is_some()));
        // A story may have a token before and one after its approval: the one after says more.
        tokens
            .max_by_key(|found| {
                (
                    main.record.parents.contains(&found.record.id),
                    weight(&found.record.event),
                )
            })
            .cloned()
    }

    pub(super) fn evidence_node(
        &mut self,
        found: &Found,
        node_type: &'static str,
        label: String,
    ) -> Result<String, Rejection> {
        let key = format!("evidence:{}", found.record.id);
        let position = log::position(self.tx, found.record.id)?;
        let at = Some(found.record.occurred_at);
        self.graph.node(Node {
            at,
            position,
            evidence: Some(found.record.id),
            ..Node::new(key.clone(), node_type, label)
        });
        Ok(key)
    }

    fn action(&mut self, found: &Found, story: &mut Story) -> Result<String, Rejection> {
        let Event::Action(action) = &found.record.event else {
            return Ok(String::new());
        };
        let mut text = action.action.to_string();
        if let Some(resource) = &action.resource {
            text = format!("{text} on {resource}");
        }
        if let Some(environment) = &action.environment {
            text = format!("{text} in {environment}");
        }
        story.action = Some(text.clone());
        story.outcome = Some(action.outcome.as_str().to_owned());
        story.at = Some(found.record.occurred_at.to_string());
        self.evidence_node(
            found,
            "action",
            format!("{text} ({})", action.outcome.as_str()),
        )
    }

    fn token(&mut self, found: &Found, story: &mut Story) -> Result<String, Rejection> {
        let Event::TokenIssued(issued) = &found.record.event else {
            return Ok(String::new());
        };
        let actions: Vec<&str> = issued
            .actions
            .iter()
            .map(|action| action.as_str())
            .collect();
        let what = if actions.is_empty() {
            "no action".to_owned()
        } else {
            actions.join(", ")
        };
        if story.action.is_none() {
            let environment = issued
                .environment
                .as_ref()
                .map(|name| format!(" in {name}"))
                .unwrap_or_default();
            story.action = Some(format!("{what} at {}{environment}", issued.audience));
            story.at = Some(found.record.occurred_at.to_string());
        }
        story.approval_needed |= issued.approval_id.is_some();
        let key = self.evidence_node(
            found,
            "token",
            format!("token for {} at {}", what, issued.audience),
        )?;
        if let Some(credential) = find(&found.record, Role::Credential) {
            let label = credential
                .name
                .as_ref()
                .map_or("credential", |name| name.shown())
                .replace('-', " ");
            let by = self.maker_of(&credential.id)?;
            let issuer = find(&found.record, Role::Issuer).map(shown);
            let mut authority = match &by {
                Some(by) => format!("a {label} that {by} made"),
                None => format!("a {label}"),
            };
            if let Some(issuer) = issuer {
                authority = format!("{authority} for {issuer}");
            }
            let node = format!("credential:{}", credential.id);
            self.graph
                .node(Node::new(node.clone(), "credential", authority.clone()));
            self.graph.edge(&key, "authorized_by", &node);
            story.authority = Some(authority);
        } else if issued.client_auth == person::METHOD
            && let Some(acting) = find(&found.record, Role::Actor)
        {
            let who = shown(acting);
            let node = format!("user:{}", acting.id);
            self.graph
                .node(Node::new(node.clone(), "user", who.clone()));
            self.graph.edge(&key, "acted_by", &node);
            story.authority = Some(format!("{who}, who acted as it"));
        } else if issued.client_auth == crate::client_auth::EXCHANGED {
            story.authority = Some("the long-lived token that it exchanged".to_owned());
        }
        Ok(key)
    }

    /// The node of a person.
    pub(super) fn user(&mut self, of: &Reference) -> String {
        let node = format!("user:{}", of.id);
        self.graph.node(Node::new(node.clone(), "user", shown(of)));
        node
    }

    /// The key of who answers: a person or a team.
    pub(super) fn answering(&mut self, id: &str) -> Result<String, Rejection> {
        let record = match id.parse() {
            Ok(id) => rows::by_id(self.tx, self.asker.tenant_id, id)?,
            Err(_) => None,
        };
        let noun = match record.map(|record| record.noun) {
            Some(Noun::Team) => "team",
            _ => "user",
        };
        Ok(format!("{noun}:{id}"))
    }

    fn maker_of(&mut self, credential: &str) -> Result<Option<String>, Rejection> {
        let Ok(id) = credential.parse() else {
            return Ok(None);
        };
        let record = rows::by_id(self.tx, self.asker.tenant_id, id)?;
        let Some(user) = record
            .as_ref()
            .and_then(Record::credential)
            .and_then(|doc| doc.created_by)
        else {
            return Ok(None);
        };
        Ok(rows::by_id(self.tx, self.asker.tenant_id, user.cast())?.map(|record| record.name))
    }

    fn run(&mut self, record: &Evidence, from: &str, story: &mut Story) {
        let run = match &record.event {
            Event::TokenIssued(issued) => issued.run.as_ref(),
            Event::Refused(refused) => refused.run.as_ref(),
            _ => None,
        };
        if let Event::TokenIssued(issued) = &record.event
            && issued.client_auth == person::METHOD
        {
            // A person has no run: what there is instead is their sign-in, a parent of the token.
            story.run = Some("their own sign-in".to_owned());
            story.run_verified = true;
            return;
        }
        let Some(evidence) = run else {
            self.gap(from, "ran_in", "the run");
            return;
        };
        let run = &evidence.run;
        let id = run.run_id.as_deref().unwrap_or(&run.key);
        let mut text = format!("run {id}");
        if let Some(attempt) = &run.attempt {
            text = format!("{text} attempt {attempt}");
        }
        if let Some(project) = run.project_name.as_deref().or(run.project.as_deref()) {
            text = format!("{text} of {project}");
        }
        story.run = Some(text.clone());
        story.run_verified = run.assurance == RunAssurance::Verified;
        story.commit = run.commit.clone();
        story.triggered_by = evidence
            .login
            .as_ref()
            .map(|login| login.shown().to_owned());
        let key = format!("run:{}", run.key);
        self.graph.node(Node::new(key.clone(), "run", text));
        self.graph.edge(from, "ran_in", &key);
        if let Some(commit) = &run.commit {
            let node = format!("commit:{commit}");
            self.graph
                .node(Node::new(node.clone(), "commit", commit.clone()));
            self.graph.edge(&key, "built_from", &node);
        }
    }

    pub(super) fn identity(
        &mut self,
        record: &Evidence,
        from: &str,
        story: &mut Story,
    ) -> Result<(), Rejection> {
        let Some(reference) = find(record, Role::Identity) else {
            self.gap(from, "issued_to", "the identity");
            return Ok(());
        };
        let subject = shown(reference);
        let key = format!("identity:{}", reference.id);
        let now = match reference.id.parse() {
            Ok(id) => rows::by_id(self.tx, self.asker.tenant_id, id)?,
            Err(_) => None,
        };
        let doc = now.as_ref().and_then(Record::identity);
        story.identity = Some(subject.clone());
        story.kind = doc.map(|doc| doc.kind.as_str().replace('_', " "));
        let is_then = |name: &String| {
            subject.ends_with(name.as_str()) || subject.starts_with(&format!("{name} ("))
        };
        let named_now = doc
            .map(|doc| doc.name.to_string())
            .filter(|name| !is_then(name));
        self.graph.node(Node {
            now: named_now,
            ..Node::new(key.clone(), "identity", subject)
        });
        self.graph.edge(from, "issued_to", &key);
        let then = find(record, Role::Sponsor);
        story.sponsor_then = then.map(shown);
        let sponsor_now = match doc {
            Some(doc) => rows::by_id(self.tx, self.asker.tenant_id, doc.sponsor.record_id())?,
            None => None,
        };
        story.sponsor_now = sponsor_now.as_ref().map(sponsor_name);
        match (then, &sponsor_now) {
            (Some(then), now) => {
                // Whoever answers now has a node of their own: what the one of then did besides is not theirs.
                let node = match now.as_ref().map(|now| now.id.to_string()) {
                    Some(id) if id != then.id => format!("sponsor:{id}"),
                    _ => self.answering(&then.id)?,
                };
                let changed = now
                    .as_ref()
                    .map(sponsor_name)
                    .filter(|name| Some(name) != story.sponsor_then.as_ref());
                self.graph.node(Node {
                    now: changed,
                    ..Node::new(node.clone(), "sponsor", shown(then))
                });
                self.graph.edge(&key, "sponsored_by", &node);
            }
            (None, Some(now)) => {
                let node = self.answering(&now.id.to_string())?;
                self.graph
                    .node(Node::new(node.clone(), "sponsor", sponsor_name(now)));
                self.graph.edge(&key, "sponsored_by", &node);
            }
            (None, None) => self.gap(&key, "sponsored_by", "the sponsor"),
        }
        Ok(())
    }

    /// The approval that this is about: others of the same story are not what was approved here.
    pub(super) fn approvals(
        &mut self,
        wanted: Option<&str>,
        from: &str,
        story: &mut Story,
    ) -> Result<(), Rejection> {
        let is_it = |found: &&Found| {
            find(&found.record, Role::Approval).is_some_and(|one| Some(one.id.as_str()) == wanted)
        };
        let records: Vec<Found> = self.records.values().filter(is_it).cloned().collect();
        for found in &records {
            match &found.record.event {
                Event::ApprovalOpened(opened) => {
                    let label = format!("approval asked for ({} needed)", opened.required);
                    let key = self.evidence_node(found, "approval", label)?;
                    self.graph.edge(from, "approved_by", &key);
                    if let Some(human) = find(&found.record, Role::Human) {
                        let node = format!("user:{}", human.id);
                        self.graph
                            .node(Node::new(node.clone(), "user", shown(human)));
                        self.graph.edge(&key, "triggered_by", &node);
                        story.triggered_by = Some(shown(human));
                    }
                }
                Event::ApprovalDecided(decided) => {
                    let Some(approver) = find(&found.record, Role::Approver)
                        .or_else(|| find(&found.record, Role::Actor))
                    else {
                        continue;
                    };
                    let verdict = if decided.approved {
                        "approved"
                    } else {
                        "denied"
                    };
                    let key = self.evidence_node(
                        found,
                        "decision",
                        format!("{verdict} by {}", shown(approver)),
                    )?;
                    for parent in &found.record.parents {
                        self.graph
                            .edge(&key, "decides", &format!("evidence:{parent}"));
                    }
                    let node = format!("user:{}", approver.id);
                    self.graph
                        .node(Node::new(node.clone(), "user", shown(approver)));
                    self.graph.edge(&key, "decided_by", &node);
                    if decided.approved {
                        story.approved_by.push(shown(approver));
                    } else if let Some(edit) = &mut story.edit {
                        edit.denied_by.push(shown(approver));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Which record tells most of a story.
pub(super) fn weight(event: &Event) -> u8 {
    match event {
        Event::Action(action) => match action.outcome {
            Outcome::Done => 6,
            Outcome::Failed => 5,
            Outcome::Refused => 4,
        },
        Event::ExecutionEnded(_) => 3,
        Event::TokenIssued(issued) if issued.approval_id.is_some() => 3,
        Event::TokenIssued(_) => 2,
        Event::ApprovalDecided(_) | Event::ApprovalOpened(_) => 1,
        _ => 0,
    }
}

pub(super) fn find(record: &Evidence, role: Role) -> Option<&Reference> {
    record.refs.iter().find(|reference| reference.role == role)
}

pub(super) fn shown(reference: &Reference) -> String {
    reference
        .name
        .as_ref()
        .map_or_else(|| reference.id.clone(), |name| name.shown().to_owned())
}

/// The approval that a token redeemed, or without a token the one that a record is about.
fn approval_of(token: Option<&Found>, main: &Found) -> Option<String> {
    let redeemed = token.and_then(|token| match &token.record.event {
        Event::TokenIssued(issued) => issued.approval_id.map(|id| id.to_string()),
        _ => None,
    });
    redeemed.or_else(|| find(&main.record, Role::Approval).map(|one| one.id.clone()))
}

fn sponsor_name(record: &Record) -> String {
    if record.noun == Noun::Team {
        format!("team {}", record.name)
    } else {
        record.name.clone()
    }
}
