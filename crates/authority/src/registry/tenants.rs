//! Tenants: made on the first start, or with a code of who holds the key file.

mod provider;

use std::collections::BTreeSet;

use countersign_model::{
    Id, Timestamp, id,
    reason::{Reason, Refusal},
    registry::{EnvironmentDoc, Noun, ProviderDoc, Record, Registration, TenantDoc},
    session::Session,
};
use countersign_store::{
    Tx, aliases, passkeys,
    signing_keys::{self, SigningKey as KeyRow},
};

pub use provider::PutProvider;

use super::{
    approvers::Asking,
    guarding::{self, ChangeOutcome, Edit, Verb},
    reading::{self, Shown},
    rights,
};
use crate::{
    command::{Change, Command, NewRecord, Permit, Verdict, WriteTx},
    loosening::Loosening,
    rejection::{Rejection, refuse},
};

/// The tenant id under which the names of all tenants are unique. No tenant has it.
pub(crate) const ALL_TENANTS: Id<id::Tenant> = Id::from_bytes([0; 16]);

/// The environments that a tenant starts with, and whether each is protected.
const ENVIRONMENTS: [(&str, bool, &str); 3] = [
    ("development", false, "where things are tried"),
    ("staging", false, "where things are rehearsed"),
    ("production", true, "where things matter"),
];

/// Makes a tenant with its keys and environments. The permit's tenant is the new one.
pub struct CreateTenant {
    /// What it says.
    pub doc: TenantDoc,
    /// Its first keys, wrapped.
    pub keys: Vec<KeyRow>,
}

impl Command for CreateTenant {
    type Output = Id<id::Tenant>;

    const NAME: &'static str = "tenant create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Id<id::Tenant>>, Rejection> {
        let id = tx.tenant_id();
        if !aliases::insert(
            tx.rows(),
            ALL_TENANTS,
            Noun::Tenant,
            &self.doc.name,
            id.cast(),
        )? {
            let detail = format!(
                "tenant `{}` exists, or did; a name is never given out again",
                self.doc.name
            );
            return Err(Refusal::new(Reason::NameTaken, detail).into());
        }
        let new = NewRecord {
            id: Some(id.cast()),
            name: self.doc.name.to_string(),
            parent_id: None,
            doc: self.doc.clone().into(),
        };
        tx.create(new, &Change::verb("created"))?;
        for (name, protected, description) in ENVIRONMENTS {
            let name = name
                .parse()
                .map_err(|error| Refusal::new(Reason::Unprocessable, format!("{error}")))?;
            let doc = EnvironmentDoc {
                name,
                protected,
                description: description.to_owned(),
            };
            let new = NewRecord {
                id: None,
                name: doc.name.to_string(),
                parent_id: None,
                doc: doc.into(),
            };
            tx.create(new, &Change::verb("created"))?;
        }
        for key in &self.keys {
            signing_keys::insert(tx.rows(), key)?;
        }
        Ok(Verdict::Done(id))
    }
}

/// The grace of an orphan: long enough to find a successor, short enough that somebody looks.
const GRACE_SECONDS: std::ops::RangeInclusive<i64> = 86_400..=31_622_400;

/// Edits the settings of the caller's own tenant.
#[derive(Clone, Default)]
pub struct UpdateTenant {
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Whether an action outside the catalogue is an error instead of a warning.
    pub refuse_unknown_actions: Option<bool>,
    /// How long an orphaned identity still gets tokens.
    pub orphan_grace_seconds: Option<i64>,
    /// Whether people decide on approvals with a passkey's signature alone.
    pub approvals_need_passkey: Option<bool>,
    /// Who lets people in.
    pub registration: Option<Registration>,
    /// Through whom people sign in besides their passkeys; `Some(None)` for nobody.
    pub provider: Option<Option<PutProvider>>,
    /// The identity of the company's directory, by id or name; `Some(None)` for none.
    pub provisioner: Option<Option<String>>,
    /// Why.
    pub reason: Option<String>,
    /// The session of who asks, in a browser.
    pub browser: Option<Session>,
}

