//! Through whom people sign in besides their passkeys, as the owners of the tenant say.
//!
//! Whoever runs the provider can sign in as everybody whose account is linked: so it is a guard of all that people countersign,
//! and setting or changing it takes a second owner.

use std::{collections::BTreeMap, sync::Arc};

use countersign_crypto::Secret;
use countersign_model::{
    Id, id,
    reason::Reason,
    registry::{Admits, MOST_MAX_AGE, Noun, ProviderClientAuth, ProviderDoc, VALUE_BYTES},
};
use countersign_store::key_values::{self, KeyValue};

use crate::{
    command::WriteTx,
    data_keys, federation, provider,
    registry::{
        issuers::IssuerRules,
        rights::{check_count, check_text},
    },
    rejection::{Rejection, refuse},
    secrets::Secrets,
};

/// What the owners say of the provider.
#[derive(Clone)]
pub struct PutProvider {
    /// What the button calls it.
    pub name: String,
    /// Its identifier, byte for byte as in `iss`.
    pub issuer: String,
    /// What this server is called there.
    pub client_id: String,
    /// The secret there; when it is left out, the one that is kept for this client, or the tenant's own key.
    pub client_secret: Option<Secret<String>>,
    /// Whether this server proves itself by an assertion of the tenant's own key.
    pub private_key_jwt: bool,
    /// The classes of authentication, one of which it takes; any when empty.
    pub acr: Vec<String>,
    /// How old a sign-in there may be, in seconds.
    pub max_age_seconds: i64,
    /// The claim that lists a person's groups.
    pub groups_claim: Option<String>,
    /// Which group is which team, by id or name.
    pub teams: BTreeMap<String, String>,
    /// The groups, one of which lets in.
    pub access_groups: Vec<String>,
    /// Who is let in whose account is not linked.
    pub admits: Admits,
    /// What its address is checked against.
    pub rules: IssuerRules,
    /// The key file.
    pub secrets: Arc<Secrets>,
}

impl PutProvider {
    /// The document that this makes of the one before, after every check. A new secret is kept sealed.
    pub(super) fn doc(
        &self,
        tx: &mut WriteTx<'_, '_>,
        before: Option<&ProviderDoc>,
    ) -> Result<ProviderDoc, Rejection> {
        self.check()?;
        let mut teams = BTreeMap::new();
        for (group, team) in &self.teams {
            teams.insert(group.clone(), tx.locate(Noun::Team, team)?.id.cast());
        }
        Ok(ProviderDoc {
            name: self.name.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_auth: self.client_auth(tx, before)?,
            acr: self.acr.clone(),
            max_age_seconds: self.max_age_seconds,
            groups_claim: self.groups_claim.clone(),
            teams,
            access_groups: self.access_groups.clone(),
            admits: self.admits,
        })
    }

    fn client_auth(
        &self,
        tx: &mut WriteTx<'_, '_>,
        before: Option<&ProviderDoc>,
    ) -> Result<ProviderClientAuth, Rejection> {
        // INVARIANT: the secret of one provider is never sent to another.
        let same =
            before.filter(|old| old.issuer == self.issuer && old.client_id == self.client_id);
        match (&self.client_secret, self.private_key_jwt) {
            (None, true) => Ok(ProviderClientAuth::PrivateKeyJwt),
            (Some(secret), false) => {
                let in_force = before.map(|old| old.client_auth);
                keep(tx, secret, &self.secrets, in_force)
            }
            (None, false) => match same.map(|old| old.client_auth) {
                Some(kept @ ProviderClientAuth::Secret { .. }) => Ok(kept),
                Some(ProviderClientAuth::PrivateKeyJwt) | None => refuse(
                    Reason::Unprocessable,
                    "this server proves itself there with `client_secret`, or with `private_key_jwt`: state one of the two",
                ),
            },
            (Some(_), true) => refuse(
                Reason::Unprocessable,
                "with `private_key_jwt` there is no `client_secret`: state one of the two",
            ),
        }
    }

