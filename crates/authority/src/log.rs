//! The log: evidence gets its place outside the transaction that wrote it, and the committed head is
//! then signed. One sequencer at a time moves the head, by compare-and-set.

use std::collections::HashMap;

use countersign_crypto::{
    SigningAlg, SigningKey,
    log::{
        Checkpoint, Hash, NoteSigner, NoteVerifier,
        leaf::{Commitment, SALT_BYTES},
        tile::Tile,
        tiled,
        tree::{self, TreeError},
    },
};
use countersign_model::{Id, Timestamp, id, time::Seconds};
use countersign_store::{
    Holder, Pending, ReadMode, Store, StoreError, Tx, WriteMode, evidence, installation,
    log::{self, Head, LogEntry},
    signing_keys::{self, SigningKey as KeyRow},
};

mod step;

pub use step::Step;

use crate::{
    ctx::Ctx, evidence::index, registry::tenants::ALL_TENANTS, rejection::Fault, secrets::Secrets,
};

pub(crate) const PURPOSE: &str = "log";
/// Where the log's name is kept.
pub(crate) const ORIGIN: &str = "log_origin";

/// An entry of the log, and the row of its record, as the store has them.
pub use countersign_store::{evidence::EvidenceRow as Row, log::LogEntry as Entry};

/// The log's name and key.
pub struct Log {
    origin: String,
    signer: NoteSigner,
}

/// What one step of the sequencer did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequenced {
    /// How many records got a place.
    pub entries: u32,
    /// Whether there may be more now.
    pub more: bool,
}

/// A record's place in the log, with the proof against a signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its index.
    pub index: u64,
    /// The size of the tree that the proof is against.
    pub tree_size: u64,
    /// The proof, from the leaf up.
    pub proof: Vec<Hash>,
    /// The signed checkpoint of that tree.
    pub checkpoint: String,
}

impl Log {
    /// Opens the log: its origin is fixed at the first start, its key made then. Blocks.
    ///
    /// # Errors
    /// When the key cannot be used, or the database fails.
    pub fn open(store: &Store, secrets: &Secrets, issuer: &str, ctx: &Ctx) -> Result<Self, Fault> {
        let wanted = origin_of(issuer);
        let origin = store
            .write(WriteMode::Housekeeping, move |tx| {
                let origin = installation::fix(tx, ORIGIN, &wanted)?;
                begin(tx, &origin)?;
                Ok::<_, StoreError>(origin)
            })
            .wait()?;
        let row = match store
            .read(|tx| signing_keys::of_tenant(tx, ALL_TENANTS))
            .wait()?
            .into_iter()
            .find(|row| row.purpose == PURPOSE)
        {
            Some(row) => row,
            None => Self::make_key(store, secrets, ctx)?,
        };
        let fault = |error: String| Fault::Keys(format!("the log's key cannot be used: {error}"));
        let pkcs8 = secrets
            .key_file
            .unwrap(&additional_data(&row.kid), &row.wrapped)
            .map_err(|error| fault(error.to_string()))?;
        let key = SigningKey::from_pkcs8(SigningAlg::Ed25519, pkcs8.expose())
            .map_err(|error| fault(error.to_string()))?;
        let signer = NoteSigner::new(&origin, key).map_err(|error| fault(error.to_string()))?;
        Ok(Self { origin, signer })
    }

    fn make_key(store: &Store, secrets: &Secrets, ctx: &Ctx) -> Result<KeyRow, Fault> {
        let fault = |error: String| Fault::Keys(format!("the log's key cannot be made: {error}"));
        let key =
            SigningKey::generate(SigningAlg::Ed25519).map_err(|error| fault(error.to_string()))?;
        let pkcs8 = key.to_pkcs8().map_err(|error| fault(error.to_string()))?;
        let wrapped = secrets
            .key_file
            .wrap(&additional_data(key.kid()), pkcs8.expose())
            .map_err(|error| fault(error.to_string()))?;
        let row = KeyRow {
            tenant_id: ALL_TENANTS,
            kid: key.kid().to_owned(),
            purpose: PURPOSE.to_owned(),
            alg: SigningAlg::Ed25519.name().to_owned(),
            wrapped,
            public: serde_json::to_string(key.public_jwk())?,
            state: "active".to_owned(),
            created_at: ctx.now,
            activates_at: ctx.now,
            retires_at: None,
        };
        // Two replicas may both find none: the first row stays.
        let made = store.write(
            WriteMode::Serializable,
            move |tx| match signing_keys::of_tenant(tx, ALL_TENANTS)?
                .into_iter()
                .find(|row| row.purpose == PURPOSE)
            {
                Some(present) => Ok::<_, StoreError>(present),
                None => signing_keys::insert(tx, &row).map(|()| row.clone()),
            },
        );
        Ok(made.wait()?)
    }

