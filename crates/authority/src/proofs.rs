//! Proofs that count once, over all replicas (RFC 9449 §11.1).

use countersign_crypto::dpop::Proof;
use countersign_model::{Id, id, reason::Reason};
use countersign_store::{Pending, Tx, WriteMode, replay};

use crate::{
    authority::Authority,
    rejection::{Rejection, refuse},
};

/// What proofs are for, among all that counts once.
const PURPOSE: &str = "dpop";

impl Authority {
    /// Uses a proof up that came with a request to Countersign's own API. One that came for a token is used up with it.
    pub fn use_proof(
        &self,
        tenant: Id<id::Tenant>,
        proof: Proof,
    ) -> Pending<Result<(), Rejection>> {
        self.store()
            .write(WriteMode::Append, move |tx| use_up(tx, tenant, &proof))
    }
}

/// Uses a proof up.
pub(crate) fn use_up(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    proof: &Proof,
) -> Result<(), Rejection> {
    let once = replay::Use {
        tenant_id: tenant,
        // The key is in what names the proof: nobody else issued it.
        issuer_id: Id::from_bytes([0; 16]),
        key: proof.replay_key(),
        purpose: PURPOSE,
        until_at: proof.until(),
    };
    if replay::consume(tx, &once)? {
        return Ok(());
    }
    refuse(
        Reason::ProofInvalid,
        "this DPoP proof was used before: make a new one for each request",
    )
}