impl Command for UpdateTenant {
    type Output = ChangeOutcome;

    const NAME: &'static str = "tenant update";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<ChangeOutcome>, Rejection> {
        let person = rights::tenant_owner(tx, "change its settings")?;
        let before = tx.get(tx.tenant_id())?;
        rights::expect_version(&before, self.if_version)?;
        let mut doc = rights::doc(before.tenant())?.clone();
        doc.refuse_unknown_actions = self
            .refuse_unknown_actions
            .unwrap_or(doc.refuse_unknown_actions);
        doc.orphan_grace_seconds = self
            .orphan_grace_seconds
            .unwrap_or(doc.orphan_grace_seconds);
        if !GRACE_SECONDS.contains(&doc.orphan_grace_seconds) {
            return refuse(
                Reason::Unprocessable,
                "`orphan_grace_seconds` is between a day and a year",
            );
        }
        let needed = doc.approvals_need_passkey;
        doc.approvals_need_passkey = self.approvals_need_passkey.unwrap_or(needed);
        if doc.approvals_need_passkey
            && !needed
            && passkeys::of_user(tx.peek(), person.user_id)?.is_empty()
        {
            return refuse(
                Reason::Unprocessable,
                "you have no passkey: register one first, or you could decide on nothing any more",
            );
        }
        let mut loosens = BTreeSet::new();
        if needed && !doc.approvals_need_passkey {
            self.shown_a_passkey(tx.now())?;
            loosens.insert(Loosening::SignatureTurnedOff);
        }
        let registration = self.registration.unwrap_or(doc.registration);
        if registration > doc.registration {
            loosens.insert(Loosening::RegistrationWidened);
        }
        doc.registration = registration;
        match &self.provider {
            None => {}
            Some(None) => doc.provider = None,
            Some(Some(put)) => {
                let made = put.doc(tx, doc.provider.as_ref())?;
                // Another name of the button signs nobody in.
                let old = doc.provider.as_ref().map(|old| ProviderDoc {
                    name: made.name.clone(),
                    ..old.clone()
                });
                if old.as_ref() != Some(&made) {
                    loosens.insert(Loosening::SignInChanged);
                }
                doc.provider = Some(made);
            }
        }
        match &self.provisioner {
            None => {}
            Some(None) => doc.provisioner = None,
            Some(Some(name)) => {
                let named = Some(tx.locate(Noun::Identity, name)?.id.cast());
                if named != doc.provisioner {
                    loosens.insert(Loosening::ProvisionerChanged);
                }
                doc.provisioner = named;
            }
        }
        let edit = Edit {
            person: &person,
            before: &before,
            after: Record {
                doc: doc.into(),
                ..before.clone()
            },
            verb: Verb::Updated,
            reason: self.reason.clone(),
            loosens,
            asks: Asking::default(),
            retires: None,
        };
        guarding::settle(tx, edit).map(Verdict::Done)
    }
}

impl UpdateTenant {
    /// Passkeys are asked for because a token can be stolen, so no token alone ends that.
    fn shown_a_passkey(&self, now: Timestamp) -> Result<(), Refusal> {
        match &self.browser {
            Some(session) if session.is_by_passkey() => session.lately(now),
            _ => Err(Refusal::new(
                Reason::Forbidden,
                "a token alone does not end that decisions are signed: sign in to the console with a passkey, and do it in its settings",
            )),
        }
    }
}

/// The caller's own tenant.
///
/// # Errors
/// `forbidden` when no person reads, or a fault.
pub fn show(tx: &mut Tx<'_>, permit: &Permit) -> Result<Shown, Rejection> {
    reading::reader(tx, permit)?;
    let record = reading::locate(tx, permit, Noun::Tenant, &permit.tenant_id().to_string())?;
    reading::shown(tx, record)
}
