//! Decisions that passkeys signed, checked without the server: each signature, and that its key was registered before as that
//! passkey of that person.

use std::collections::BTreeMap;

use countersign_crypto::countersignature::{Decision, verify};
use countersign_model::{
    Id,
    countersignature::PasskeyKey,
    evidence::{ApprovalDecided, PasskeyChanged},
    id,
};
use serde::Deserialize;
use serde_json::Value;

/// The passkeys that the log registered so far: as many as people have.
#[derive(Debug, Default)]
pub struct Signatures {
    registered: BTreeMap<Id<id::Passkey>, Registered>,
}

#[derive(Debug)]
struct Registered {
    key: PasskeyKey,
    person: String,
}

impl Signatures {
    /// Reads the next record of the log. Says whether it is of a decision that its person's passkey signed.
    ///
    /// # Errors
    /// Why the signature does not show that.
    pub fn read(&mut self, body: &str) -> Result<bool, String> {
        // Most records are of something else: not read a second time.
        if body.contains("\"public_key\"") && body.contains("\"registered\"") {
            self.register(body);
        }
        if !body.contains("\"countersignature\"") {
            return Ok(false);
        }
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            return Ok(false);
        };
        let decided = ApprovalDecided::deserialize(&body).ok();
        let approval = referred(&body, "approval").next();
        let (Some(decided), Some(approval)) = (decided, approval) else {
            return Ok(false);
        };
        let Some(signature) = &decided.countersignature else {
            return Ok(false);
        };
        let approval_id = approval
            .parse()
            .map_err(|_| "the decision names no approval".to_owned())?;
        let decision = Decision {
            approval_id,
            digest: &decided.digest,
            approved: decided.approved,
            nonce: &signature.nonce,
        };
        verify(signature, &decision).map_err(|error| {
            format!("the passkey's signature over the decision does not hold: {error}")
        })?;
        let passkey = signature.passkey_id;
        let Some(registered) = self.registered.get(&passkey) else {
            return Err(format!(
                "the decision is signed with passkey {passkey}, which this log never registered"
            ));
        };
        if registered.key != signature.public_key {
            return Err(format!(
                "the decision is signed with another key than passkey {passkey} was registered with"
            ));
        }
        if !referred(&body, "approver").any(|person| person == registered.person) {
            return Err(format!(
                "the decision is signed with passkey {passkey}, which is another person's"
            ));
        }
        Ok(true)
    }

    fn register(&mut self, body: &str) {
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            return;
        };
        let Ok(changed) = PasskeyChanged::deserialize(&body) else {
            return;
        };
        let person = referred(&body, "human").next().map(str::to_owned);
        if let (Some(passkey), Some(key), Some(person)) =
            (changed.passkey_id, changed.public_key, person)
        {
            // The first registration stands: what names the same passkey later is not it.
            self.registered
                .entry(passkey)
                .or_insert(Registered { key, person });
        }
    }
}

/// The ids that a record refers to in this role.
fn referred<'a>(body: &'a Value, role: &'a str) -> impl Iterator<Item = &'a str> {
    let refs = body.get("refs").and_then(Value::as_array);
    refs.into_iter()
        .flatten()
        .filter(move |found| found.get("role").is_some_and(|known| known == role))
        .filter_map(|found| found.get("id")?.as_str())
}

#[cfg(test)]
mod tests {
    use countersign_crypto::passkeys::RelyingParty;
    use countersign_model::countersignature::Countersignature;
    use countersign_testkit::Authenticator;
    use serde_json::json;

    use super::*;

    const ORIGIN: &str = "https://id.example";
    const DANA: &str = "dana";

    /// A passkey that was made, and what its server keeps of it.
    struct Made {
        party: RelyingParty,
        authenticator: Authenticator,
        kept: String,
        credential_id: Vec<u8>,
        public_key: PasskeyKey,
    }

    fn made() -> Made {
        let party = RelyingParty::new(ORIGIN).unwrap();
        let mut authenticator = Authenticator::new(ORIGIN);
        let begun = party.begin_registration([3; 16], DANA, &[]).unwrap();
        let answer = authenticator.create(&begun.question);
        let made = party.finish_registration(&answer, &begun.state).unwrap();
        Made {
            party,
            authenticator,
            kept: made.passkey,
            credential_id: made.credential_id,
            public_key: made.public_key,
        }
    }

    impl Made {
        fn registered(&self, passkey: Id<id::Passkey>) -> String {
            json!({
                "type": "passkey_changed", "verb": "registered", "passkey_id": passkey, "public_key": self.public_key,
                "name": null, "source_address": null, "refs": [{ "role": "human", "id": DANA }],
            })
            .to_string()
        }

        fn decided(&mut self, passkey: Id<id::Passkey>, by: &str) -> String {
            let decision = Decision {
                approval_id: Id::from_bytes([7; 16]),
                digest: "aa",
                approved: true,
                nonce: "n",
            };
            let asked = self
                .party
                .begin_signing(decision.challenge(), std::slice::from_ref(&self.kept));
            let asked = asked.unwrap();
            let answer = self.authenticator.get(&asked.question);
            let kept = [(self.credential_id.as_slice(), self.kept.as_str())];
            let signed = self
                .party
                .finish_signing(&answer, &asked.state, &kept)
                .unwrap();
            let countersignature = Countersignature {
                passkey_id: passkey,
                public_key: signed.public_key,
                relying_party: self.party.name().to_owned(),
                origin: self.party.origin().to_owned(),
                nonce: decision.nonce.to_owned(),
                authenticator_data: signed.authenticator_data,
                client_data: signed.client_data,
                signature: signed.signature,
            };
            json!({
                "type": "approval_decided", "approved": true, "digest": decision.digest, "reason": null, "proof": "passkey",
                "approvals": 1, "required": 1, "countersignature": countersignature,
                "refs": [{ "role": "approval", "id": decision.approval_id }, { "role": "approver", "id": by }],
            })
            .to_string()
        }
    }

    #[test]
    fn a_signed_decision_holds_with_the_key_that_its_person_registered_before() {
        let (mut own, mut other) = (made(), made());
        let [passkey, stranger] = [1, 2].map(|byte| Id::from_bytes([byte; 16]));
        let mut log = Signatures::default();
        let early = log.read(&own.decided(passkey, DANA)).unwrap_err();
        assert!(early.contains("never registered"), "{early}");
        assert_eq!(log.read(&own.registered(passkey)), Ok(false));
        assert_eq!(log.read(&own.decided(passkey, DANA)), Ok(true));
        let theirs = log.read(&own.decided(passkey, "eve")).unwrap_err();
        assert!(theirs.contains("another person's"), "{theirs}");
        // Who holds the server signs with a key of their own, and says afterwards that it was that passkey's.
        let forged = log.read(&other.decided(passkey, DANA)).unwrap_err();
        assert!(forged.contains("another key"), "{forged}");
        assert_eq!(log.read(&other.registered(passkey)), Ok(false));
        assert!(log.read(&other.decided(passkey, DANA)).is_err());
        assert!(log.read(&other.decided(stranger, DANA)).is_err());
        let flipped = own
            .decided(passkey, DANA)
            .replace("\"approved\":true", "\"approved\":false");
        let flipped = log.read(&flipped).unwrap_err();
        assert!(flipped.contains("does not hold"), "{flipped}");
    }
}
