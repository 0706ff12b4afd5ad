//! The nouns of the registry, each with the same five operations.

use super::super::{Operation, Schemas};
use countersign_api::{
    actions::{Action, CreateAction, UpdateAction},
    audiences::{Audience, CreateAudience, UpdateAudience},
    departures::{Departure, DepartureQuery},
    environments::{CreateEnvironment, Environment, UpdateEnvironment},
    hand_overs::{AnswerHandOver, HandOver, HandedOver, OfferHandOver},
    issuers::{CreateIssuer, Issuer, UpdateIssuer},
    notices::{ChooseNotices, Notices},
    observed::{Import, ImportRequest, ListObserved, ObservedAccount, ProposeSponsor},
    paging::ListQuery,
    policies::{CreatePolicy, Policy, UpdatePolicy},
    projects::{CreateProject, Project, UpdateProject},
    reference::Why,
    scopes::{CreateScope, DefinedScope, UpdateScope},
    teams::{CreateTeam, Team, UpdateTeam},
    tenants::{Tenant, UpdateTenant},
    users::{CreateLinkedAccount, CreateUser, LinkedAccount, UpdateUser, User},
};
use utoipa::ToSchema;

pub(super) fn registry(s: &mut Schemas) -> Vec<Operation> {
    let mut rows = noun::<Project, CreateProject, UpdateProject>(s, "projects", "a project");
    rows.extend(noun::<Team, CreateTeam, UpdateTeam>(s, "teams", "a team"));
    rows.extend(noun::<User, CreateUser, UpdateUser>(s, "users", "a user"));
    rows.extend(noun::<Environment, CreateEnvironment, UpdateEnvironment>(
        s,
        "environments",
        "an environment",
    ));
    rows.extend(noun::<Audience, CreateAudience, UpdateAudience>(
        s,
        "audiences",
        "an audience",
    ));
    rows.extend(noun::<Action, CreateAction, UpdateAction>(
        s,
        "actions",
        "an action",
    ));
    rows.extend(noun::<Issuer, CreateIssuer, UpdateIssuer>(
        s,
        "issuers",
        "a foreign issuer",
    ));
    rows.extend(noun::<Policy, CreatePolicy, UpdatePolicy>(
        s,
        "policies",
        "a guard rail",
    ));
    rows.extend(noun::<DefinedScope, CreateScope, UpdateScope>(
        s,
        "scopes",
        "a part of a built-in scope",
    ));
    // A linked account is never edited: it is deleted and made again.
    let linked =
        noun::<LinkedAccount, CreateLinkedAccount, Why>(s, "linked-accounts", "a linked account");
    rows.extend(
        linked
            .into_iter()
            .filter(|row| row.method != http::Method::PATCH),
    );
    rows.extend([
        Operation::post(
            "/api/projects/{id}/leave",
            "projects.leave",
            "leaves a project that somebody else owns too",
        )
        .body::<Why>(s)
        .nothing(204),
        Operation::post(
            "/api/users/current/leave",
            "users.leave",
            "leaves the tenant",
        )
        .body::<Why>(s)
        .nothing(204),
        Operation::post(
            "/api/issuers/{id}/enable",
            "issuers.enable",
            "trusts a revoked issuer again",
        )
        .tagged()
        .body::<Why>(s)
        .answers::<Issuer>(200, s)
        .waits(s),
        Operation::post(
            "/api/users/{id}/disable",
            "users.disable",
            "switches somebody off: their sessions end",
        )
        .tagged()
        .body::<Why>(s)
        .answers::<User>(200, s)
        .waits(s),
        Operation::post(
            "/api/users/{id}/enable",
            "users.enable",
            "switches somebody on again",
        )
        .tagged()
        .body::<Why>(s)
        .answers::<User>(200, s)
        .waits(s),
        Operation::get(
            "/api/users/{id}/departure",
            "users.departure",
            "what would happen if somebody left: what nobody would answer for, and who could",
        )
        .query::<DepartureQuery>(s)
        .answers::<Departure>(200, s),
        Operation::get(
            "/api/users/{id}/hand-over",
            "users.handOver",
            "what somebody hands over: all of it to them and owners, else what is offered to the caller",
        )
        .answers::<HandOver>(200, s),
        Operation::post(
            "/api/users/{id}/hand-over",
            "users.offerHandOver",
            "offers what somebody answers for to others, or says what would be offered",
        )
        .body::<OfferHandOver>(s)
        .answers::<HandOver>(200, s),
        Operation::post(
            "/api/users/{id}/hand-over/accept",
            "users.acceptHandOver",
            "the caller answers for what is handed over to them",
        )
        .body::<AnswerHandOver>(s)
        .answers::<HandedOver>(200, s),
        Operation::post(
            "/api/users/{id}/hand-over/decline",
            "users.declineHandOver",
            "the caller does not; who answered so far still does",
        )
        .body::<AnswerHandOver>(s)
        .answers::<HandedOver>(200, s),
        Operation::get(
            "/api/notices",
            "notices.show",
            "which messages the caller hears of where",
        )
        .answers::<Notices>(200, s),
        Operation::put(
            "/api/notices",
            "notices.choose",
            "chooses where kinds of messages go",
        )
        .body::<ChooseNotices>(s)
        .answers::<Notices>(200, s),
        Operation::post(
            "/api/imports",
            "imports.create",
            "brings in accounts of another system as observed ones, or says what it would bring in",
        )
        .body::<ImportRequest>(s)
        .answers::<Import>(200, s),
        Operation::get(
            "/api/observed-accounts",
            "observed-accounts.list",
            "lists accounts of other systems, each with what is weak about it",
        )
        .query::<ListObserved>(s)
        .page::<ObservedAccount>(s),
        Operation::get(
            "/api/observed-accounts/{id}",
            "observed-accounts.show",
            "shows an account of another system, by id or name",
        )
        .answers::<ObservedAccount>(200, s),
        Operation::delete(
            "/api/observed-accounts/{id}",
            "observed-accounts.delete",
            "takes an account of another system off the list; an import brings it back",
        )
        .tagged()
        .query::<Why>(s)
        .nothing(204),
        Operation::post(
            "/api/observed-accounts/{id}/propose",
            "observed-accounts.propose",
            "names who could answer for it",
        )
        .body::<ProposeSponsor>(s)
        .answers::<ObservedAccount>(200, s),
        Operation::post(
            "/api/observed-accounts/{id}/confirm",
            "observed-accounts.confirm",
            "the caller, who was proposed, answers for it",
        )
        .body::<Why>(s)
        .answers::<ObservedAccount>(200, s),
        Operation::post(
            "/api/observed-accounts/{id}/decline",
            "observed-accounts.decline",
            "the caller, who was proposed, does not",
        )
        .body::<Why>(s)
        .answers::<ObservedAccount>(200, s),
        Operation::get("/api/tenant", "tenant.show", "the caller's tenant")
            .answers::<Tenant>(200, s),
        Operation::patch("/api/tenant", "tenant.update", "edits the caller's tenant")
            .tagged()
            .body::<UpdateTenant>(s)
            .answers::<Tenant>(200, s),
    ]);
    rows
}