    /// The log's name, the first line of its checkpoints.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The public key, to pin.
    #[must_use]
    pub const fn verifier(&self) -> &NoteVerifier {
        self.signer.verifier()
    }

    /// Works out the next step, on a reader: what has no place yet, up to the end of a tile.
    pub fn next_step(
        &self,
        store: &Store,
        secrets: &Secrets,
    ) -> Pending<Result<Option<Step>, StoreError>> {
        let pepper = secrets.pepper.clone();
        store.read_as(ReadMode::Follow, move |tx| match log::head(tx)? {
            Some(head) => step::next(tx, head, &pepper),
            None => Ok(None),
        })
    }

    /// Takes a step, if no other sequencer was faster: only then is it in the log.
    pub fn take(&self, store: &Store, step: Step) -> Pending<Result<Sequenced, StoreError>> {
        store.write(WriteMode::Housekeeping, move |tx| {
            tx.savepoint(|tx| step.take(tx))
        })
    }

    /// Folds what the index has into larger pieces, a little at a time.
    pub fn fold_index(&self, store: &Store) -> Pending<Result<(), StoreError>> {
        store.write(WriteMode::Housekeeping, |tx| match log::head(tx)? {
            Some(head) => index::fold(tx, head.generation),
            None => Ok(()),
        })
    }

    /// Works out a step and takes it. Blocks: for tests and benchmarks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sequence(&self, store: &Store, secrets: &Secrets) -> Result<Sequenced, StoreError> {
        match self.next_step(store, secrets).wait()? {
            Some(step) => self.take(store, step).wait(),
            None => Ok(Sequenced::default()),
        }
    }

    /// The committed head, when no checkpoint signs it yet.
    pub fn unsigned_head(&self, store: &Store) -> Pending<Result<Option<Head>, StoreError>> {
        store.read_as(ReadMode::Follow, |tx| {
            let Some(head) = log::head(tx)? else {
                return Ok(None);
            };
            let signed = log::newest_checkpoint(tx, head.generation)?;
            Ok(Some(head).filter(|head| signed.is_none_or(|signed| signed.size < head.size)))
        })
    }

    /// Signs a committed head.
    ///
    /// # Errors
    /// When the head is not one of a tree, or the key cannot sign.
    pub fn sign(&self, head: &Head, now: Timestamp) -> Result<log::Checkpoint, Fault> {
        let broken = || Fault::Invariant("the head of the log is not one".to_owned());
        let root: [u8; 32] = head.root.as_slice().try_into().map_err(|_| broken())?;
        let checkpoint = Checkpoint {
            origin: head.origin.clone(),
            size: u64::try_from(head.size).map_err(|_| broken())?,
            root: Hash(root),
        };
        let note = checkpoint
            .sign(&self.signer)
            .map_err(|error| Fault::Keys(error.to_string()))?;
        Ok(log::Checkpoint {
            generation: head.generation,
            size: head.size,
            note,
            signed_at: now,
        })
    }

    /// Keeps a signed checkpoint.
    pub fn keep(
        &self,
        store: &Store,
        checkpoint: log::Checkpoint,
    ) -> Pending<Result<(), StoreError>> {
        store.write(WriteMode::Housekeeping, move |tx| {
            log::put_checkpoint(tx, &checkpoint)
        })
    }
}

pub(crate) fn additional_data(kid: &str) -> Vec<u8> {
    format!("signing_key|log|{kid}").into_bytes()
}

