//! What the provider vouched for signs a person in.

use std::sync::Arc;

use countersign_model::{
    reason::{Reason, Refusal},
    registry::{Admits, LinkedAccountDoc, Noun, ProviderDoc, Record, Status, TenantRole},
};
use countersign_store::passkeys;

use super::{
    Vouched, account,
    groups::{self, Access},
    logout, vouching,
};
use crate::{
    command::{Change, Command, NewRecord, Verdict, WriteTx},
    registry::{
        leaving::{self, Departed},
        users,
    },
    rejection::{Rejection, refuse},
    secrets::Secrets,
    sessions::{Entered, Entering, enter},
};

/// Signs a person in by their account at the provider.
#[derive(Clone)]
pub struct SignInAtProvider {
    /// What the provider vouched for.
    pub vouched: Vouched,
    /// Hashes the cookie.
    pub secrets: Arc<Secrets>,
}

/// How it ended.
#[derive(Debug)]
pub enum AtTheDoor {
    /// They are in.
    Entered(Box<Entered>),
    /// Their groups say that they have left; go on with what they answered for when there is more of it.
    SentAway(Box<Departed>),
}

impl Command for SignInAtProvider {
    type Output = AtTheDoor;

    const NAME: &'static str = "sign in";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<AtTheDoor>, Rejection> {
        let provider = vouching(tx, &self.vouched)?;
        let access = groups::access(&provider, &self.vouched.groups)?;
        self.began_before_it_ended(tx, &provider)?;
        let linked = account(tx, &self.vouched)?.filter(|record| record.status == Status::Active);
        let user = match linked.as_ref().and_then(Record::linked_account) {
            Some(linked) => tx.get(linked.user_id)?,
            None => match access {
                Access::Granted => self.invited(tx, &provider)?,
                Access::Lost => return Err(not_linked(&provider).into()),
            },
        };
        if user.noun != Noun::User || user.status != Status::Active {
            return refuse(Reason::CredentialInvalid, "this user is not active");
        }
        if matches!(access, Access::Lost) {
            let why = "none of their groups at the provider lets them in any more";
            let gone = Record {
                status: Status::Disabled,
                ..user.clone()
            };
            let departed = leaving::directory_says_gone(tx, user, gone, why)?;
            return Ok(Verdict::Done(AtTheDoor::SentAway(Box::new(departed))));
        }
        groups::follow(tx, &provider, &user, &self.vouched.groups)?;
        let user = users::enrolled(tx, &user, None)?;
        let entering = Entering {
            user: &user,
            method: "provider",
            auth_time: self.vouched.auth_time,
            provider: Some(self.vouched.at()),
            said: Some(self.vouched.said()),
            pepper: &self.secrets.pepper,
        };
        let entered = enter(tx, entering)?;
        Ok(Verdict::Done(AtTheDoor::Entered(Box::new(entered))))
    }
}

impl SignInAtProvider {
    /// Refuses a session that has ended at the provider meanwhile: its logout may come before the browser.
    fn began_before_it_ended(
        &self,
        tx: &mut WriteTx<'_, '_>,
        provider: &ProviderDoc,
    ) -> Result<(), Rejection> {
        let Some(sid) = &self.vouched.sid else {
            return Ok(());
        };
        for subject in [None, Some(self.vouched.subject.as_str())] {
            if logout::is_over(tx, &self.vouched.issuer, sid, subject)? {
                return refuse(
                    Reason::CredentialInvalid,
                    format!(
                        "your session at {} has ended there: sign in there again",
                        provider.name
                    ),
                );
            }
        }
        Ok(())
    }

    /// Who was invited under the address that the provider verified, with the account linked from now on.
    ///
    /// INVARIANT: an address finds only who never signed in by anything, and no owner. Nobody's account is taken over with one.
    fn invited(
        &self,
        tx: &mut WriteTx<'_, '_>,
        provider: &ProviderDoc,
    ) -> Result<Record, Rejection> {
        if provider.admits != Admits::Invited {
            return Err(not_linked(provider).into());
        }
        let Some(email) = &self.vouched.email else {
            return Err(not_linked(provider).into());
        };
        let found = tx.find(Noun::User, email)?.filter(|user| {
            user.user().is_some_and(|doc| {
                doc.email == *email && doc.enrolled_at.is_none() && doc.role != TenantRole::Owner
            })
        });
        let Some(user) = found.filter(|user| user.status == Status::Active) else {
            return Err(not_linked(provider).into());
        };
        let links = tx.children(Noun::LinkedAccount, user.id)?;
        let fresh = links.is_empty() && passkeys::of_user(tx.peek(), user.id.cast())?.is_empty();
        // What was somebody's once is linked by a person.
        if !fresh || account(tx, &self.vouched)?.is_some() {
            return Err(not_linked(provider).into());
        }
        let doc = LinkedAccountDoc {
            issuer: self.vouched.issuer.clone(),
            subject: self.vouched.subject.clone(),
            user_id: user.id.cast(),
            set_by: user.id.cast(),
            held_before: Vec::new(),
        };
        let new = NewRecord {
            id: None,
            name: LinkedAccountDoc::key(&doc.issuer, &doc.subject),
            parent_id: Some(user.id),
            doc: doc.into(),
        };
        let why = "the provider verified the address that was invited".to_owned();
        tx.create(new, &Change::verb("created").because(Some(why)))?;
        Ok(user)
    }
}

/// The same whoever it is: nobody learns here who has an account.
fn not_linked(provider: &ProviderDoc) -> Refusal {
    Refusal::new(
        Reason::CredentialInvalid,
        format!(
            "your account at {} is not linked to anybody here: sign in with a passkey or a one-time code, and link it on the page `/login`",
            provider.name
        ),
    )
}
