//! Passkeys (Web Authentication Level 3): what the browser is asked, and whether its answer holds. The library that checks
//! answers is named here alone; what has to be kept between the two steps is text, for who stores it.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use thiserror::Error;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder,
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
pub struct RelyingParty(Webauthn);

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
        WebauthnBuilder::new(name, &url)
            .and_then(|builder| builder.rp_name("Countersign").build())
            .map(Self)
            .map_err(|_| PasskeyError::NoName)
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
        let begun = self.0.start_passkey_registration(
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
            .0
            .finish_passkey_registration(&answer, &state)
            .map_err(refused)?;
        Ok(Registered {
            credential_id: made.cred_id().to_vec(),
            passkey: text(&made)?,
        })
    }

    /// Asks whoever is there to show a passkey.
    ///
    /// # Errors
    /// A fault.
    pub fn begin_authentication(&self) -> Result<Ceremony, PasskeyError> {
        let (question, state) = self
            .0
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
            .0
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
            .0
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
}

fn refused(error: impl std::fmt::Display) -> PasskeyError {
    PasskeyError::Refused(error.to_string())
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