    fn check(&self) -> Result<(), Rejection> {
        check_count("acr", self.acr.len(), MOST_ACR)?;
        check_count("teams", self.teams.len(), MOST_GROUPS)?;
        check_count("access_groups", self.access_groups.len(), MOST_GROUPS)?;
        let groups = self.teams.keys().chain(&self.access_groups);
        let texts = [
            ("name", &self.name),
            ("client_id", &self.client_id),
            ("issuer", &self.issuer),
        ]
        .into_iter()
        .chain(self.acr.iter().map(|acr| ("acr", acr)))
        .chain(
            self.groups_claim
                .iter()
                .map(|claim| ("groups_claim", claim)),
        )
        .chain(groups.map(|group| ("the name of a group", group)));
        for (field, text) in texts {
            check_text(field, text, TEXT_BYTES)?;
            if text.trim().is_empty() {
                return refuse(Reason::Unprocessable, format!("`{field}` is empty"));
            }
        }
        // In a list that is sent, a space ends a class (OIDC Core §3.1.2.1).
        if self.acr.iter().any(|acr| acr.contains(char::is_whitespace)) {
            return refuse(Reason::Unprocessable, "`acr` has no white space");
        }
        if !(MIN_MAX_AGE..=MOST_MAX_AGE.0).contains(&self.max_age_seconds) {
            return refuse(
                Reason::Unprocessable,
                format!("`max_age_seconds` is {MIN_MAX_AGE} to {}", MOST_MAX_AGE.0),
            );
        }
        if self.groups_claim.is_none() && !(self.teams.is_empty() && self.access_groups.is_empty())
        {
            return refuse(
                Reason::Unprocessable,
                "state in `groups_claim` which claim lists a person's groups",
            );
        }
        self.check_issuer()
    }

    fn check_issuer(&self) -> Result<(), Rejection> {
        let (tenant_issuer, loopback) = (&self.rules.tenant_issuer, self.rules.allow_loopback);
        let shown = ProviderDoc {
            name: String::new(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_auth: ProviderClientAuth::PrivateKeyJwt,
            acr: Vec::new(),
            max_age_seconds: 0,
            groups_claim: None,
            teams: BTreeMap::new(),
            access_groups: Vec::new(),
            admits: Admits::Linked,
        };
        let errors =
            federation::lint_issuer(&provider::key_source(&shown), tenant_issuer, loopback);
        if errors.is_empty() {
            return Ok(());
        }
        let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
        refuse(
            Reason::Unprocessable,
            format!("the issuer's {}", told.join("; ")),
        )
    }
}

/// Keeps a secret as the next version of a value of the tenant's own: sealed, and sealed anew with all others.
fn keep(
    tx: &mut WriteTx<'_, '_>,
    secret: &Secret<String>,
    secrets: &Secrets,
    in_force: Option<ProviderClientAuth>,
) -> Result<ProviderClientAuth, Rejection> {
    if !(1..=VALUE_BYTES).contains(&secret.expose().len()) {
        return refuse(
            Reason::Unprocessable,
            format!("`client_secret` has 1 to {VALUE_BYTES} bytes"),
        );
    }
    let (tenant_id, created_by) = (tx.tenant_id(), tx.permit().user()?);
    // INVARIANT: no key of the registry has the id of a tenant, so no action can name this value.
    let key_id: Id<id::Key> = tenant_id.cast();
    let versions = key_values::versions(tx.peek(), key_id)?;
    let version = versions.first().map_or(1, |newest| newest.version + 1);
    // Beside the one in force: whoever may propose one takes away none that people sign in by.
    for old in versions.iter().skip(KEPT) {
        let version = old.version;
        if in_force != Some(ProviderClientAuth::Secret { version }) {
            key_values::remove(tx.rows(), key_id, version)?;
        }
    }
    let data_key = data_keys::current(tx, secrets)?;
    let row = KeyValue {
        key_id,
        version,
        tenant_id,
        data_key_id: data_key.id,
        sealed: data_key.seal((tenant_id, key_id, version), secret.expose().as_bytes())?,
        created_at: tx.now(),
        created_by,
    };
    key_values::insert(tx.rows(), &row)?;
    Ok(ProviderClientAuth::Secret { version })
}

/// A sign-in takes a minute.
const MIN_MAX_AGE: i64 = 60;
/// More than any provider names.
const MOST_ACR: usize = 16;
/// More than a company maps by hand.
const MOST_GROUPS: usize = 200;
/// A client id, a group or a class of authentication.
const TEXT_BYTES: usize = 256;
/// Versions of the secret that are kept beside a new one and the one in force: those that wait for a second person.
const KEPT: usize = 9;
