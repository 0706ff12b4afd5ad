//! The catalogue: which actions there are, and how much each can hurt.

use std::collections::BTreeMap;

use countersign_model::{
    action::ActionClass,
    catalogue::{BUILT_IN, BuiltIn},
    name::ActionName,
    registry::ActionDoc,
};

use super::nearest;

/// The actions of a tenant: the built-in ones, and its own. Where both have a name, its own wins.
#[derive(Debug, Clone)]
pub struct Catalogue {
    actions: BTreeMap<ActionName, ActionDoc>,
}

impl Catalogue {
    /// The built-in actions and these.
    #[must_use]
    pub fn new(own: impl IntoIterator<Item = ActionDoc>) -> Self {
        let built_in = BUILT_IN.iter().filter_map(document);
        let actions = built_in
            .chain(own)
            .map(|action| (action.name.clone(), action))
            .collect();
        Self { actions }
    }

    /// This catalogue and these, which win.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = ActionDoc>) -> Self {
        let mut actions = self.actions.clone();
        actions.extend(more.into_iter().map(|action| (action.name.clone(), action)));
        Self { actions }
    }

    /// How much the action can hurt. A class is stated, never inferred from a name, so that an
    /// action which nobody stated counts as irreversible.
    #[must_use]
    pub fn class(&self, action: &ActionName) -> ActionClass {
        self.find(action)
            .map_or(ActionClass::Irreversible, |known| known.class)
    }

    /// The group that the action is shown in; empty when it is unknown or has none.
    #[must_use]
    pub fn group(&self, action: &ActionName) -> &str {
        self.find(action).map_or("", |known| &known.group)
    }

    /// Whether the action is in the catalogue.
    #[must_use]
    pub fn knows(&self, action: &str) -> bool {
        self.find(action).is_some()
    }

    /// The action of this name.
    #[must_use]
    pub fn find(&self, action: &str) -> Option<&ActionDoc> {
        self.actions.get(action)
    }

    /// The action that a misspelt name most likely meant.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.actions.keys().map(ActionName::as_str))
    }

    /// Every action, in the order of names.
    pub fn actions(&self) -> impl Iterator<Item = &ActionDoc> {
        self.actions.values()
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new([])
    }
}

fn document(action: &BuiltIn) -> Option<ActionDoc> {
    // A test of the model shows that each built-in name is canonical; none is lost here.
    let name = action.name.parse().ok()?;
    let (group, description) = (action.group.to_owned(), action.description.to_owned());
    Some(ActionDoc {
        name,
        class: action.class,
        group,
        description,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(name: &str) -> ActionName {
        name.parse().unwrap()
    }

    #[test]
    fn an_unknown_action_counts_as_irreversible() {
        let catalogue = Catalogue::default();
        assert_eq!(catalogue.actions().count(), BUILT_IN.len());
        assert_eq!(catalogue.class(&action("case.read")), ActionClass::Read);
        assert_eq!(
            catalogue.class(&action("cake.read")),
            ActionClass::Irreversible
        );
        assert_eq!(catalogue.group(&action("cake.read")), "");
        assert_eq!(catalogue.nearest("cake.read"), Some("case.read"));
        assert!(!catalogue.knows("cake.read"));
    }

    #[test]
    fn what_the_tenant_states_wins() {
        let own = ActionDoc {
            name: action("case.read"),
            class: ActionClass::Irreversible,
            group: "legal".to_owned(),
            description: String::new(),
        };
        let catalogue = Catalogue::new([own]);
        assert_eq!(
            catalogue.class(&action("case.read")),
            ActionClass::Irreversible
        );
        assert_eq!(catalogue.group(&action("case.read")), "legal");
        assert_eq!(catalogue.actions().count(), BUILT_IN.len());
    }
}
