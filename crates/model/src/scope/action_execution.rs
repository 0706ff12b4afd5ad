//! `action_execution`: one execution of an action, for as long as its time-out (S4.3).

use super::{Bundle, Holder, ScopeProfile};
use crate::time::Seconds;

pub(super) const PROFILE: ScopeProfile = ScopeProfile {
    word: "action_execution",
    purpose: "one execution of an action, until it ends",
    bundle: Bundle::Listed(&[
        "action.execute",
        "execution.read",
        "execution.update",
        "key.read",
    ]),
    holder: Holder::Execution,
    shortest: Seconds(5 * 60),
    longest: Seconds(60 * 60),
    usual: Seconds(30 * 60),
    renewable: false,
    prefix: None,
    check: |metadata| match (&metadata.execution_id, &metadata.action_ref) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err("an execution's token names its `execution_id` and `action_ref`"),
    },
};
