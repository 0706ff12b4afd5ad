//! Passkeys (Web Authentication Level 3): what the browser is asked, and whether its answer holds. The library that checks
//! answers is named here alone; what has to be kept between the two steps is text, for who stores it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_model::countersignature::PasskeyKey;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use thiserror::Error;
use webauthn_rs::prelude::{
    COSEAlgorithm, COSEKeyType, DiscoverableAuthentication, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Url, Uuid, Webauthn,
    WebauthnBuilder,
};

/// Why a passkey cannot be made or used.
#[derive(Debug, Error)]
pub enum PasskeyError {
    /// The server's address has no name: browsers have no passkeys for addresses of numbers.
    #[error(
        "passkeys need a server with a name: browsers have none for an address of numbers; on this machine `--issuer http://localhost:8400` gives it one"
    )]
    NoName,
    /// What the browser sent does not hold.
    #[error("the passkey's answer does not hold: {0}")]
    Refused(String),
    /// What was kept is not what was written.
    #[error("what was kept of a passkey cannot be read: {0}")]
    Kept(String),
}

/// The server as passkeys know it: by the host of its address.
pub struct RelyingParty {
    checks: Webauthn,
    name: String,
    origin: String,
}

/// A question to the browser, and what must be kept until it is answered.
#[derive(Debug)]
pub struct Ceremony {
    /// The argument of `navigator.credentials`, in the JSON form of the standard.
    pub question: Value,
    /// To be kept here and used once.
    pub state: String,
}

/// A passkey that was made.
#[derive(Debug)]
pub struct Registered {
    /// What names it, whoever's it is.
    pub credential_id: Vec<u8>,
    /// To be kept: the public key and its counter.
    pub passkey: String,
    /// The public key.
    pub public_key: PasskeyKey,
}

/// A passkey's signature that holds.
#[derive(Debug)]
pub struct Signature {
    /// Which passkey made it.
    pub credential_id: Vec<u8>,
    /// That passkey as it is to be kept from now on, when that changed.
    pub passkey: Option<String>,
    /// Its public key.
    pub public_key: PasskeyKey,
    /// What the authenticator said, in base64url.
    pub authenticator_data: String,
    /// What the browser said, in base64url.
    pub client_data: String,
    /// The signature, in base64url.
    pub signature: String,
}

/// What an answer says of whom it is, before anything is checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The person, by the id that the passkey was made with.
    pub user: [u8; 16],
    /// Which of their passkeys.
    pub credential_id: Vec<u8>,
}

impl RelyingParty {
    /// The server at this address.
    ///
    /// # Errors
    /// [`PasskeyError::NoName`].
    pub fn new(issuer: &str) -> Result<Self, PasskeyError> {
        let url: Url = issuer.parse().map_err(|_| PasskeyError::NoName)?;
        let name = url.domain().ok_or(PasskeyError::NoName)?;
        let checks = WebauthnBuilder::new(name, &url)
            .and_then(|builder| builder.rp_name("Countersign").build())
            .map_err(|_| PasskeyError::NoName)?;
        Ok(Self {
            checks,
            name: name.to_owned(),
            origin: url.origin().ascii_serialization(),
        })
    }

    /// The host that passkeys are for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The origin of pages that may ask.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Asks for a new passkey of this person, on no authenticator that has one of these already.
    ///
    /// # Errors
    /// A fault.
    pub fn begin_registration(
        &self,
        user: [u8; 16],
        name: &str,
        others: &[Vec<u8>],
    ) -> Result<Ceremony, PasskeyError> {
        let begun = self.checks.start_passkey_registration(
            Uuid::from_bytes(user),
            name,
            name,
            Some(others.to_vec()),
        );
        let (question, state) = begun.map_err(refused)?;
        let mut question = kept(&question)?;
        // It must be found without a name, so that nobody has to say who they are before it is proved.
        if let Some(wanted) = question.pointer_mut("/publicKey/authenticatorSelection") {
            wanted["residentKey"] = json!("required");
            wanted["requireResidentKey"] = json!(true);
        }
        Ok(Ceremony {
            question,
            state: text(&state)?,
        })
    }

