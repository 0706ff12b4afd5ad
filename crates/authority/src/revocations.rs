//! Revoking: what is dead is dead in every replica within a second.
//!
//! What has a record of its own is revoked by raising its epoch; tokens, runs and chains, which have
//! none, by their id. A credential or trust rule that is revoked is deleted; an issuer is switched
//! off; identities, projects and the tenant stay what they are, and get new tokens.

use countersign_model::{
    Id, LEEWAY_SECONDS, Timestamp,
    chain::Chain,
    evidence::{Event, Evidence, Grain, Reference, Role},
    id,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, Record, Status, TenantRole},
    session::Session,
    time::Seconds,
};
use countersign_store::{Tx, chains, evidence};

use crate::{
    approvals,
    command::{Change, Command, Revocation, Verdict, WriteTx},
    evidence::{
        looking::{self, Query},
        seal::{self, refer},
        terms,
    },
    long_lived,
    registry::{credentials, issuers, rights},
    rejection::Rejection,
    revoked::RevokedSet,
    sessions,
};

mod preview;

pub use preview::{Dying, Preview, preview};

/// How many records of issue one look-up reads.
const LOOKED_AT: usize = 500;

/// Revokes one thing.
#[derive(Debug, Clone)]
pub struct Revoke {
    /// At which grain.
    pub grain: Grain,
    /// What: a `jti`, a run's key or its id at the platform, a chain, or an id or name.
    pub target: String,
    /// Why.
    pub reason: Option<String>,
}

/// What was revoked.
#[derive(Debug, Clone)]
pub struct RevokedThing {
    /// At which grain.
    pub grain: Grain,
    /// The ids that were revoked.
    pub targets: Vec<String>,
    /// What people call it.
    pub name: String,
    /// The evidence, where the revocation is by id.
    pub evidence: Vec<Id<id::Evidence>>,
}

impl Command for Revoke {
    type Output = RevokedThing;

    const NAME: &'static str = "revoke";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<RevokedThing>, Rejection> {
        let person = rights::editor(tx)?;
        let done = match self.grain {
            Grain::Chain => self.chain(tx, &person),
            Grain::Credential | Grain::TrustRule => self.credential(tx, &person),
            Grain::Identity => self.identity(tx, &person),
            Grain::Issuer => self.issuer(tx, &person),
            Grain::Project => self.project(tx, &person),
            Grain::Run => self.run_of(tx, &person),
            Grain::Tenant => self.tenant(tx, &person),
            Grain::Token => self.token(tx, &person),
        }?;
        Ok(Verdict::Done(done))
    }
}

impl Revoke {
    fn because(&self) -> &str {
        self.reason.as_deref().unwrap_or("no reason was given")
    }

    fn token(&self, tx: &mut WriteTx<'_, '_>, person: &Person) -> Result<RevokedThing, Rejection> {
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let Some(token) = issued(tx.peek(), tenant, &self.target)? else {
            return Err(unknown("token", &self.target));
        };
        let own = token.identity_id.is_none() && token.holder == Some(person.user_id);
        if !own && !owns(person) && !is_managed(tx, person, &token)? {
            return Err(unknown("token", &self.target));
        }
        let mut evidence = Vec::new();
        if let Some(session) = token.session(tx)? {
            let targets = vec![self.target.clone(), session.id.to_string()];
            evidence.extend(sessions::end_with_all_that_came_of_it(
                tx,
                session,
                self.because(),
                None,
            )?);
            return Ok(RevokedThing {
                grain: self.grain,
                targets,
                name: token.subject,
                evidence,
            });
        }
        if let Some(chain) = token.chain(tx.peek(), tenant, now)? {
            // One token alone would live on in its successor.
            let targets = vec![self.target.clone(), chain.id.to_string()];
            let whose = token.whose();
            evidence.push(long_lived::revoke_chain(tx, chain, whose, self.because())?);
            return Ok(RevokedThing {
                grain: self.grain,
                targets,
                name: token.subject,
                evidence,
            });
        }
        if token.expires_at + Seconds(LEEWAY_SECONDS) > now {
            evidence.push(by_id(
                tx,
                Grain::Token,
                self.target.clone(),
                dead_by(token.expires_at),
                token.whose(),
                self.because(),
            )?);
        }
        Ok(RevokedThing {
            grain: self.grain,
            targets: vec![self.target.clone()],
            name: token.subject,
            evidence,
        })
    }

