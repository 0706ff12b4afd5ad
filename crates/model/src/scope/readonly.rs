//! `readonly`: monitoring and audits (S4.7).

use super::{Bundle, Holder, ScopeProfile};
use crate::time::Seconds;

pub(super) const PROFILE: ScopeProfile = ScopeProfile {
    word: "readonly",
    purpose: "monitoring and audits: reads, and changes nothing",
    bundle: Bundle::EveryRead,
    holder: Holder::Identity,
    shortest: Seconds::days(1),
    longest: Seconds::days(90),
    usual: Seconds::days(90),
    renewable: false,
    prefix: None,
    check: |_| Ok(()),
};
