//! Telling people: who is told of what, where each of them wants to hear it, and what nobody would take.
//!
//! A message is written with the change that it tells of. One transaction then makes a message of it for each person
//! and place, so that each is delivered, repeated and given up by itself.

mod ending;
mod recipients;

use std::collections::BTreeSet;

use countersign_crypto::Secret;
use countersign_model::{
    Id, Timestamp,
    evidence::{Event, NoticeGivenUp, Role},
    id,
    notice::{Channel, EMAIL, NoticeChoices, NoticeKind},
    reason::Reason,
    registry::{Record, Status},
};
use countersign_store::{
    Pending, Tx, WriteMode, invitations as stored,
    outbox::{self, Message},
};
use serde_json::Value;

pub use ending::{Ending, Last};

use crate::{
    authority::Authority,
    command::{Change, Command, Execution, Permit, Verdict, WriteTx},
    ctx::Ctx,
    evidence::seal::refer,
    housekeeping::DueMessage,
    invitations::{self, Invited},
    notice::LETTER,
    registry::{reading, rights},
    rejection::{Rejection, refuse},
    rows,
};

/// Where a message goes that everybody's webhooks get.
pub const EVERYBODY: &str = "*";

/// What the server can reach.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Whether it sends e-mail.
    pub email: bool,
    /// Whether there are webhooks that get everything.
    pub everybody: bool,
    /// The webhooks that people choose, by name.
    pub named: BTreeSet<String>,
}

/// Chooses where the caller hears of a kind of message.
#[derive(Debug, Clone)]
pub struct ChooseNotices {
    /// Of what; of everything when there is none.
    pub kinds: Vec<NoticeKind>,
    /// Where; nowhere when there is none.
    pub channels: BTreeSet<Channel>,
    /// What there is to choose from.
    pub reach: BTreeSet<String>,
}

impl Command for ChooseNotices {
    type Output = NoticeChoices;

    const NAME: &'static str = "notices choose";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<NoticeChoices>, Rejection> {
        let user = tx.permit().user()?;
        let before = tx.get(user)?;
        let unknown = self
            .channels
            .iter()
            .find(|channel| channel.as_str() != EMAIL && !self.reach.contains(channel.as_str()));
        if let Some(channel) = unknown {
            let detail = format!("this server has no webhook named `{}`", channel.as_str());
            return refuse(Reason::Unprocessable, detail);
        }
        let kinds = if self.kinds.is_empty() {
            NoticeKind::ALL.to_vec()
        } else {
            self.kinds.clone()
        };
        let mut doc = rights::doc(before.user())?.clone();
        for kind in kinds {
            doc.notices = doc.notices.choosing(kind, self.channels.clone());
        }
        let choices = doc.notices.clone();
        if rights::doc(before.user())?.notices != choices {
            tx.update(&before, doc.into(), &Change::verb("notices_chosen"))?;
        }
        Ok(Verdict::Done(choices))
    }
}

/// What the caller chose.
///
/// # Errors
/// `forbidden` when no person asks, or a fault.
pub fn choices(tx: &mut Tx<'_>, permit: &Permit) -> Result<NoticeChoices, Rejection> {
    let person = reading::reader(tx, permit)?;
    let user = rows::by_id(tx, permit.tenant_id(), person.user_id.cast())?;
    let doc = user.as_ref().and_then(Record::user);
    Ok(rights::doc(doc)?.notices.clone())
}

/// A letter that lets somebody in.
#[derive(Debug)]
pub struct Letter {
    /// The invitation.
    pub invited: Invited,
    /// The link. It is a secret: whoever opens it comes in.
    pub url: Secret<String>,
}

/// Where a message goes.
#[derive(Debug)]
pub enum Address {
    /// To the webhooks that get everything.
    Everybody,
    /// To somebody who is invited.
    Invited(Box<Letter>),
    /// To a person by e-mail.
    Mail(countersign_model::name::Email),
    /// To a webhook that somebody chose.
    Named(String),
    /// To nobody any more: the person left meanwhile, or is invited no more.
    Nobody,
}

impl Authority {
    /// Makes a message for each person and place of one that nobody has looked at yet; all of it or nothing.
    pub fn address(
        &self,
        ctx: &Ctx,
        message: &DueMessage,
        reach: &Reach,
    ) -> Pending<Result<(), Rejection>> {
        let (ctx, message, reach) = (ctx.clone(), message.0.clone(), reach.clone());
        self.store().write(WriteMode::Housekeeping, move |tx| {
            let places = places(tx, &message, &reach)?;
            // Whoever was faster has done it.
            if !outbox::complete(tx, message.id)? {
                return Ok(());
            }
            for place in places {
                let id = if place.channel == EVERYBODY {
                    message.id
                } else {
                    ctx.id()
                };
                let one = Message {
                    id,
                    channel: place.channel,
                    recipient: place.recipient,
                    next_at: ctx.now,
                    ..message.clone()
                };
                outbox::insert(tx, &one)?;
            }
            Ok(())
        })
    }