    fn run_of(&self, tx: &mut WriteTx<'_, '_>, person: &Person) -> Result<RevokedThing, Rejection> {
        let tenant = tx.tenant_id();
        let mut keys: Vec<(String, Option<Reference>)> = Vec::new();
        let (tokens, all) = of_run(tx.peek(), tenant, &self.target)?;
        let named = tokens
            .iter()
            .any(|token| token.run_key.as_deref() == Some(self.target.as_str()));
        if !all && !named {
            // Some of its keys may be beyond what was looked at: a part must not pass for the whole.
            return Err(Refusal::new(
                Reason::Unprocessable,
                "too many tokens carry this run id: revoke the run by its key",
            )
            .into());
        }
        for token in tokens {
            let Some(key) = &token.run_key else { continue };
            let known = keys.iter().any(|(known, _)| known == key);
            if !known && (owns(person) || is_managed(tx, person, &token)?) {
                keys.push((key.clone(), token.whose()));
            }
        }
        if keys.is_empty() && owns(person) {
            // It may not have asked for a token yet.
            keys.push((self.target.clone(), None));
        }
        if keys.is_empty() {
            return Err(unknown("run", &self.target));
        }
        let mut evidence = Vec::new();
        for (key, whose) in &keys {
            // A run can come again for as long as its platform lets it.
            evidence.push(by_id(
                tx,
                Grain::Run,
                key.clone(),
                RevokedSet::until_long(tx.now()),
                whose.clone(),
                self.because(),
            )?);
        }
        Ok(RevokedThing {
            grain: self.grain,
            targets: keys.into_iter().map(|(key, _)| key).collect(),
            name: self.target.clone(),
            evidence,
        })
    }

    fn chain(&self, tx: &mut WriteTx<'_, '_>, person: &Person) -> Result<RevokedThing, Rejection> {
        let Some(chain) = long_lived::by_text(tx, &self.target)? else {
            return self.session(tx, person);
        };
        let holder = tx.get(chain.principal_id)?;
        let own = chain.principal_id == person.user_id.cast();
        let managed = holder.noun == Noun::Identity && rights::may_manage(tx, person, &holder)?;
        if !own && !owns(person) && !managed {
            return Err(unknown("renewal chain", &self.target));
        }
        let whose = holder
            .identity()
            .map(|doc| refer(Role::Identity, holder.id, Some(&doc.attribution())));
        let evidence = vec![long_lived::revoke_chain(tx, chain, whose, self.because())?];
        Ok(RevokedThing {
            grain: self.grain,
            targets: vec![self.target.clone()],
            name: holder.name,
            evidence,
        })
    }

    /// A person's sign-in is a chain of renewals too.
    fn session(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
    ) -> Result<RevokedThing, Rejection> {
        let session = sessions::by_text(tx, &self.target)?
            .filter(|session| session.user_id == person.user_id || owns(person));
        let Some(session) = session else {
            return Err(unknown("renewal chain", &self.target));
        };
        let holder = tx.get(session.user_id)?;
        let evidence = sessions::end_with_all_that_came_of_it(tx, session, self.because(), None)?;
        Ok(RevokedThing {
            grain: self.grain,
            targets: vec![self.target.clone()],
            name: holder.name,
            evidence,
        })
    }

