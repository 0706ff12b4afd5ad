//! A person's passkey signs their decision: the question is the decision itself, and the answer stays on record.

use countersign_crypto::{
    countersignature::{Decision as Signing, verify},
    passkeys::RelyingParty,
    random,
};
use countersign_model::{
    Id,
    countersignature::Countersignature,
    id,
    passkey::{ASKED_FOR, Ceremony, CeremonyDoc, CountersignDoc},
    reason::{Reason, Refusal},
};
use countersign_store::{Pending, WriteMode, approvals, passkeys};
use serde_json::Value;

use super::reading;
use crate::{
    authority::Authority,
    command::WriteTx,
    ctx::Ctx,
    passkeys::{Question, ask, asked, broken, relying_party},
    people,
    rejection::{Rejection, refuse},
    signing_keys::Tenant,
};

/// What a person is about to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AboutToDecide {
    /// On what.
    pub approval_id: Id<id::Approval>,
    /// Yes or no.
    pub approved: bool,
    /// The digest that they read.
    pub digest: String,
}

/// The answer of a passkey to it.
pub struct Signed {
    /// The question.
    pub ceremony: Id<id::Ceremony>,
    /// What the browser answered.
    pub answer: Value,
    /// The server.
    pub party: RelyingParty,
}

impl Authority {
    /// Asks a person's passkeys to sign what they are about to decide.
    ///
    /// # Errors
    /// A refusal or a fault.
    pub fn ask_to_countersign(
        &self,
        ctx: &Ctx,
        tenant: &Tenant,
        user: Id<id::User>,
        about: AboutToDecide,
    ) -> Result<Pending<Result<Question, Rejection>>, Rejection> {
        let (party, tenant, ceremony) = (relying_party(tenant)?, tenant.id, ctx.id());
        let (now, nonce) = (ctx.now, hex::encode(random::bytes::<16>()));
        Ok(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            let person = people::person(tx, tenant, user)?;
            let found = approvals::by_id(tx, about.approval_id)?.filter(|approval| approval.tenant_id == tenant);
            let visible = match &found {
                Some(approval) => reading::may_see(tx, tenant, &person, approval)?,
                None => false,
            };
            let Some(approval) = found.filter(|_| visible) else {
                let detail = format!("there is no approval {}", about.approval_id);
                return refuse(Reason::NotFound, detail);
            };
            approval.takes_decisions_on(&about.digest, now)?;
            let own: Vec<String> = passkeys::of_user(tx, user)?
                .into_iter()
                .map(|passkey| passkey.doc.key)
                .collect();
            if own.is_empty() {
                return refuse(
                    Reason::Unprocessable,
                    "you have no passkey here: `countersign passkey add` prints a link that makes one",
                );
            }
            let challenge = signing(&about, &nonce).challenge();
            let question = party.begin_signing(challenge, &own).map_err(broken)?;
            let ceremony = Ceremony {
                id: ceremony,
                tenant_id: tenant,
                expires_at: now + ASKED_FOR,
                doc: CeremonyDoc::Countersign(Box::new(CountersignDoc {
                    user_id: user,
                    approval_id: about.approval_id,
                    approved: about.approved,
                    digest: about.digest.clone(),
                    nonce: nonce.clone(),
                    state: question.state,
                })),
            };
            ask(tx, &ceremony, now)?;
            Ok(Question {
                ceremony: ceremony.id,
                options: question.question,
            })
        }))
    }
}

/// The signature of an answer that holds, and is used up with it.
pub(super) fn countersigned(
    tx: &mut WriteTx<'_, '_>,
    signed: &Signed,
    about: &AboutToDecide,
    user: Id<id::User>,
) -> Result<Countersignature, Rejection> {
    let (tenant, now) = (tx.tenant_id(), tx.now());
    let CeremonyDoc::Countersign(doc) = asked(tx.peek(), tenant, signed.ceremony, now)? else {
        return refuse(Reason::CredentialInvalid, "another question was asked");
    };
    let same = doc.user_id == user
        && doc.approval_id == about.approval_id
        && doc.approved == about.approved
        && doc.digest == about.digest;
    if !same {
        return refuse(
            Reason::CredentialInvalid,
            "the passkey was asked about another decision: ask it again",
        );
    }
    let mut own = passkeys::of_user(tx.peek(), user)?;
    let kept: Vec<_> = own
        .iter()
        .map(|passkey| (passkey.credential_id.as_slice(), passkey.doc.key.as_str()))
        .collect();
    let made = signed
        .party
        .finish_signing(&signed.answer, &doc.state, &kept)
        .map_err(broken)?;
    let found = own
        .iter_mut()
        .find(|passkey| passkey.credential_id == made.credential_id);
    let Some(passkey) = found else {
        let detail = "the passkey's answer does not hold: it is not registered here";
        return refuse(Reason::CredentialInvalid, detail);
    };
    if !passkeys::answered(tx.rows(), signed.ceremony)? {
        return refuse(Reason::Replayed, "this question was answered before");
    }
    if let Some(key) = made.passkey {
        passkey.doc.key = key;
    }
    passkey.doc.used_at = Some(now);
    passkeys::update(tx.rows(), passkey)?;
    let countersignature = Countersignature {
        passkey_id: passkey.id,
        public_key: made.public_key,
        relying_party: signed.party.name().to_owned(),
        origin: signed.party.origin().to_owned(),
        nonce: doc.nonce.clone(),
        authenticator_data: made.authenticator_data,
        client_data: made.client_data,
        signature: made.signature,
    };
    // INVARIANT: what is kept is what anybody can verify later: checked as they will.
    verify(&countersignature, &signing(about, &doc.nonce)).map_err(|error| {
        Refusal::new(
            Reason::CredentialInvalid,
            format!("the passkey's answer does not hold: {error}"),
        )
    })?;
    Ok(countersignature)
}

fn signing<'a>(about: &'a AboutToDecide, nonce: &'a str) -> Signing<'a> {
    Signing {
        approval_id: about.approval_id,
        digest: &about.digest,
        approved: about.approved,
        nonce,
    }
}

/// Why a decision without a signature is refused.
pub(super) fn unsigned() -> Refusal {
    Refusal::new(
        Reason::Forbidden,
        "this tenant takes a decision with a passkey's signature alone: decide in the console",
    )
}
