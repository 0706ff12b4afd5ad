//! A record in one line, for lists.

use countersign_model::{
    action::ActionSet,
    evidence::{Event, Evidence, Outcome, Reference, RenewalTrouble, Role},
};

/// What happened, in one line.
#[must_use]
pub fn line(record: &Evidence) -> String {
    match &record.event {
        Event::Action(action) => {
            let on = action
                .resource
                .as_ref()
                .map(|resource| format!(" on {resource}"))
                .unwrap_or_default();
            format!(
                "{} {} {}{on}",
                who(record),
                match action.outcome {
                    Outcome::Done => "did",
                    Outcome::Failed => "failed to do",
                    Outcome::Refused => "was refused",
                },
                action.action
            )
        }
        Event::ApprovalDecided(decided) => {
            let verdict = if decided.approved {
                "approved"
            } else {
                "denied"
            };
            let signed = match &decided.countersignature {
                Some(_) => " with a passkey's signature",
                None => "",
            };
            format!(
                "{} {verdict}{signed} ({} of {})",
                name(record, Role::Approver),
                decided.approvals,
                decided.required
            )
        }
        Event::ApprovalOpened(opened) => format!(
            "{} asks for approval ({} needed)",
            who(record),
            opened.required
        ),
        Event::ApprovalVoided(voided) => format!("approval voided: {}", voided.because),
        Event::BillingClosed(closed) => format!(
            "bills of {} closed: {} operations",
            closed.month, closed.operations
        ),
        Event::Changed(changed) => {
            let alone = if changed.changed_alone {
                ", changed alone"
            } else {
                ""
            };
            format!(
                "{} {} `{}`{alone}",
                changed.noun.as_str().replace('_', " "),
                changed.verb,
                name(record, Role::Target)
            )
        }
        Event::DataKey(key) => format!("data key {} {}", key.data_key_id, key.verb),
        Event::Decision(decision) => {
            format!(
                "{} {}{}",
                decision.action,
                if decision.allowed {
                    "allowed"
                } else {
                    "denied"
                },
                times(decision.count)
            )
        }
        Event::Erased(erased) => format!(
            "{} personal values erased: {}",
            erased.fields, erased.reason
        ),
        Event::EventCreated(event) => match event.rules.as_slice() {
            [] => format!("event {}, and no rule fired", event.trigger_type),
            rules => format!("event {} fired {}", event.trigger_type, rules.join(", ")),
        },
        Event::ExecutionScheduled(scheduled) => match &scheduled.rule {
            Some(rule) => format!("{} is due, by rule {rule}", scheduled.action_ref),
            None => format!("{} is due", scheduled.action_ref),
        },
        Event::ExecutionEnded(ended) => {
            let again = if ended.again {
                ", and is due again"
            } else {
                ""
            };
            format!(
                "{} {} (attempt {}){again}",
                ended.action_ref,
                ended.state.as_str().replace('_', " "),
                ended.attempt
            )
        }
        Event::Gap(gap) => format!(
            "records may be missing from {} to {}: a server ended without a stop",
            gap.since, gap.until
        ),
        Event::Introspected(summed) => format!(
            "{} tokens introspected, {} active",
            summed.active + summed.inactive,
            summed.active
        ),
        Event::SigningKey(key) => format!("{} key {} {}", key.alg, key.kid, key.verb),
        Event::InvitationChanged(changed) => {
            let email = changed.email.shown();
            match changed.verb.as_str() {
                "accepted" => format!("{email} came in by an invitation"),
                "created" => format!("{} invited {email}", name(record, Role::Actor)),
                _ => format!(
                    "{} took back the invitation of {email}",
                    name(record, Role::Actor)
                ),
            }
        }
        Event::KeyFileRotated(files) => {
            format!("key file {} took the place of {}", files.to, files.from)
        }
        Event::KeyRead(read) => format!(
            "{} read version {} of key {}",
            read.action_ref, read.version, read.key
        ),
        Event::Refused(refused) => format!(
            "{} refused to {}: {}{}",
            refused.asked,
            caller(record, refused.claimed.as_deref()),
            refused.detail.shown(),
            times(refused.count)
        ),
        Event::RenewalAlert(alert) => match alert.alert {
            RenewalTrouble::Forked => format!(
                "{}: its token was renewed again although the successor lives; two parties hold it; `countersign revoke chain {}` ends all of it",
                who(record),
                alert.chain_id
            ),
            RenewalTrouble::Overdue => {
                format!(
                    "{}: its token should have been renewed and was not",
                    who(record)
                )
            }
        },
        Event::NoticeGivenUp(notice) => format!(
            "nobody took the message {} by {}, tried {} times",
            notice.notice, notice.channel, notice.attempts
        ),
        Event::Revoked(revoked) => format!(
            "{} {} revoked: {}",
            revoked.grain.as_str().replace('_', " "),
            revoked.target,
            revoked.reason
        ),
        Event::Started(started) => format!("server {} started", started.version),
        Event::PasskeyChanged(changed) => format!(
            "passkey {}{}",
            changed
                .name
                .as_ref()
                .map_or_else(String::new, |name| format!("`{}` ", name.shown())),
            changed.verb
        ),
        Event::SignInDecided(decided) => format!(
            "{} {} the sign-in of {}",
            name(record, Role::Actor),
            if decided.confirmed {
                "confirmed"
            } else {
                "denied"
            },
            decided
                .host_name
                .as_ref()
                .map_or("a command line", |host| host.shown())
        ),
        Event::SignedIn(signed_in) => format!(
            "{} signed in by {}",
            name(record, Role::Human),
            signed_in.method.replace('_', " ")
        ),
        Event::TokenIssued(issued) => format!(
            "{} got a token for {}: {}",
            issued.subject,
            issued.audience,
            actions(&issued.actions)
        ),
        Event::TokenUsed(used) => format!(
            "{} used its token at {}: {}{}",
            who(record),
            used.route,
            used.outcome.as_str(),
            times(used.count)
        ),
        _ => record.event.kind().replace('_', " "),
    }
}

/// How often, when it was more than once.
fn times(count: u64) -> String {
    match count {
        1 => String::new(),
        count => format!(" ({count}x)"),
    }
}

fn actions(actions: &ActionSet) -> String {
    if actions.is_empty() {
        return "no action".to_owned();
    }
    actions
        .iter()
        .map(|action| action.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn who(record: &Evidence) -> String {
    name(record, Role::Identity)
}

fn caller(record: &Evidence, claimed: Option<&str>) -> String {
    let known = record
        .refs
        .iter()
        .find(|reference| matches!(reference.role, Role::Identity | Role::Actor));
    known.map_or_else(|| claimed.unwrap_or("somebody").to_owned(), shown)
}

fn name(record: &Evidence, role: Role) -> String {
    record
        .refs
        .iter()
        .find(|reference| reference.role == role)
        .map_or_else(|| "(unknown)".to_owned(), shown)
}

fn shown(reference: &Reference) -> String {
    reference
        .name
        .as_ref()
        .map_or_else(|| reference.id.clone(), |name| name.shown().to_owned())
}