    fn credential(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
    ) -> Result<RevokedThing, Rejection> {
        let before = tx.locate(Noun::Credential, &self.target)?;
        let identity = tx.get(rights::doc(before.credential())?.identity_id)?;
        if !rights::may_manage(tx, person, &identity)? {
            return Err(rights::not_found(Noun::Credential, &self.target));
        }
        let record = credentials::bury(tx, &before, Some(self.because()))?;
        Ok(self.of_record(&record))
    }

    fn identity(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
    ) -> Result<RevokedThing, Rejection> {
        let (before, _) = rights::managed(tx, person, &self.target)?;
        let record = self.raise(tx, &before)?;
        approvals::void_for_identity(tx, record.id.cast(), "the identity's tokens were revoked")?;
        Ok(self.of_record(&record))
    }

    fn project(
        &self,
        tx: &mut WriteTx<'_, '_>,
        person: &Person,
    ) -> Result<RevokedThing, Rejection> {
        let before = rights::project(tx, person, &self.target)?;
        rights::must_own(person, rights::doc(before.project())?, "revoke its tokens")?;
        let record = self.raise(tx, &before)?;
        Ok(self.of_record(&record))
    }

    fn tenant(&self, tx: &mut WriteTx<'_, '_>, person: &Person) -> Result<RevokedThing, Rejection> {
        rights::must_own_tenant(person, "revoke every token of it")?;
        let before = tx.get(tx.tenant_id())?;
        if self.target != before.name && self.target != before.id.to_string() {
            return Err(rights::not_found(Noun::Tenant, &self.target));
        }
        let record = self.raise(tx, &before)?;
        Ok(self.of_record(&record))
    }

    fn issuer(&self, tx: &mut WriteTx<'_, '_>, person: &Person) -> Result<RevokedThing, Rejection> {
        rights::must_own_tenant(person, "revoke an issuer")?;
        let before = tx.locate(Noun::Issuer, &self.target)?;
        let record = issuers::stop(tx, &before, Status::Disabled, Some(self.because()))?;
        Ok(self.of_record(&record))
    }

    fn raise(&self, tx: &mut WriteTx<'_, '_>, before: &Record) -> Result<Record, Rejection> {
        let after = Record {
            epoch: before.epoch + 1,
            ..before.clone()
        };
        tx.replace(
            before,
            after,
            &Change::verb("revoked").because(Some(self.because().to_owned())),
        )
    }

    fn of_record(&self, record: &Record) -> RevokedThing {
        let (targets, name) = (vec![record.id.to_string()], record.name.clone());
        RevokedThing {
            grain: self.grain,
            targets,
            name,
            evidence: Vec::new(),
        }
    }
}

fn owns(person: &Person) -> bool {
    person.role == TenantRole::Owner
}

fn by_id(
    tx: &mut WriteTx<'_, '_>,
    grain: Grain,
    target: String,
    until: Timestamp,
    whose: Option<Reference>,
    reason: &str,
) -> Result<Id<id::Evidence>, Rejection> {
    let revocation = Revocation {
        tenant_id: tx.tenant_id(),
        grain,
        target,
        generation: None,
        until,
    };
    tx.revoke(revocation, whose, reason)
}

/// When no clock can take the token for live any more, and as much again for the clean-up.
fn dead_by(expires_at: Timestamp) -> Timestamp {
    expires_at + Seconds(2 * LEEWAY_SECONDS)
}

fn unknown(what: &str, target: &str) -> Rejection {
    let shown: String = target
        .chars()
        .take(128)
        .flat_map(char::escape_debug)
        .collect();
    Refusal::new(Reason::NotFound, format!("there is no {what} `{shown}`")).into()
}

fn is_managed(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    token: &Issued,
) -> Result<bool, Rejection> {
    let Some(identity) = token.identity_id else {
        return Ok(false);
    };
    let identity = tx.get(identity)?;
    rights::may_manage(tx, person, &identity)
}

