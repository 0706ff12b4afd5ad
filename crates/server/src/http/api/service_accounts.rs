//! Service accounts: the registry's identities that have long-lived tokens, in the words of seed 004.

use axum::{
    Json as JsonAnswer,
    extract::{FromRequest as _, Request, State},
    response::{IntoResponse as _, Response},
};
use countersign_api::{
    credentials::OneTimeSecret,
    paging::ListQuery,
    reference::Why,
    service_accounts::{
        CreateServiceAccount as Body, CreatedServiceAccount, DeletedServiceAccount, LongLivedToken,
        NextToken as Next, ServiceAccount, ServiceAccounts, TokenChain,
    },
};
use countersign_authority::{
    Fault,
    command::Command,
    idempotency::{Key, Once, Outcome},
    long_lived::{
        self, CreateServiceAccount, DeleteServiceAccount, Given, Held, NextToken, defined_scope_of,
        scope_of,
    },
};
use countersign_model::{
    Timestamp,
    chain::{Chain, JITTER},
    finding::of_chain,
    reason::{Reason, Refusal},
    registry::Record,
    token_metadata::TokenMetadata,
};
use http::{StatusCode, header};

use super::records::{self, texts};
use crate::{
    app::App,
    http::{
        addressed::Addressed,
        caller::Caller,
        idempotency::IdempotencyKey,
        json::{Json, Query},
        problem::Failure,
    },
    metrics::GrantLabel,
};

/// `GET /api/service-accounts`.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<JsonAnswer<ServiceAccounts>, Failure> {
    let list = records::list_name("service-accounts", &caller, &query.status)?;
    let wanted = records::page_query(
        &app,
        &list,
        query.after.as_deref(),
        query.limit,
        query.status,
    )?;
    let permit = caller.permit.clone();
    let page = app
        .authority()
        .store()
        .read(move |tx| long_lived::service_accounts(tx, &permit, &wanted))
        .await?;
    let next = page
        .next
        .map(|next| app.cursors().seal(&list, &next))
        .transpose()?;
    let now = caller.ctx.now;
    let data = page.items.iter().filter_map(|held| shown(held, now));
    Ok(JsonAnswer(ServiceAccounts {
        data: data.collect(),
        next,
    }))
}

/// `POST /api/service-accounts`: the only answer with its first token.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    key: IdempotencyKey,
    Json(body): Json<Body>,
) -> Result<Response, Failure> {
    let key = records::key_of(key, &caller, "service-accounts", &body)?;
    let command = CreateServiceAccount {
        tenant: caller.tenant.clone(),
        name: body.name,
        scope: body.scope,
        description: body.description,
        ttl_days: body.ttl_days,
        metadata: body.metadata,
        project: body.project.map(|name| name.0),
        sponsor: body.sponsor.map(|name| name.0),
        managers: body.managers.map(texts),
        renew_at: app.config().tokens.renew_at(),
        trust_domain: app.authority().settings().trust_domain.clone(),
    };
    hand_out(&app, &caller, key, command).await
}

/// `POST /api/service-accounts/{id}/tokens`: the only answer with its next token.
pub async fn next(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    key: IdempotencyKey,
    Json(body): Json<Next>,
) -> Result<Response, Failure> {
    let route = format!("service-accounts/{identity}/tokens");
    let key = records::key_of(key, &caller, &route, &body)?;
    let command = NextToken {
        tenant: caller.tenant.clone(),
        identity,
        ttl_days: body.ttl_days,
        revoke_others: body.revoke_others,
        reason: body.reason,
        renew_at: app.config().tokens.renew_at(),
    };
    hand_out(&app, &caller, key, command).await
}

/// `DELETE /api/service-accounts/{id}`: its tokens die, its name stays taken. The reason comes in a document, as the seed has
/// it, or in the query, as all other deletions have it.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Addressed(identity): Addressed,
    Query(mut why): Query<Why>,
    request: Request,
) -> Result<JsonAnswer<DeletedServiceAccount>, Failure> {
    if request.headers().contains_key(header::CONTENT_TYPE) {
        Json(why) = Json::from_request(request, &app).await?;
    }
    let command = DeleteServiceAccount {
        identity,
        reason: why.reason,
    };
    let deleted = app
        .authority()
        .execute(&caller.ctx, &caller.permit, command)
        .await?;
    Ok(JsonAnswer(DeletedServiceAccount {
        message: "Service account revoked".to_owned(),
        identity_id: deleted.id.cast(),
    }))
}

