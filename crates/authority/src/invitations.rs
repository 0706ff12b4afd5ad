//! Invitations: an owner lets in the person of an address, with a link that is good once.
//!
//! Nobody is made before they come: the link registers a passkey, and in that transaction the person becomes a user with what
//! the invitation says. An invitation that is open is a row; one that was used, taken back or is over is no more.

use countersign_crypto::{Secret, digest::MacKey, sealed_code};
use countersign_model::{
    Id, Timestamp,
    evidence::{Event, InvitationChanged, Role, Text},
    id,
    invitation::{IntoProject, Invitation, InvitationDoc, LIFETIME, MOST_OPEN, MOST_OPEN_OF_ONE},
    name::Email,
    permission::Person,
    reason::{Reason, Refusal},
    registry::{Noun, ProjectRole, Record, Registration, Status, TenantRole},
    session::Session,
};
use countersign_store::{Tx, invitations};

use crate::{
    command::{Command, Permit, Verdict, WriteTx},
    evidence::seal::{refer, refer_person},
    notice,
    registry::{projects, reading, rights, users},
    rejection::{Rejection, refuse},
    rows,
    signing_keys::Tenant,
};

const PREFIX: &str = "csinvite";

/// The link of an invitation, as its person opens it: what proves stands behind the `#`. It is made again for each try of the
/// letter, and kept nowhere.
#[must_use]
pub fn url(key: &MacKey, tenant: &Tenant, invitation: Id<id::Invitation>) -> Secret<String> {
    let sealed = sealed_code::seal(key, PREFIX, &invitation.bytes());
    Secret::new(format!("{}/passkeys#{}", tenant.issuer, sealed.expose()))
}

/// The invitation of a link that was made here. `None`: the text is no such link.
#[must_use]
pub(crate) fn open(key: &MacKey, text: &str) -> Option<Id<id::Invitation>> {
    let content = sealed_code::open(key, PREFIX, text).ok()?;
    Some(Id::from_bytes(content.try_into().ok()?))
}

/// Invites a person.
#[derive(Debug, Clone)]
pub struct CreateInvitation {
    /// Their address.
    pub email: Email,
    /// What they become in the tenant.
    pub role: TenantRole,
    /// The project that they come into, by id or name, and as what.
    pub project: Option<(String, ProjectRole)>,
    /// Whether this server sends e-mail: then the link goes to the address, and to nobody else.
    pub mailed: bool,
    /// The session of who invites, in a browser: who comes in outlives it.
    pub browser: Option<Session>,
}

/// An invitation as people see it.
#[derive(Debug, Clone)]
pub struct Invited {
    /// The invitation.
    pub invitation: Invitation,
    /// The address of who invites.
    pub invited_by: String,
    /// The name of the project.
    pub project: Option<String>,
}

impl Command for CreateInvitation {
    type Output = Invited;

    const NAME: &'static str = "invitation create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Invited>, Rejection> {
        let person = rights::editor(tx)?;
        if let Some(session) = &self.browser {
            session.lately(tx.now())?;
        }
        let project = match &self.project {
            Some((text, role)) => Some((rights::project(tx, &person, text)?, *role)),
            None => None,
        };
        let to = project.as_ref().map(|(record, _)| record);
        may_invite(tx, &person, self.role, to)?;
        if let Some((record, ProjectRole::Owner)) = &project
            && projects::owners_countersign(tx, record)?
        {
            let detail = format!(
                "the owners of project `{}` countersign, and an invitation brings nobody who does: invite an editor, and make them an owner with `project update`, which takes a second person",
                record.name
            );
            return refuse(Reason::Forbidden, detail);
        }
        self.make_room(tx, &person)?;
        let id = tx.ctx().id();
        let into = project.as_ref().map(|(record, role)| IntoProject {
            project_id: record.id.cast(),
            role: *role,
        });
        let event = changed(
            tx,
            "created",
            id,
            &self.email,
            (self.role, into),
            self.mailed,
        );
        let named = to.map(|record| refer(Role::Project, record.id, Some(&record.name)));
        let draft = tx.draft(event).refs(named);
        let invitation = Invitation {
            id,
            tenant_id: tx.tenant_id(),
            email: self.email.clone(),
            created_at: tx.now(),
            expires_at: tx.now() + LIFETIME,
            doc: InvitationDoc {
                invited_by: person.user_id,
                user_id: tx.ctx().id(),
                evidence: tx.evidence(draft)?,
                role: self.role,
                project: into,
                mailed: self.mailed,
            },
        };
        if !invitations::insert(tx.rows(), &invitation)? {
            return refuse(Reason::Conflict, OPEN);
        }
        if self.mailed {
            notice::queue_letter(tx, id)?;
        }
        Ok(Verdict::Done(Invited {
            invited_by: tx.get(person.user_id)?.name,
            project: to.map(|record| record.name.clone()),
            invitation,
        }))
    }
}

