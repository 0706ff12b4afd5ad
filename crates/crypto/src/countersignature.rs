//! A passkey's signature over a decision on an approval: what it is over, and whether it holds. Checking takes nothing but what is
//! kept with the decision, so that anybody does it from an exported log.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_model::{
    Id,
    countersignature::{Countersignature, PasskeyKey},
    id,
};
use serde::Deserialize;
use thiserror::Error;

use crate::digest::sha256;

/// A decision, as a passkey signs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// On what.
    pub approval_id: Id<id::Approval>,
    /// The digest of the request that was read.
    pub digest: &'a str,
    /// Yes or no.
    pub approved: bool,
    /// What makes the question one of its kind.
    pub nonce: &'a str,
}

/// Why a signature does not show that a person decided this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadCountersignature {
    /// It is over another decision, or none.
    #[error("it is over another decision")]
    Decision,
    /// It cannot be read.
    #[error("its {0} cannot be read")]
    Form(&'static str),
    /// Nobody was verified.
    #[error("the passkey did not verify its person")]
    Person,
    /// It was made at another place than it says.
    #[error("it was made for another server")]
    Place,
    /// The key did not make it.
    #[error("the passkey's key did not make it")]
    Signature,
}

/// What the browser says of the question (Web Authentication Level 3 §5.8.1). It may say more.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    about: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

impl Decision<'_> {
    /// What the passkey is asked to sign: SHA-256 over five lines.
    #[must_use]
    pub fn challenge(&self) -> [u8; 32] {
        let word = if self.approved { "approve" } else { "deny" };
        let (id, digest, nonce) = (self.approval_id, self.digest, self.nonce);
        sha256(format!("{DOMAIN}\n{word}\n{id}\n{digest}\n{nonce}\n").as_bytes())
    }
}

/// Whether the passkey's person made this decision.
///
/// # Errors
/// Why it does not show that.
pub fn verify(
    countersignature: &Countersignature,
    decision: &Decision<'_>,
) -> Result<(), BadCountersignature> {
    let data = bytes(&countersignature.authenticator_data, "authenticator data")?;
    let client_data = bytes(&countersignature.client_data, "client data")?;
    let signature = bytes(&countersignature.signature, "signature")?;
    let said: ClientData = serde_json::from_slice(&client_data)
        .map_err(|_| BadCountersignature::Form("client data"))?;
    let challenge = URL_SAFE_NO_PAD.encode(decision.challenge());
    if said.about != "webauthn.get"
        || said.challenge != challenge
        || decision.nonce != countersignature.nonce
    {
        return Err(BadCountersignature::Decision);
    }
    let party = sha256(countersignature.relying_party.as_bytes());
    let same_place = said.origin == countersignature.origin && !said.cross_origin;
    if data.get(..32) != Some(&party) || !same_place {
        return Err(BadCountersignature::Place);
    }
    let flags = data.get(32).copied().unwrap_or_default();
    if flags & (PRESENT | VERIFIED) != PRESENT | VERIFIED {
        return Err(BadCountersignature::Person);
    }
    let message = [data.as_slice(), &sha256(&client_data)].concat();
    holds(&countersignature.public_key, &message, &signature)
}

fn holds(key: &PasskeyKey, message: &[u8], signature: &[u8]) -> Result<(), BadCountersignature> {
    let verified = match key {
        PasskeyKey::Es256 { x, y } => {
            let point = [[4].as_slice(), &bytes(x, "key")?, &bytes(y, "key")?].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
        }
        PasskeyKey::Rs256 { n, e } => RsaPublicKeyComponents {
            n: bytes(n, "key")?,
            e: bytes(e, "key")?,
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
    };
    verified.map_err(|_| BadCountersignature::Signature)
}

fn bytes(text: &str, what: &'static str) -> Result<Vec<u8>, BadCountersignature> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| BadCountersignature::Form(what))
}

/// Keeps these bytes from being anything else that is signed.
const DOMAIN: &str = "countersign approval decision v1";
/// The flags of authenticator data (Web Authentication Level 3 §6.1).
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
    };

    use super::*;

    const DECISION: Decision<'static> = Decision {
        approval_id: Id::from_bytes([7; 16]),
        digest: "aa",
        approved: true,
        nonce: "n",
    };

    fn signed(edit: impl Fn(&mut Vec<u8>, &mut String)) -> Countersignature {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let mut data = sha256(b"id.example").to_vec();
        data.extend([PRESENT | VERIFIED, 0, 0, 0, 1]);
        let mut client_data = format!(
            "{{\"type\":\"webauthn.get\",\"challenge\":\"{}\",\"origin\":\"https://id.example\",\"crossOrigin\":false}}",
            URL_SAFE_NO_PAD.encode(DECISION.challenge())
        );
        edit(&mut data, &mut client_data);
        let message = [data.as_slice(), &sha256(client_data.as_bytes())].concat();
        Countersignature {
            passkey_id: Id::from_bytes([1; 16]),
            public_key: PasskeyKey::Es256 {
                x: URL_SAFE_NO_PAD.encode(&point[1..33]),
                y: URL_SAFE_NO_PAD.encode(&point[33..]),
            },
            relying_party: "id.example".to_owned(),
            origin: "https://id.example".to_owned(),
            nonce: "n".to_owned(),
            authenticator_data: URL_SAFE_NO_PAD.encode(&data),
            client_data: URL_SAFE_NO_PAD.encode(&client_data),
            signature: URL_SAFE_NO_PAD.encode(pair.sign(&random, &message).unwrap()),
        }
    }

    #[test]
    fn a_countersignature_is_good_for_one_decision_and_no_other() {
        let good = signed(|_, _| {});
        assert_eq!(verify(&good, &DECISION), Ok(()));
        let id = Id::from_bytes([8; 16]);
        for other in [
            Decision {
                approved: false,
                ..DECISION
            },
            Decision {
                digest: "ab",
                ..DECISION
            },
            Decision {
                approval_id: id,
                ..DECISION
            },
            Decision {
                nonce: "m",
                ..DECISION
            },
        ] {
            assert_eq!(verify(&good, &other), Err(BadCountersignature::Decision));
        }
    }

    #[test]
    fn what_was_signed_elsewhere_by_nobody_or_by_another_key_does_not_hold() {
        let elsewhere = signed(|data, _| data[0] ^= 1);
        assert_eq!(
            verify(&elsewhere, &DECISION),
            Err(BadCountersignature::Place)
        );
        let framed = signed(|_, said| *said = said.replace("false", "true"));
        assert_eq!(verify(&framed, &DECISION), Err(BadCountersignature::Place));
        let made = signed(|_, said| *said = said.replace("webauthn.get", "webauthn.create"));
        assert_eq!(verify(&made, &DECISION), Err(BadCountersignature::Decision));
        for flags in [0, PRESENT, VERIFIED] {
            let nobody = signed(|data, _| data[32] = flags);
            assert_eq!(verify(&nobody, &DECISION), Err(BadCountersignature::Person));
        }
        let short = signed(|data, _| data.truncate(32));
        assert_eq!(verify(&short, &DECISION), Err(BadCountersignature::Person));
        let mut swapped = signed(|_, _| {});
        swapped.public_key = signed(|_, _| {}).public_key;
        assert_eq!(
            verify(&swapped, &DECISION),
            Err(BadCountersignature::Signature)
        );
        let mut broken = signed(|_, _| {});
        broken.signature.push('!');
        assert_eq!(
            verify(&broken, &DECISION),
            Err(BadCountersignature::Form("signature"))
        );
    }
}