/// A log is named by its issuer, without the scheme (C2SP tlog-checkpoint asks for a schema-less URL).
fn origin_of(issuer: &str) -> String {
    let bare = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    format!("{}/log", bare.trim_end_matches('/'))
}

fn begin(tx: &mut Tx<'_>, origin: &str) -> Result<(), StoreError> {
    if log::head(tx)?.is_some() {
        return Ok(());
    }
    let first = Head {
        generation: 1,
        origin: origin.to_owned(),
        size: 0,
        root: Hash::EMPTY.0.to_vec(),
        position: evidence::Position { xid: 0, seq: 0 },
    };
    log::begin(tx, &first).map(drop)
}

/// The log entry of a record: a hash over its salt and bytes.
pub(crate) fn commitment(row: &evidence::EvidenceRow) -> Result<Commitment, StoreError> {
    let salt: &[u8; SALT_BYTES] = row
        .salt
        .as_slice()
        .try_into()
        .map_err(|_| broken("a salt of another length"))?;
    Ok(Commitment::new(salt, row.body.as_bytes()))
}

fn read_hashes(tx: &mut Tx<'_>, generation: i64, indexes: &[u64]) -> Result<Vec<Hash>, StoreError> {
    tiled::read(indexes, |level, index| {
        let n = i64::try_from(index).map_err(|_| broken("a tile beyond the tree"))?;
        let tile = log::tile(tx, generation, i64::from(level), n)?;
        let bytes = tile.map(|tile| tile.hashes).unwrap_or_default();
        Ok(bytes
            .chunks_exact(32)
            .filter_map(|chunk| chunk.try_into().ok().map(Hash))
            .collect())
    })
}

fn broken(what: &str) -> StoreError {
    StoreError::Fault(format!("the log is broken: {what}"))
}

fn tree_fault(error: TreeError<StoreError>) -> StoreError {
    match error {
        TreeError::Read(error) => error,
        other => broken(&other.to_string()),
    }
}

/// The place of a record, with its proof; nothing until a checkpoint covers it.
///
/// # Errors
/// When the database fails, or the tree is broken.
pub fn position(tx: &mut Tx<'_>, record: Id<id::Evidence>) -> Result<Option<Position>, StoreError> {
    let Some(entry) = log::entry_of(tx, record)? else {
        return Ok(None);
    };
    let Some(checkpoint) =
        log::newest_checkpoint(tx, entry.generation)?.filter(|found| found.size > entry.log_index)
    else {
        return Ok(None);
    };
    let (Ok(index), Ok(tree_size)) = (
        u64::try_from(entry.log_index),
        u64::try_from(checkpoint.size),
    ) else {
        return Err(broken("a negative index"));
    };
    let proof = tree::prove_record(tree_size, index, |indexes| {
        read_hashes(tx, entry.generation, indexes)
    })
    .map_err(tree_fault)?;
    Ok(Some(Position {
        index,
        tree_size,
        proof,
        checkpoint: checkpoint.note,
    }))
}

/// What has no place in the log yet, and had time to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When the oldest such record was recorded.
    pub since: Timestamp,
    /// Whose transaction holds the log: records get their places in the order of transactions, so one that stays open
    /// holds all that came after it.
    pub holder: Option<Holder>,
}

/// The oldest record that waits for its place; who holds it up is asked when it has waited longer than the sequencer
/// lets any wait.
///
/// # Errors
/// When the database fails.
pub fn waiting(tx: &mut Tx<'_>, now: Timestamp) -> Result<Option<Waiting>, StoreError> {
    let position = log::head(tx)?.map_or_else(Default::default, |head| head.position);
    let Some(since) = evidence::oldest_waiting(tx, position)? else {
        return Ok(None);
    };
    let holder = if since + HELD < now {
        tx.holder()?
    } else {
        None
    };
    Ok(Some(Waiting { since, holder }))
}

/// Five times the second within which a record has its place.
const HELD: Seconds = Seconds(5);

/// The newest signed checkpoint.
///
/// # Errors
/// When the database fails.
pub fn newest_checkpoint(tx: &mut Tx<'_>) -> Result<Option<log::Checkpoint>, StoreError> {
    match log::head(tx)? {
        Some(head) => log::newest_checkpoint(tx, head.generation),
        None => Ok(None),
    }
}

