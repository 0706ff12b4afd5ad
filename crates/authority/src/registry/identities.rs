//! Identities: programs, each with somebody who answers for it.

use countersign_crypto::random;

mod check;
mod create;
mod housekeeping;
mod lifecycle;
mod read;
mod sponsorship;
mod update;

pub use create::{CreateIdentity, CreatedIdentity, RuleInput};
pub use housekeeping::{ExpireIdentities, Expired};
pub use lifecycle::{
    DeleteIdentity, DisableIdentity, EnableIdentity, RenameIdentity, ReviewIdentity,
    TransferIdentity,
};
pub use read::{IdentityFilter, list, oldest_credential, show};
pub use sponsorship::{AcceptSponsorship, DeclineSponsorship};
pub use update::{EditedIdentity, IdentityPatch, UpdateIdentity};

pub(crate) use create::{claims, put_new};
pub(crate) use lifecycle::{bury, may_review};
pub(crate) use sponsorship::{accept, decline, may_accept, offer};
pub(crate) use update::{may_become, put_edit};

/// The client id of a new `oauth_client`: eighty random bits in base 32 (RFC 4648 §6, lower case).
fn fresh_client_id() -> String {
    format!("client-{}", base32(&random::bytes::<10>()))
}

/// Bytes in base 32, lower case, without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(digit(held >> bits));
        }
    }
    if bits > 0 {
        text.push(digit(held << (5 - bits)));
    }
    text
}

fn digit(bits: u32) -> char {
    let low = u8::try_from(bits & 31).unwrap_or_default();
    char::from(if low < 26 {
        b'a' + low
    } else {
        b'2' + low - 26
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_32_is_that_of_the_standard() {
        // RFC 4648 §10.
        for (plain, coded) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
        ] {
            assert_eq!(base32(plain.as_bytes()), coded);
        }
        assert_eq!(fresh_client_id().len(), "client-".len() + 16);
    }
}