    /// Where one message goes now.
    pub fn whom(&self, message: &DueMessage) -> Pending<Result<Address, Rejection>> {
        let message = message.0.clone();
        let tenant = self.tenant_by_id(message.tenant_id);
        let secrets = self.shared_secrets();
        self.store().read(move |tx| {
            if message.channel == EVERYBODY {
                return Ok(Address::Everybody);
            }
            if message.channel == LETTER {
                let id = message.payload.parse().ok();
                let open = match id {
                    Some(id) => stored::by_id(tx, id)?,
                    None => None,
                };
                let (Some(invitation), Some(tenant)) = (open, &tenant) else {
                    return Ok(Address::Nobody);
                };
                let url = invitations::url(&secrets.codes, tenant, invitation.id);
                let invited = invitations::named(tx, invitation)?;
                return Ok(Address::Invited(Box::new(Letter { invited, url })));
            }
            let Some(recipient) = message.recipient else {
                return Ok(Address::Named(message.channel.clone()));
            };
            let user = rows::by_id(tx, message.tenant_id, recipient.cast())?;
            let user = user.filter(|user| user.status == Status::Active);
            let email = user
                .as_ref()
                .and_then(Record::user)
                .map(|doc| doc.email.clone());
            Ok(email.map_or(Address::Nobody, Address::Mail))
        })
    }

    /// How many messages wait, and since when the oldest does.
    pub fn messages_waiting(
        &self,
    ) -> Pending<Result<(u64, Option<Timestamp>), countersign_store::StoreError>> {
        self.store().read(outbox::waiting)
    }

    /// Records that a message was given up, and keeps it as dead.
    pub fn give_up(&self, ctx: &Ctx, message: &DueMessage) -> Execution<()> {
        let permit = Permit::system(message.0.tenant_id, ctx.id());
        self.execute(ctx, &permit, GiveUp(message.0.clone()))
    }
}

/// Gives up a message that nobody took for so long.
#[derive(Debug, Clone)]
struct GiveUp(Message);

impl Command for GiveUp {
    type Output = ();

    const NAME: &'static str = "notice give up";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        let message = &self.0;
        // Where somebody was faster, it is on record already.
        if outbox::retry(tx.peek(), message, None)? {
            let event = Event::NoticeGivenUp(NoticeGivenUp {
                notice: message.kind.clone(),
                channel: match message.channel.as_str() {
                    EVERYBODY => "webhooks".to_owned(),
                    other => other.to_owned(),
                },
                attempts: u32::try_from(message.attempts + 1).unwrap_or(u32::MAX),
            });
            let whom = message
                .recipient
                .map(|user| refer(Role::Target, user, None));
            let draft = tx.draft(event).refs(whom);
            tx.evidence(draft)?;
        }
        Ok(Verdict::Done(()))
    }
}

/// A place where a message goes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The channel.
    channel: String,
    /// Whose, for e-mail.
    recipient: Option<Id<id::User>>,
}

impl Place {
    /// A place that is nobody's own.
    fn of_all(channel: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            recipient: None,
        }
    }
}

/// Each place where a message goes.
fn places(tx: &mut Tx<'_>, message: &Message, reach: &Reach) -> Result<BTreeSet<Place>, Rejection> {
    let mut places = BTreeSet::new();
    if reach.everybody {
        places.insert(Place::of_all(EVERYBODY));
    }
    let Some(kind) = NoticeKind::parse(&message.kind) else {
        return Ok(places);
    };
    if !reach.email && reach.named.is_empty() {
        return Ok(places);
    }
    let payload: Value = serde_json::from_str(&message.payload)?;
    let data = payload.get("data").unwrap_or(&Value::Null);
    for user in recipients::of(tx, message.tenant_id, kind, data)? {
        let record = rows::by_id(tx, message.tenant_id, user.cast())?;
        let Some(doc) = record.as_ref().and_then(Record::user) else {
            continue;
        };
        let chosen = doc.notices.channels(kind);
        let there = |channel: &&Channel| reach.named.contains(channel.as_str());
        // Once there, however many chose it.
        places.extend(
            chosen
                .iter()
                .filter(there)
                .map(|one| Place::of_all(one.as_str())),
        );
        // Whoever chose only what is not there any more hears of it all the same.
        let none_is_there = !chosen.is_empty() && !chosen.iter().any(|one| there(&one));
        let by_email = chosen.iter().any(|channel| channel.as_str() == EMAIL);
        if reach.email && (by_email || none_is_there) {
            places.insert(Place {
                recipient: Some(user),
                ..Place::of_all(EMAIL)
            });
        }
    }
    Ok(places)
}