    /// Checks the answer: a passkey that verified its person.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn finish_registration(
        &self,
        answer: &Value,
        state: &str,
    ) -> Result<Registered, PasskeyError> {
        let state: PasskeyRegistration = read(state)?;
        let answer: RegisterPublicKeyCredential = sent(answer)?;
        let made = self
            .checks
            .finish_passkey_registration(&answer, &state)
            .map_err(refused)?;
        Ok(Registered {
            credential_id: made.cred_id().to_vec(),
            passkey: text(&made)?,
            public_key: public_key(&made)?,
        })
    }

    /// Asks whoever is there to show a passkey.
    ///
    /// # Errors
    /// A fault.
    pub fn begin_authentication(&self) -> Result<Ceremony, PasskeyError> {
        let (question, state) = self
            .checks
            .start_discoverable_authentication()
            .map_err(refused)?;
        let mut question = kept(&question)?;
        if let Some(question) = question.as_object_mut() {
            // A button is pressed; nothing is offered in passing.
            question.remove("mediation");
        }
        Ok(Ceremony {
            question,
            state: text(&state)?,
        })
    }

    /// Whom an answer claims to be of. Nothing is checked yet.
    ///
    /// # Errors
    /// When it claims nobody.
    pub fn claimed(&self, answer: &Value) -> Result<Claimed, PasskeyError> {
        let answer: PublicKeyCredential = sent(answer)?;
        let (user, credential_id) = self
            .checks
            .identify_discoverable_authentication(&answer)
            .map_err(refused)?;
        Ok(Claimed {
            user: *user.as_bytes(),
            credential_id: credential_id.to_vec(),
        })
    }

    /// Checks the answer against the passkey that it claims: signature, challenge, origin, and that the person was verified.
    /// The passkey as it is to be kept from now on, when that changed.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn finish_authentication(
        &self,
        answer: &Value,
        state: &str,
        passkey: &str,
    ) -> Result<Option<String>, PasskeyError> {
        let state: DiscoverableAuthentication = read(state)?;
        let mut passkey: Passkey = read(passkey)?;
        let answer: PublicKeyCredential = sent(answer)?;
        let proved = self
            .checks
            .finish_discoverable_authentication_v2(&answer, state, &passkey)
            .map_err(refused)?;
        if !proved.user_verified() {
            return Err(PasskeyError::Refused(
                "the person was not verified".to_owned(),
            ));
        }
        match passkey.update_credential(&proved) {
            Some(true) => text(&passkey).map(Some),
            Some(false) => Ok(None),
            None => Err(PasskeyError::Refused("another passkey answered".to_owned())),
        }
    }

    /// Asks for one of these kept passkeys to sign these bytes.
    ///
    /// # Errors
    /// A fault.
    pub fn begin_signing(
        &self,
        challenge: [u8; 32],
        passkeys: &[String],
    ) -> Result<Ceremony, PasskeyError> {
        let passkeys = passkeys
            .iter()
            .map(|passkey| read::<Passkey>(passkey))
            .collect::<Result<Vec<_>, _>>()?;
        let (question, state) = self
            .checks
            .start_passkey_authentication(&passkeys)
            .map_err(refused)?;
        let (mut question, mut state) = (kept(&question)?, kept(&state)?);
        // INVARIANT: the library asks with random bytes and compares them; ours take their place on both sides, and hold a
        // nonce, so that they cannot be known before.
        let challenge = json!(URL_SAFE_NO_PAD.encode(challenge));
        for (value, member) in [
            (&mut question, "/publicKey/challenge"),
            (&mut state, "/ast/challenge"),
        ] {
            let place = value
                .pointer_mut(member)
                .ok_or_else(|| PasskeyError::Kept(format!("a question has no `{member}`")))?;
            *place = challenge.clone();
        }
        Ok(Ceremony {
            question,
            state: state.to_string(),
        })
    }

    /// Checks the answer: that one of these passkeys, each beside its id, signed what was asked, here, and verified its person.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn finish_signing(
        &self,
        answer: &Value,
        state: &str,
        passkeys: &[(&[u8], &str)],
    ) -> Result<Signature, PasskeyError> {
        let state: PasskeyAuthentication = read(state)?;
        let answer: PublicKeyCredential = sent(answer)?;
        let proved = self
            .checks
            .finish_passkey_authentication(&answer, &state)
            .map_err(refused)?;
        if !proved.user_verified() {
            return Err(PasskeyError::Refused(
                "the person was not verified".to_owned(),
            ));
        }
        let credential_id = proved.cred_id().to_vec();
        let (_, own) = passkeys
            .iter()
            .find(|(id, _)| *id == credential_id)
            .ok_or_else(strange)?;
        let mut passkey: Passkey = read(own)?;
        let changed = passkey.update_credential(&proved).ok_or_else(strange)?;
        Ok(Signature {
            credential_id,
            public_key: public_key(&passkey)?,
            passkey: changed.then(|| text(&passkey)).transpose()?,
            authenticator_data: URL_SAFE_NO_PAD.encode(&answer.response.authenticator_data),
            client_data: URL_SAFE_NO_PAD.encode(&answer.response.client_data_json),
            signature: URL_SAFE_NO_PAD.encode(&answer.response.signature),
        })
    }
}

