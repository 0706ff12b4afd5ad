//! Which actions cannot be undone: for them the revocation feed must be younger.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use countersign_model::{action::ActionClass, name::ActionName};

use crate::{issuer::Issuer, issuer_error::IssuerError};

/// What is known of the actions.
pub(crate) enum ActionClasses {
    /// The resource server said which ones cannot be undone.
    Given(HashSet<ActionName>),
    /// The issuer's catalogue says it. An action that is not in it cannot be undone.
    Fetched {
        issuer: Arc<Issuer>,
        classes: ArcSwap<HashMap<ActionName, ActionClass>>,
    },
}

impl ActionClasses {
    /// Those of the issuer's catalogue, which is yet to be read.
    pub(crate) fn of(issuer: Arc<Issuer>) -> Self {
        Self::Fetched {
            issuer,
            classes: ArcSwap::default(),
        }
    }

    /// Whether the action cannot be undone, for all that is known.
    pub(crate) fn is_irreversible(&self, action: &ActionName) -> bool {
        match self {
            Self::Given(irreversible) => irreversible.contains(action),
            Self::Fetched { classes, .. } => match classes.load().get(action) {
                Some(ActionClass::Read | ActionClass::Reversible) => false,
                Some(ActionClass::Irreversible) | None => true,
            },
        }
    }

    /// Whether there may be an action that cannot be undone.
    pub(crate) fn may_be_irreversible(&self) -> bool {
        match self {
            Self::Given(irreversible) => !irreversible.is_empty(),
            Self::Fetched { .. } => true,
        }
    }

    /// Reads the catalogue. One that cannot be read leaves what is known.
    pub(crate) async fn refresh(&self) -> Result<(), IssuerError> {
        if let Self::Fetched { issuer, classes } = self {
            classes.store(Arc::new(issuer.action_classes().await?));
        }
        Ok(())
    }
}
