//! Tenants: made on the first start, or with a code of who holds the key file.

use countersign_model::{
    Id, id,
    reason::{Reason, Refusal},
    registry::{EnvironmentDoc, Noun, TenantDoc},
};
use countersign_store::{
    aliases,
    keys::{self, SigningKey as KeyRow},
};

use crate::{
    command::{Change, Command, NewRecord, Verdict, WriteTx},
    rejection::Rejection,
};

/// The tenant id under which the names of all tenants are unique. No tenant has it.
pub(crate) const ALL_TENANTS: Id<id::Tenant> = Id::from_bytes([0; 16]);

/// The environments that a tenant starts with, and whether each is protected.
const ENVIRONMENTS: [(&str, bool, &str); 3] = [
    ("development", false, "where things are tried"),
    ("staging", false, "where things are rehearsed"),
    ("production", true, "where things matter"),
];

/// Makes a tenant with its keys and environments. The permit's tenant is the new one.
pub struct CreateTenant {
    /// What it says.
    pub doc: TenantDoc,
    /// Its first keys, wrapped.
    pub keys: Vec<KeyRow>,
}

impl Command for CreateTenant {
    type Output = Id<id::Tenant>;

    const NAME: &'static str = "tenant create";

    fn run(&self, tx: &mut WriteTx<'_, '_>) -> Result<Verdict<Id<id::Tenant>>, Rejection> {
        let id = tx.tenant_id();
        if !aliases::insert(tx.rows(), ALL_TENANTS, Noun::Tenant, &self.doc.name, id.cast())? {
            let detail = format!("tenant `{}` exists, or did; a name is never given out again", self.doc.name);
            return Err(Refusal::new(Reason::NameTaken, detail).into());
        }
        let new = NewRecord {
            id: Some(id.cast()),
            name: self.doc.name.to_string(),
            parent_id: None,
            doc: self.doc.clone().into(),
        };
        tx.create(new, &Change::verb("created"))?;
        for (name, protected, description) in ENVIRONMENTS {
            let name = name.parse().map_err(|error| Refusal::new(Reason::Unprocessable, format!("{error}")))?;
            let doc = EnvironmentDoc { name, protected, description: description.to_owned() };
            let new = NewRecord { id: None, name: doc.name.to_string(), parent_id: None, doc: doc.into() };
            tx.create(new, &Change::verb("created"))?;
        }
        for key in &self.keys {
            keys::insert(tx.rows(), key)?;
        }
        Ok(Verdict::Done(id))
    }
}