/// Whether the log is one that a checkpoint of this size and root was signed over; if not, what is wrong.
///
/// # Errors
/// When the database fails.
pub fn contradiction(
    tx: &mut Tx<'_>,
    checkpoint: &Checkpoint,
) -> Result<Option<String>, StoreError> {
    let Some(head) = log::head(tx)? else {
        return Ok(Some("the log here has not begun".to_owned()));
    };
    if head.position.xid >= tx.lowest_open()? {
        // Nothing that is recorded from now on would ever get a place.
        return Ok(Some(
            "this database server numbers its transactions anew, so the database was moved here"
                .to_owned(),
        ));
    }
    let size = checkpoint.size;
    if i64::try_from(size).is_ok_and(|size| size > head.size) {
        return Ok(Some(format!("the log here has {} entries", head.size)));
    }
    match tree::root(size, |indexes| read_hashes(tx, head.generation, indexes)) {
        Ok(root) if root == checkpoint.root => Ok(None),
        Err(TreeError::Read(error)) => Err(error),
        Ok(_) | Err(_) => Ok(Some(format!(
            "the first {size} entries of the log here are others"
        ))),
    }
}

/// The bytes of a tile, as wide as asked for; nothing when the signed log has no such tile.
///
/// # Errors
/// When the database fails.
pub fn tile(tx: &mut Tx<'_>, wanted: &Tile) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(checkpoint) = newest_checkpoint(tx)? else {
        return Ok(None);
    };
    if !wanted.is_within(u64::try_from(checkpoint.size).unwrap_or(0)) {
        return Ok(None);
    }
    let n = i64::try_from(wanted.index).map_err(|_| broken("a tile beyond the tree"))?;
    let found = log::tile(tx, checkpoint.generation, i64::from(wanted.level), n)?;
    Ok(found.and_then(|tile| {
        tile.hashes
            .get(..usize::from(wanted.width) * 32)
            .map(<[u8]>::to_vec)
    }))
}

/// The entries of the signed log from an index on: commitments, at most so many.
///
/// # Errors
/// When the database fails.
pub fn entries(tx: &mut Tx<'_>, from: u64, limit: u32) -> Result<Vec<LogEntry>, StoreError> {
    let Some(checkpoint) = newest_checkpoint(tx)? else {
        return Ok(Vec::new());
    };
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let mut found = log::entries(tx, checkpoint.generation, from, limit)?;
    found.retain(|entry| entry.log_index < checkpoint.size);
    Ok(found)
}

/// The entries of the signed log from an index on whose records are kept here, each with its record.
/// A record of another tenant is left out: only its place is anybody's business. An entry whose
/// record is gone is not among them, so that its loss shows.
///
/// # Errors
/// When the database fails.
pub fn records(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    from: u64,
    limit: u32,
) -> Result<Vec<(LogEntry, Option<evidence::EvidenceRow>)>, StoreError> {
    let entries = entries(tx, from, limit)?;
    let ids: Vec<_> = entries.iter().map(|entry| entry.evidence_id).collect();
    let rows = evidence::by_ids(tx, &ids)?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let behind = |entry: LogEntry| {
        let row = rows.remove(&entry.evidence_id)?;
        let other = is_of_another(&row, &entry, tenant);
        Some((entry, Some(row).filter(|_| !other)))
    };
    Ok(entries.into_iter().filter_map(behind).collect())
}

/// Whether a record is another tenant's, by what was hashed: who can change the column can say
/// anything there, and must not hide a record by it.
fn is_of_another(row: &evidence::EvidenceRow, entry: &LogEntry, tenant: Id<id::Tenant>) -> bool {
    let genuine = commitment(row).is_ok_and(|found| *found.entry() == entry.commitment);
    let said = serde_json::from_str::<Whose>(&row.body).map(|whose| whose.tenant);
    genuine && said.is_ok_and(|said| said != tenant)
}

/// The part of a record that says whose it is.
#[derive(serde::Deserialize)]
struct Whose {
    tenant: Id<id::Tenant>,
}