impl CreateInvitation {
    /// Refuses where the address is somebody's, or too many are invited already.
    fn make_room(&self, tx: &mut WriteTx<'_, '_>, person: &Person) -> Result<(), Rejection> {
        if let Some(user) = tx.find(Noun::User, &self.email)? {
            let detail = match user.status {
                Status::Active => format!(
                    "`{}` is here already: let them into a project with `project update`",
                    self.email
                ),
                _ => format!(
                    "`{}` was here and is {}: an address is never given out again",
                    self.email,
                    user.status.as_str()
                ),
            };
            return refuse(Reason::NameTaken, detail);
        }
        let (tenant, now) = (tx.tenant_id(), tx.now());
        if let Some(before) = invitations::by_email(tx.peek(), tenant, &self.email)? {
            if now < before.expires_at {
                return refuse(Reason::Conflict, OPEN);
            }
            invitations::delete(tx.rows(), before.id)?;
        }
        let mut open = all(tx.peek(), tenant)?;
        open.retain(|one| now < one.expires_at);
        let own = open
            .iter()
            .filter(|one| one.doc.invited_by == person.user_id)
            .count();
        let most = person.role != TenantRole::Owner && own >= MOST_OPEN_OF_ONE;
        if most || open.len() >= MOST_OPEN {
            return refuse(
                Reason::RateLimited,
                format!(
                    "{MOST_OPEN} invitations of a tenant and {MOST_OPEN_OF_ONE} of one person are open at most: take some back with `countersign invitation revoke`"
                ),
            );
        }
        Ok(())
    }
}

/// Takes an invitation back.
#[derive(Debug, Clone, Copy)]
pub struct RevokeInvitation {
    /// Which.
    pub invitation: Id<id::Invitation>,
}

impl Command for RevokeInvitation {
    type Output = ();

    const NAME: &'static str = "invitation revoke";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<()>, Rejection> {
        let person = rights::editor(tx)?;
        let (tenant, now) = (tx.tenant_id(), tx.now());
        let found = of_tenant(tx.peek(), tenant, self.invitation, now)?;
        let no = || {
            let detail = format!("there is no open invitation {}", self.invitation);
            Rejection::from(Refusal::new(Reason::NotFound, detail))
        };
        let invitation = found.ok_or_else(no)?;
        if !sees(tx.peek(), &person, &invitation)? || person.role == TenantRole::Auditor {
            return Err(no());
        }
        let doc = &invitation.doc;
        let event = changed(
            tx,
            "revoked",
            invitation.id,
            &invitation.email,
            (doc.role, doc.project),
            doc.mailed,
        );
        let draft = tx.draft(event).parents([doc.evidence]);
        tx.evidence(draft)?;
        if !invitations::delete(tx.rows(), invitation.id)? {
            return Err(no());
        }
        Ok(Verdict::Done(()))
    }
}

/// The open invitations that the caller may see, by address: all for owners and auditors of the tenant, otherwise one's own and
/// those into projects that one owns.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn list(tx: &mut Tx<'_>, permit: &Permit, now: Timestamp) -> Result<Vec<Invited>, Rejection> {
    let person = reading::reader(tx, permit)?;
    let mut found = Vec::new();
    for invitation in all(tx, permit.tenant_id())? {
        if now < invitation.expires_at && sees(tx, &person, &invitation)? {
            found.push(named(tx, invitation)?);
        }
    }
    Ok(found)
}

/// An invitation of this tenant that is open.
pub(crate) fn of_tenant(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    id: Id<id::Invitation>,
    now: Timestamp,
) -> Result<Option<Invitation>, Rejection> {
    let found = invitations::by_id(tx, id)?;
    Ok(found.filter(|found| found.tenant_id == tenant && now < found.expires_at))
}