/// Runs a command that hands out a token, once for each key. A token that was shown is not shown again.
async fn hand_out<C: Command<Output = Given>>(
    app: &App,
    caller: &Caller,
    key: Option<Key>,
    command: C,
) -> Result<Response, Failure> {
    let made: fn(&Given) -> String = |given| given.holder.id.to_string();
    let once = Once { key, command, made };
    let given = match app
        .authority()
        .hand_out(&caller.ctx, &caller.permit, once)?
        .await?
    {
        Outcome::Done(given) => given,
        Outcome::Repeated(id) => {
            let detail = format!(
                "this request handed out a token of service account {id}; it was shown once and never is again: ask for the next"
            );
            return Err(Refusal::new(Reason::Conflict, detail).into());
        }
    };
    let warnings = given.warnings.clone();
    let (holder, chain) = (given.holder.clone(), given.chain.clone());
    let named = holder.identity().and_then(defined_scope_of);
    let body = CreatedServiceAccount {
        defined_scope: named.map(str::to_owned),
        identity_id: holder.id.cast(),
        name: holder.name,
        scope: chain.scope,
        token: released(app, caller, given)?,
        warnings,
    };
    Ok((StatusCode::CREATED, JsonAnswer(body)).into_response())
}

/// Signs the token, now that its record is durable.
pub(super) fn released(
    app: &App,
    caller: &Caller,
    given: Given,
) -> Result<LongLivedToken, Failure> {
    let Given {
        holder,
        chain,
        recorded,
        ..
    } = given;
    let released = app
        .authority()
        .release(&caller.ctx, &caller.tenant, &[holder.id], recorded)?;
    let newest = chain
        .doc
        .members
        .last()
        .ok_or_else(|| Fault::Invariant("a chain without a token".to_owned()))?;
    app.metrics()
        .tokens_issued
        .get_or_create(&GrantLabel {
            grant: if newest.parent.is_some() {
                "refresh"
            } else {
                "long_lived"
            },
        })
        .inc();
    Ok(LongLivedToken {
        token: OneTimeSecret::new(released.access_token),
        expires_at: Timestamp::from_seconds(released.claims.exp).into(),
        chain_id: chain.id,
        renew_at: chain.due_at.map(Into::into),
        renew_jitter_seconds: chain.due_at.map(|_| jitter(newest.jti.bytes())),
    })
}

/// The same for the same token, and spread evenly over tokens: the end of an id is random.
fn jitter(jti: [u8; 16]) -> i64 {
    let [.., high, low] = jti;
    i64::from(u16::from_be_bytes([high, low])) % (JITTER.0 + 1)
}

fn shown(held: &Held, now: Timestamp) -> Option<ServiceAccount> {
    let Record { id, name, .. } = &held.identity;
    let doc = held.identity.identity()?;
    Some(ServiceAccount {
        identity_id: id.cast(),
        name: name.clone(),
        scope: scope_of(doc)?,
        defined_scope: defined_scope_of(doc).map(str::to_owned),
        description: doc.purpose.clone(),
        status: held.identity.status,
        created_at: held.identity.created_at.into(),
        expires_at: held.expires_at(now).map(Into::into),
        metadata: TokenMetadata::of_identity(&doc.metadata).unwrap_or_default(),
        tokens: held
            .chains
            .iter()
            .map(|chain| token_chain(chain, now))
            .collect(),
    })
}

/// A chain on the wire.
pub(super) fn token_chain(chain: &Chain, now: Timestamp) -> TokenChain {
    TokenChain {
        chain_id: chain.id,
        created_at: chain.created_at.into(),
        ends_at: ends_at(chain).into(),
        live: u32::try_from(chain.live(now).count()).unwrap_or(u32::MAX),
        renewals: chain.doc.renewals,
        renew_at: chain.due_at.map(Into::into),
        revoked_at: chain.doc.revoked.as_ref().map(|revoked| revoked.at.into()),
        findings: of_chain(chain, now)
            .into_iter()
            .map(|weakness| weakness.as_str().to_owned())
            .collect(),
    }
}

/// A chain that is renewed goes on to its deadline, another ends with its one token.
fn ends_at(chain: &Chain) -> Timestamp {
    if chain.scope.profile().renewable {
        chain.deadline()
    } else {
        chain.ends_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_put_off_by_an_hour_at_most() {
        let of = |high: u8, low: u8| {
            let mut id = [7; 16];
            id[14..].copy_from_slice(&[high, low]);
            jitter(id)
        };
        assert_eq!((of(0, 0), of(0x0e, 0x10), of(0x0e, 0x11)), (0, 3600, 0));
        assert!((0..=u8::MAX).all(|high| (0..=3600).contains(&of(high, 255))));
    }
}
