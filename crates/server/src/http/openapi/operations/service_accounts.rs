//! Service accounts and their long-lived tokens.

use countersign_api::{
    paging::ListQuery,
    reference::Why,
    service_accounts::{
        CreateServiceAccount, CreatedServiceAccount, DeletedServiceAccount, LongLivedToken,
        NextToken, RefreshToken, ServiceAccounts,
    },
};

use super::super::{Operation, Schemas};

pub(super) fn service_accounts(s: &mut Schemas) -> Vec<Operation> {
    let own = "/api/service-accounts";
    vec![
        Operation::get(
            own,
            "service-accounts.list",
            "lists the identities that have long-lived tokens",
        )
        .query::<ListQuery>(s)
        .answers::<ServiceAccounts>(200, s),
        Operation::post(
            own,
            "service-accounts.create",
            "makes an identity with a long-lived token: the only answer with it",
        )
        .keyed()
        .body::<CreateServiceAccount>(s)
        .answers::<CreatedServiceAccount>(201, s),
        Operation::delete(
            format!("{own}/{{id}}"),
            "service-accounts.delete",
            "deletes it: its tokens die, its name stays taken",
        )
        .body::<Why>(s)
        .answers::<DeletedServiceAccount>(200, s),
        Operation::post(
            format!("{own}/{{id}}/tokens"),
            "service-accounts.next_token",
            "makes its next token: the only answer with it",
        )
        .keyed()
        .body::<NextToken>(s)
        .answers::<CreatedServiceAccount>(201, s),
        Operation::post(
            "/api/auth/refresh",
            "tokens.refresh",
            "the holder of a sensor's or a person's token gets its successor",
        )
        .body::<RefreshToken>(s)
        .answers::<LongLivedToken>(200, s),
    ]
}