/// Uses an invitation up: its person is a user from now on.
///
/// INVARIANT: nobody gives what they do not hold, also when it is a week later: who invites must still be one who may (T16).
pub(crate) fn accept(
    tx: &mut WriteTx<'_, '_>,
    invitation: &Invitation,
) -> Result<Record, Rejection> {
    let doc = &invitation.doc;
    let project = match doc.project {
        Some(into) => Some((tx.get(into.project_id)?, into.role)),
        None => None,
    };
    let to = project.as_ref().map(|(record, _)| record);
    let inviter = tx.person(doc.invited_by);
    let may = inviter.and_then(|person| may_invite(tx, &person, doc.role, to));
    match may {
        Ok(()) => {}
        Err(fault @ Rejection::Fault(_)) => return Err(fault),
        Err(_) => {
            let detail = "who invited you may not any more: ask for another invitation";
            return refuse(Reason::CredentialInvalid, detail);
        }
    }
    if !invitations::delete(tx.rows(), invitation.id)? {
        return Err(gone().into());
    }
    let user = users::join(tx, invitation)?;
    if let Some((record, role)) = &project {
        projects::join(tx, record, user.id.cast(), *role, doc.invited_by)?;
    }
    let event = changed(
        tx,
        "accepted",
        invitation.id,
        &invitation.email,
        (doc.role, doc.project),
        doc.mailed,
    );
    let draft = tx
        .draft(event)
        .refs([refer_person(Role::Human, user.id, &user.name)])
        .parents([doc.evidence]);
    tx.evidence(draft)?;
    Ok(user)
}

/// The one answer to a link that lets nobody in, whatever became of it.
pub(crate) fn gone() -> Refusal {
    Refusal::new(
        Reason::CredentialInvalid,
        "this invitation is not good here, or not any more: it was used, taken back, or is older than a week; ask for another",
    )
}

/// Whether a person may let somebody in so.
fn may_invite(
    tx: &mut WriteTx<'_, '_>,
    person: &Person,
    role: TenantRole,
    project: Option<&Record>,
) -> Result<(), Rejection> {
    if role == TenantRole::Owner {
        return refuse(
            Reason::Unprocessable,
            "an invitation makes nobody an owner of the tenant: invite a member, and raise them with `user update --role owner`, which takes a second person",
        );
    }
    let place = match project {
        Some(record) => Some(rights::doc(record.project())?),
        None => None,
    };
    if let (Some(record), Some(place)) = (project, place) {
        if record.status != Status::Active
            || place.personal_of.is_some()
            || role == TenantRole::Auditor
        {
            return refuse(
                Reason::Unprocessable,
                "people are invited as members, into a project that lives and is nobody's own",
            );
        }
        rights::must_own(person, place, "invite into it")?;
    }
    if person.role == TenantRole::Owner {
        return Ok(());
    }
    if place.is_none() {
        return rights::must_own_tenant(person, "invite without a project");
    }
    if rights::tenant(tx)?.registration == Registration::Off {
        return refuse(
            Reason::Forbidden,
            "only an owner of the tenant invites here; they let owners of projects invite with `tenant update --registration invitation`",
        );
    }
    Ok(())
}

/// Whether a person may know of an invitation.
fn sees(tx: &mut Tx<'_>, person: &Person, invitation: &Invitation) -> Result<bool, Rejection> {
    if person.reads_evidence() || invitation.doc.invited_by == person.user_id {
        return Ok(true);
    }
    let Some(into) = invitation.doc.project else {
        return Ok(false);
    };
    let project = rows::by_id(tx, invitation.tenant_id, into.project_id.cast())?;
    let doc = project.as_ref().and_then(Record::project);
    Ok(doc.and_then(|doc| person.role_in(doc)) == Some(ProjectRole::Owner))
}

/// An invitation with the names that people read.
pub(crate) fn named(tx: &mut Tx<'_>, invitation: Invitation) -> Result<Invited, Rejection> {
    let tenant = invitation.tenant_id;
    let name = |tx: &mut Tx<'_>, id: Id<id::Record>| {
        let record = rows::by_id(tx, tenant, id)?;
        Ok::<_, Rejection>(record.map(|record| record.name))
    };
    let invited_by = name(tx, invitation.doc.invited_by.cast())?.unwrap_or_default();
    let project = match invitation.doc.project {
        Some(into) => name(tx, into.project_id.cast())?,
        None => None,
    };
    Ok(Invited {
        invitation,
        invited_by,
        project,
    })
}

fn all(tx: &mut Tx<'_>, tenant: Id<id::Tenant>) -> Result<Vec<Invitation>, Rejection> {
    // Those that are over and not cleaned away yet stand among them for an hour.
    let most = u32::try_from(2 * MOST_OPEN).unwrap_or(u32::MAX);
    Ok(invitations::of_tenant(tx, tenant, most)?)
}

fn changed(
    tx: &WriteTx<'_, '_>,
    verb: &str,
    invitation_id: Id<id::Invitation>,
    email: &Email,
    (role, project): (TenantRole, Option<IntoProject>),
    mailed: bool,
) -> Event {
    Event::InvitationChanged(InvitationChanged {
        verb: verb.to_owned(),
        invitation_id,
        email: Text::personal(email.as_str()),
        role,
        project,
        mailed,
        source_address: tx.ctx().source.as_deref().map(Text::personal),
    })
}

const OPEN: &str = "an invitation for this address is open: take it back first with `countersign invitation revoke`";
