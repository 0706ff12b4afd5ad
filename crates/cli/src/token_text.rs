//! Tokens as text: where they come from, and what they say to who does not verify them.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{failure::Failure, files};

/// The longest token that is looked at.
const MAX_BYTES: usize = 64 * 1024;

/// A token that was decoded and not verified.
#[derive(Debug, Serialize)]
pub struct Decoded {
    /// Always false: nobody looked at the signature.
    pub verified: bool,
    /// The protected header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// The token itself when it looks like one; else the text of the file of that name, or of
/// standard input for `-`.
pub fn read(text: &str) -> Result<String, Failure> {
    if text.matches('.').count() == 2 && !Path::new(text).exists() && text.len() > 40 {
        return Ok(text.to_owned());
    }
    let path = Path::new(text);
    if text != "-" && !path.exists() {
        let what = "that is neither a token nor a file";
        return Err(Failure::usage(what)
            .next("give a JWT, a file that holds one, or `-` for standard input"));
    }
    Ok(files::read(path)?.trim().to_owned())
}

/// The same, but whatever is no file is taken as an opaque key.
pub fn read_any(text: &str) -> Result<String, Failure> {
    let is_file = text == "-" || Path::new(text).is_file();
    if is_file {
        Ok(files::read(Path::new(text))?.trim().to_owned())
    } else {
        Ok(text.trim().to_owned())
    }
}

/// Decodes header and claims of a JWT (RFC 7519 §7.2), without a look at the signature.
pub fn decode(token: &str) -> Result<Decoded, Failure> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::failed(
            "that is not a JWT: expected three parts with dots between them",
        )
        .next("an opaque key says nothing; ask with `countersign token introspect`"));
    };
    if token.len() > MAX_BYTES {
        return Err(Failure::failed(format!(
            "the token is longer than {MAX_BYTES} bytes"
        )));
    }
    Ok(Decoded {
        verified: false,
        header: part(header, "header")?,
        claims: part(claims, "claims")?,
    })
}

fn part(text: &str, what: &str) -> Result<Map<String, Value>, Failure> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Failure::failed(format!("the {what} of the token are not base64url")))?;
    serde_json::from_slice(&bytes)
        .map_err(|_| Failure::failed(format!("the {what} of the token are not a JSON object")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_decoded_and_never_called_verified() {
        let encode = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let token = format!(
            "{}.{}.sig",
            encode(r#"{"alg":"ES256","typ":"at+jwt"}"#),
            encode(r#"{"sub":"bot://a/b"}"#)
        );
        let decoded = decode(&token).unwrap();
        assert!(!decoded.verified);
        assert_eq!(decoded.claims["sub"], "bot://a/b");
    }

    #[test]
    fn what_is_no_token_is_said_without_repeating_it() {
        for bad in ["cs_secret_value", "a.b", "!.!.!", "e30.W10.x"] {
            let failure = decode(bad).unwrap_err();
            assert!(!failure.to_string().contains(bad), "{failure}");
        }
    }
}
