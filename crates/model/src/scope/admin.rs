//! `admin`: people who administer. No identity gets it, for an identity never signs in (S4.7).

use super::{Bundle, Holder, ScopeProfile};
use crate::time::Seconds;

pub(super) const PROFILE: ScopeProfile = ScopeProfile {
    word: "admin",
    purpose: "a person who administers everything",
    bundle: Bundle::Every,
    holder: Holder::Person,
    shortest: Seconds(60 * 60),
    // As long as a proof of presence counts.
    longest: Seconds(12 * 60 * 60),
    usual: Seconds(12 * 60 * 60),
    renewable: false,
    prefix: None,
    check: |_| Ok(()),
};