/// What the record of an issue says about a token.
struct Issued {
    jti: Id<id::Evidence>,
    /// The identity, when it is an identity's token.
    identity_id: Option<Id<id::Identity>>,
    /// The same, with the name of then.
    identity: Option<Reference>,
    /// The user, when it is a user's.
    holder: Option<Id<id::User>>,
    subject: String,
    expires_at: Timestamp,
    run_key: Option<String>,
    run_id: Option<String>,
    chain_id: Option<Id<id::Chain>>,
}

impl Issued {
    /// The chain of renewals that it is of, while that is not over.
    fn chain(
        &self,
        tx: &mut Tx<'_>,
        tenant: Id<id::Tenant>,
        now: Timestamp,
    ) -> Result<Option<Chain>, Rejection> {
        let Some(id) = self.chain_id else {
            return Ok(None);
        };
        let chain = chains::by_id(tx, id)?;
        Ok(chain.filter(|chain| chain.tenant_id == tenant && chain.ends_at > now))
    }

    /// The sign-in that it is of, while that is not over.
    fn session(&self, tx: &mut WriteTx<'_, '_>) -> Result<Option<Session>, Rejection> {
        let Some(id) = self.chain_id.filter(|_| self.identity_id.is_none()) else {
            return Ok(None);
        };
        let now = tx.now();
        Ok(sessions::by_id(tx, id.cast())?.filter(|session| session.is_live(now)))
    }

    /// Whose it was, for the evidence of its end.
    fn whose(&self) -> Option<Reference> {
        self.identity.clone()
    }
}

fn issued(tx: &mut Tx<'_>, tenant: Id<id::Tenant>, jti: &str) -> Result<Option<Issued>, Rejection> {
    let Ok(jti) = jti.parse() else {
        return Ok(None);
    };
    let row = evidence::by_id(tx, jti)?.filter(|row| row.tenant_id == tenant);
    Ok(row.and_then(|row| read(&row)))
}

fn read(row: &evidence::EvidenceRow) -> Option<Issued> {
    let record: Evidence = seal::read(&row.body, None).ok()?;
    let Event::TokenIssued(issued) = &record.event else {
        return None;
    };
    let of = |role: Role| {
        record
            .refs
            .iter()
            .find(|found| found.role == role)
            .map(|found| found.id.clone())
    };
    Some(Issued {
        jti: record.id,
        identity: record
            .refs
            .iter()
            .find(|found| found.role == Role::Identity)
            .cloned(),
        identity_id: of(Role::Identity).and_then(|id| id.parse().ok()),
        holder: of(Role::Actor).and_then(|id| id.parse().ok()),
        subject: issued.subject.clone(),
        expires_at: issued.expires_at,
        run_key: of(Role::Run),
        run_id: issued.run.as_ref().and_then(|run| run.run.run_id.clone()),
        chain_id: of(Role::Chain).and_then(|id| id.parse().ok()),
    })
}

/// The tokens of a run, by its key or its id at the platform, and whether these are all.
fn of_run(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    target: &str,
) -> Result<(Vec<Issued>, bool), Rejection> {
    let (mut found, all) = under(tx, tenant, terms::term("run", target), None)?;
    found.retain(|token| {
        token.run_key.as_deref() == Some(target) || token.run_id.as_deref() == Some(target)
    });
    Ok((found, all))
}

/// The newest records of issue under a term, and whether these are all.
fn under(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    term: String,
    from: Option<Timestamp>,
) -> Result<(Vec<Issued>, bool), Rejection> {
    let query = Query {
        tenant,
        terms: &[term],
        from,
        until: None,
        before: None,
        pepper: None,
        most: LOOKED_AT,
        bytes: looking::BYTES,
    };
    let (rows, all) = looking::newest(tx, &query)?;
    let mut found: Vec<Issued> = rows
        .iter()
        .filter(|row| row.kind == "token_issued")
        .filter_map(read)
        .collect();
    found.sort_by_key(|token| token.jti);
    found.dedup_by_key(|token| token.jti);
    Ok((found, all))
}
