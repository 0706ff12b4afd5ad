//! `user`: a person at a command line, with what the person may (S4.4).

use super::{Bundle, Holder, ScopeProfile};
use crate::time::Seconds;

pub(super) const PROFILE: ScopeProfile = ScopeProfile {
    word: "user",
    purpose: "a person at a command line",
    bundle: Bundle::OfThePerson,
    holder: Holder::Person,
    shortest: Seconds::days(7),
    longest: Seconds::days(30),
    usual: Seconds::days(7),
    renewable: true,
    prefix: Some("user_"),
    check: |_| Ok(()),
};
