//! `sensor`: a daemon that creates events of its trigger types, and renews its token by itself (S4.2).

use super::{Bundle, Holder, ScopeProfile};
use crate::time::Seconds;

pub(super) const PROFILE: ScopeProfile = ScopeProfile {
    word: "sensor",
    purpose: "a daemon that watches something and creates events",
    bundle: Bundle::Listed(&["event.create", "rule.read", "trigger.read"]),
    holder: Holder::Identity,
    shortest: Seconds::days(1),
    longest: Seconds::days(90),
    usual: Seconds::days(90),
    renewable: true,
    prefix: Some("sensor_"),
    check: |metadata| {
        if metadata.trigger_types.is_empty() {
            return Err("a sensor's token names its `trigger_types`");
        }
        Ok(())
    },
};
