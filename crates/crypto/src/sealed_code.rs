//! Short-lived codes that carry their own content, made by who holds the key file.
//!
//! `countersign admin enrol` makes one beside a running server, without asking it: the code is
//! `<prefix>_<base32 of content and tag>`. It is signed, not encrypted, and says nothing about
//! whether it was used: that is for the reader to keep.

use thiserror::Error;

use crate::{digest::MacKey, secret::Secret};

/// The text is not a code that this key made.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidCode {
    /// It has not the form of such a code.
    #[error("not a code of this kind")]
    Form,
    /// It was changed, or made under another key file.
    #[error("the code was not made for this installation, or was mistyped")]
    Tag,
}

/// Makes a code of the kind that `prefix` names, carrying `content`.
#[must_use]
pub fn seal(key: &MacKey, prefix: &str, content: &[u8]) -> Secret<String> {
    let tag = key.tag(&bound(prefix, content));
    Secret::new(format!("{prefix}_{}", to_base32(&[content, &tag].concat())))
}

/// The content of a code of the kind that `prefix` names.
///
/// # Errors
/// When the text is no such code, or another key made it.
pub fn open(key: &MacKey, prefix: &str, text: &str) -> Result<Vec<u8>, InvalidCode> {
    let encoded = text
        .trim()
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|encoded| encoded.len() <= MAX_CHARACTERS)
        .ok_or(InvalidCode::Form)?;
    let sealed = from_base32(encoded).ok_or(InvalidCode::Form)?;
    let (content, tag) = sealed.split_last_chunk::<32>().ok_or(InvalidCode::Form)?;
    if !key.verify(&bound(prefix, content), tag) {
        return Err(InvalidCode::Tag);
    }
    Ok(content.to_vec())
}

/// The length keeps the border between prefix and content clear.
fn bound(prefix: &str, content: &[u8]) -> Vec<u8> {
    [
        &(prefix.len() as u64).to_be_bytes(),
        prefix.as_bytes(),
        content,
    ]
    .concat()
}

/// RFC 4648 §6 in lower case, without padding: letters and digits only.
fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in bytes {
        buffer = (buffer << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(base32_digit(buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(base32_digit(buffer << (5 - bits)));
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut bits) = (0_u32, 0);
    for character in text.bytes() {
        let digit = match character {
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        buffer = (buffer << 5 | u32::from(digit)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    // One text for one content: what is left over must be less than a digit, and nothing.
    (bits < 5 && buffer & ((1 << bits) - 1) == 0).then_some(bytes)
}

fn base32_digit(value: u32) -> char {
    let digit = u8::try_from(value & 31).unwrap_or(0);
    char::from(if digit < 26 {
        b'a' + digit
    } else {
        b'2' + digit - 26
    })
}

/// Far more than a code carries, and little to decode.
const MAX_CHARACTERS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_matches_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foobar", "mzxw6ytboi"),
        ] {
            assert_eq!(to_base32(plain.as_bytes()), encoded);
            assert_eq!(from_base32(encoded).unwrap(), plain.as_bytes());
        }
        assert_eq!(from_base32("mz"), None);
        assert_eq!(from_base32("m"), None);
        assert_eq!(from_base32("MY"), None);
    }

    #[test]
    fn a_code_opens_under_its_key_and_kind_only() {
        let key = MacKey::new(b"one");
        let code = seal(&key, "csec", b"{\"email\":\"dana@example.com\"}");
        let opened = open(&key, "csec", code.expose()).unwrap();
        assert_eq!(opened, b"{\"email\":\"dana@example.com\"}");
        assert_eq!(
            open(&MacKey::new(b"two"), "csec", code.expose()),
            Err(InvalidCode::Tag)
        );
        let renamed = code.expose().replace("csec_", "csxx_");
        assert_eq!(open(&key, "csxx", &renamed), Err(InvalidCode::Tag));
        assert_eq!(open(&key, "csec", "csec_"), Err(InvalidCode::Form));
        let text = code.expose();
        for at in 5..text.len() {
            let mut changed = text.clone();
            changed.replace_range(at..=at, if &text[at..=at] == "a" { "b" } else { "a" });
            assert!(open(&key, "csec", &changed).is_err(), "character {at}");
        }
    }
}
