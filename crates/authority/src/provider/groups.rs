//! Groups at the provider: who is in which team here, and who has left.

use countersign_model::{
    reason::{Reason, Refusal},
    registry::{ProviderDoc, Record, Status},
};

use super::id_token::Groups;
use crate::{command::WriteTx, registry::teams, rejection::Rejection};

/// What a person's groups say about being let in.
pub(super) enum Access {
    /// They may come in.
    Granted,
    /// None of their groups lets in.
    Lost,
}

/// Whether a person's groups let them in.
///
/// INVARIANT: only a list without the group says that somebody has left. A provider that says nothing, because it was set up
/// anew or somebody has too many groups, sends nobody away.
pub(super) fn access(provider: &ProviderDoc, groups: &Groups) -> Result<Access, Refusal> {
    if provider.access_groups.is_empty() {
        return Ok(Access::Granted);
    }
    match groups {
        Groups::Listed(listed)
            if provider
                .access_groups
                .iter()
                .any(|one| listed.contains(one)) =>
        {
            Ok(Access::Granted)
        }
        Groups::Listed(_) => Ok(Access::Lost),
        Groups::Unsaid => Err(Refusal::new(
            Reason::Forbidden,
            "the provider does not say which groups you are in, and one of them would let you in: ask who runs it",
        )),
    }
}

/// Moves a person into the teams of their groups, and out of those of the groups that they are not in.
pub(super) fn follow(
    tx: &mut WriteTx<'_, '_>,
    provider: &ProviderDoc,
    user: &Record,
    groups: &Groups,
) -> Result<(), Rejection> {
    let Groups::Listed(listed) = groups else {
        return Ok(());
    };
    for team in provider
        .teams
        .values()
        .collect::<std::collections::BTreeSet<_>>()
    {
        // Several groups can be one team.
        let mut those = provider.teams.iter().filter(|(_, one)| *one == team);
        let joins = those.any(|(group, _)| listed.contains(group));
        let record = tx.get(*team)?;
        if record.status == Status::Active {
            teams::follow(
                tx,
                &record,
                user.id.cast(),
                joins,
                "their groups at the provider",
            )?;
        }
    }
    Ok(())
}
