//! Command lines that wait for a person (RFC 8628 §3.1, §3.4): kept for ten minutes, without evidence, because nothing that
//! anybody may do comes of asking. What a person answers, and what comes of that, is on record.

use countersign_crypto::{
    Secret,
    opaque::{OpaqueSecret, ParsedSecret, Pepper, SecretKind, hash},
    random,
};
use countersign_model::{
    Id,
    confirmation::Thumbprint,
    device::{DeviceDoc, DeviceRequest, DeviceState, INTERVAL, LIFETIME, Poll, UserCode},
    id,
    reason::{Reason, Refusal},
    time::Seconds,
};
use countersign_store::{Pending, StoreError, Tx, WriteMode, devices};

use crate::{
    authority::Authority,
    ctx::Ctx,
    rejection::{Fault, Rejection, refuse},
};

/// How many wait at once, in all tenants: some ten megabytes.
const MOST_WAITING: i64 = 10_000;

/// How many codes are drawn: that one of 2^34 is in use is rare, that four are does not happen.
const DRAWN: usize = 4;

/// A command line that asks to be signed in.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The tenant.
    pub tenant: Id<id::Tenant>,
    /// The host that it says it runs on.
    pub host_name: Option<String>,
    /// How long the sign-in is to last.
    pub ttl: Seconds,
    /// The key that the sign-in is to be bound to.
    pub dpop_jkt: Option<Thumbprint>,
}

/// What it is given.
#[derive(Debug)]
pub struct Begun {
    /// What it asks with: shown once.
    pub device_code: Secret<String>,
    /// What the person types.
    pub user_code: UserCode,
}

/// A command line that waits, as the person sees it who is to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting(pub DeviceRequest);

impl Authority {
    /// Begins to wait.
    ///
    /// # Errors
    /// A fault.
    pub fn begin_device(
        &self,
        ctx: &Ctx,
        asking: &Asking,
    ) -> Result<Pending<Result<Begun, Rejection>>, Fault> {
        let pepper = &self.secrets.pepper;
        let (id, device_code) = OpaqueSecret::generate(SecretKind::DeviceCode);
        let fault = |what: String| Fault::Invariant(format!("a device code of ours: {what}"));
        let parsed =
            ParsedSecret::parse(device_code.expose()).map_err(|error| fault(error.to_string()))?;
        let codes: Vec<UserCode> = (0..DRAWN)
            .filter_map(|_| UserCode::of(&random::bytes::<32>()))
            .collect();
        let keyed: Vec<_> = codes
            .iter()
            .map(|code| user_code_hash(pepper, asking.tenant, code))
            .collect();
        let request = DeviceRequest {
            id,
            tenant_id: asking.tenant,
            hash: parsed.hash(pepper),
            user_code: [0; 32],
            version: 1,
            expires_at: ctx.now + LIFETIME,
            doc: DeviceDoc {
                requested_at: ctx.now,
                host_name: asking.host_name.clone(),
                address: ctx.source.clone(),
                ttl_seconds: asking.ttl.0,
                dpop_jkt: asking.dpop_jkt.clone(),
                interval_seconds: INTERVAL.0,
                asked_at: None,
                state: DeviceState::Waiting,
            },
        };
        let now = ctx.now;
        Ok(self.door.store.write(WriteMode::Housekeeping, move |tx| {
            if devices::count_open(tx, now)? >= MOST_WAITING {
                let detail = "too many command lines wait to be signed in: try again in some minutes, or sign in with a one-time code";
                return refuse(Reason::RateLimited, detail);
            }
            for (code, keyed) in codes.iter().zip(&keyed) {
                let request = DeviceRequest {
                    user_code: *keyed,
                    ..request.clone()
                };
                if devices::insert(tx, &request)? {
                    return Ok(Begun {
                        device_code: Secret::new(device_code.expose().clone()),
                        user_code: code.clone(),
                    });
                }
            }
            Err(fault("every user code was in use".to_owned()).into())
        }))
    }

    /// What asking with a device code comes to now; `None` when it is none of this tenant.
    pub fn poll_device(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        code: &ParsedSecret,
    ) -> Pending<Result<Option<Poll>, StoreError>> {
        let (id, hash, now) = (
            code.public_id().to_owned(),
            code.hash(&self.secrets.pepper),
            ctx.now,
        );
        self.door.store.write(WriteMode::Housekeeping, move |tx| {
            let Some(request) = of_code(tx, tenant, &id, &hash)? else {
                return Ok(None);
            };
            let before = request.clone();
            let (poll, after) = request.poll(now);
            if after != before {
                // Who answered in the meantime was faster; the next question hears of it.
                devices::update(tx, &after)?;
            }
            Ok(Some(poll))
        })
    }

    /// The command line that waits with this user code.
    pub fn waiting(
        &self,
        ctx: &Ctx,
        tenant: Id<id::Tenant>,
        code: &UserCode,
    ) -> Pending<Result<Waiting, Rejection>> {
        let (keyed, now) = (user_code_hash(&self.secrets.pepper, tenant, code), ctx.now);
        self.store().read(move |tx| {
            let found = devices::by_user_code(tx, &keyed)?;
            let waits = found.filter(|request| {
                request.tenant_id == tenant
                    && now < request.expires_at
                    && request.doc.state == DeviceState::Waiting
            });
            match waits {
                Some(request) => Ok(Waiting(request)),
                None => Err(no_such_code().into()),
            }
        })
    }
}

/// The request of a device code.
pub(super) fn of_code(
    tx: &mut Tx<'_>,
    tenant: Id<id::Tenant>,
    id: &str,
    hash: &[u8; 32],
) -> Result<Option<DeviceRequest>, StoreError> {
    let found = devices::by_id(tx, id)?;
    Ok(found.filter(|request| {
        request.tenant_id == tenant && countersign_crypto::digest::equal(&request.hash, hash)
    }))
}

/// What a user code is found by: a stolen database alone confirms no guess.
pub(super) fn user_code_hash(pepper: &Pepper, tenant: Id<id::Tenant>, code: &UserCode) -> [u8; 32] {
    hash(pepper, &format!("user_code:{tenant}:{}", code.as_str()))
}

/// What is said of a code that nobody waits with: the same whatever was wrong with it.
pub(super) fn no_such_code() -> Refusal {
    Refusal::new(
        Reason::NotFound,
        "nobody waits with this code: codes are good for ten minutes and once; compare the letters, or begin again",
    )
}