fn noun<R: ToSchema, C: ToSchema, U: ToSchema>(
    s: &mut Schemas,
    noun: &str,
    what: &str,
) -> Vec<Operation> {
    let path = format!("/api/{noun}");
    let id = |verb: &str| format!("{noun}.{verb}");
    let mut rows = vec![
        Operation::get(
            &*path,
            &id("list"),
            &format!("lists {}", noun.replace('-', " ")),
        )
        .query::<ListQuery>(s)
        .page::<R>(s),
        Operation::post(&*path, &id("create"), &format!("makes {what}"))
            .keyed()
            .body::<C>(s)
            .answers::<R>(201, s)
            .waits(s),
    ];
    rows.extend(of_one::<R, U>(s, &format!("{path}/{{id}}"), noun, what));
    rows
}

pub(super) fn of_one<R: ToSchema, U: ToSchema>(
    s: &mut Schemas,
    path: &str,
    noun: &str,
    what: &str,
) -> [Operation; 3] {
    let id = |verb: &str| format!("{noun}.{verb}");
    [
        Operation::get(path, &id("show"), &format!("shows {what}, by id or name"))
            .answers::<R>(200, s),
        Operation::patch(path, &id("update"), &format!("edits {what}"))
            .tagged()
            .body::<U>(s)
            .answers::<R>(200, s)
            .waits(s),
        Operation::delete(
            path,
            &id("delete"),
            &format!("deletes {what}; its names stay taken"),
        )
        .tagged()
        .query::<Why>(s)
        .nothing(204)
        .waits(s),
    ]
}
