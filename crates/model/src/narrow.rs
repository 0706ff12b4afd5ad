//! The one computation of authority: it only ever narrows.

use crate::{action::ActionSet, name::ActionName};

/// Effective authority = the intersection of every set that bounds it, minus what is denied.
///
/// `bounds` are what the subject, the actor, the identity, the project and the request each allow;
/// with no bound nothing is allowed. Deny wins over all of them.
#[must_use]
pub fn narrow(bounds: &[&ActionSet], denied: &[&ActionSet]) -> ActionSet {
    let Some((first, others)) = bounds.split_first() else {
        return ActionSet::default();
    };
    first
        .iter()
        .filter(|action| others.iter().all(|bound| bound.contains(action)))
        .filter(|action| !denied.iter().any(|deny| deny.contains(action)))
        .cloned()
        .collect()
}

/// Whether an action is within what [`narrow`] leaves, without making that.
#[must_use]
pub fn is_within(bounds: &[&ActionSet], denied: &[&ActionSet], action: &ActionName) -> bool {
    !bounds.is_empty()
        && bounds.iter().all(|bound| bound.contains(action))
        && !denied.iter().any(|deny| deny.contains(action))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [&str; 6] = ["a.x", "a.y", "b.x", "b.y", "c.x", "c.y.z"];

    fn set_of(names: impl IntoIterator<Item = &'static str>) -> ActionSet {
        names
            .into_iter()
            .map(|name| name.parse().unwrap())
            .collect()
    }

    fn sets() -> impl Strategy<Value = Vec<ActionSet>> {
        let action = prop::sample::select(ALL.to_vec());
        let set = prop::collection::btree_set(action, 0..6).prop_map(set_of);
        prop::collection::vec(set, 0..4)
    }

    proptest! {
        #[test]
        fn invariant_4_authority_only_narrows(bounds in sets(), denied in sets()) {
            let bound_refs: Vec<_> = bounds.iter().collect();
            let denied_refs: Vec<_> = denied.iter().collect();
            let result = narrow(&bound_refs, &denied_refs);
            for bound in &bounds {
                prop_assert!(result.is_subset(bound));
            }
            for deny in &denied {
                prop_assert!(result.intersection(deny).is_empty());
            }
            for action in set_of(ALL).iter() {
                prop_assert_eq!(is_within(&bound_refs, &denied_refs, action), result.contains(action));
            }
            let more: Vec<_> = bound_refs.iter().copied().chain([&result]).collect();
            prop_assert_eq!(narrow(&more, &denied_refs), if bounds.is_empty() { ActionSet::default() } else { result.clone() });
        }
    }

    #[test]
    fn no_bound_allows_nothing() {
        assert!(narrow(&[], &[]).is_empty());
    }
}
