//! `webhook`: an external system that calls in, at its paths alone; rotated by hand (S4.5).

use super::{Bundle, Holder, ScopeProfile};
use crate::time::Seconds;

pub(super) const PROFILE: ScopeProfile = ScopeProfile {
    word: "webhook",
    purpose: "an external system that creates events and executes actions",
    bundle: Bundle::Listed(&["action.execute", "event.create"]),
    holder: Holder::Identity,
    shortest: Seconds::days(90),
    longest: Seconds::days(365),
    usual: Seconds::days(90),
    renewable: false,
    prefix: Some("webhook_"),
    check: |metadata| {
        if metadata.allowed_paths.is_empty() {
            return Err("a webhook's token names its `allowed_paths`");
        }
        Ok(())
    },
};