/// The public half of a kept passkey.
fn public_key(passkey: &Passkey) -> Result<PasskeyKey, PasskeyError> {
    match &passkey.get_public_key().key {
        COSEKeyType::EC_EC2(key) if *passkey.cred_algorithm() == COSEAlgorithm::ES256 => {
            Ok(PasskeyKey::Es256 {
                x: URL_SAFE_NO_PAD.encode(&key.x),
                y: URL_SAFE_NO_PAD.encode(&key.y),
            })
        }
        COSEKeyType::RSA(key) => Ok(PasskeyKey::Rs256 {
            n: URL_SAFE_NO_PAD.encode(&key.n),
            e: URL_SAFE_NO_PAD.encode(key.e),
        }),
        COSEKeyType::EC_EC2(_) | COSEKeyType::EC_OKP(_) => Err(PasskeyError::Kept(
            "a passkey of an algorithm that is not asked for".to_owned(),
        )),
    }
}

fn refused(error: impl std::fmt::Display) -> PasskeyError {
    PasskeyError::Refused(error.to_string())
}

/// As `finish_authentication` says it: whose passkey answered is known, and nobody else's is told.
fn strange() -> PasskeyError {
    PasskeyError::Refused("it is not registered here".to_owned())
}

fn sent<T: DeserializeOwned>(answer: &Value) -> Result<T, PasskeyError> {
    // What is wrong with it is not repeated: it is what the browser sent.
    T::deserialize(answer).map_err(|_| PasskeyError::Refused("it has another form".to_owned()))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, PasskeyError> {
    serde_json::from_str(text).map_err(|error| PasskeyError::Kept(error.to_string()))
}

fn text(value: &impl Serialize) -> Result<String, PasskeyError> {
    serde_json::to_string(value).map_err(|error| PasskeyError::Kept(error.to_string()))
}

fn kept(value: &impl Serialize) -> Result<Value, PasskeyError> {
    serde_json::to_value(value).map_err(|error| PasskeyError::Kept(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_with_a_name_has_passkeys() {
        for named in [
            "https://id.example.com",
            "http://localhost:8400",
            "https://id.example/t/a",
        ] {
            assert!(RelyingParty::new(named).is_ok(), "{named}");
        }
        for numbered in [
            "http://127.0.0.1:8400",
            "http://[::1]:8400",
            "https://10.0.0.1",
            "",
        ] {
            assert!(
                matches!(RelyingParty::new(numbered), Err(PasskeyError::NoName)),
                "{numbered}"
            );
        }
    }

    #[test]
    fn a_person_is_verified_and_found_without_a_name() {
        let server = RelyingParty::new("https://id.example.com").unwrap();
        let made = server
            .begin_registration([7; 16], "dana@example.com", &[vec![1, 2, 3]])
            .unwrap();
        let asked = &made.question["publicKey"];
        assert_eq!(asked["rp"]["id"], "id.example.com");
        assert_eq!(
            asked["authenticatorSelection"]["userVerification"],
            "required"
        );
        assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(asked["attestation"], "none");
        let algorithms: Vec<_> = asked["pubKeyCredParams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["alg"].as_i64().unwrap())
            .collect();
        assert!(
            algorithms.contains(&-7) && !algorithms.contains(&-8),
            "{algorithms:?}"
        );
        let shown = server.begin_authentication().unwrap();
        assert_eq!(shown.question["publicKey"]["userVerification"], "required");
        assert!(shown.question.get("mediation").is_none());
        let empty = &shown.question["publicKey"]["allowCredentials"];
        assert!(empty.is_null() || empty == &json!([]), "{empty}");
    }
}
