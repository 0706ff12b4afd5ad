//! Bills: what was done is counted from the log, once, and who reads it.

use std::time::Duration;

use countersign_authority::{billing::fold, log};
use countersign_model::{
    billing::{Month, Operation, Tally, meter},
    registry::TenantRole,
    time::Seconds,
};
use countersign_testkit::{Answer, Caller, TestServer, claims, on_each_database, within};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Service, service};

const STATEMENTS: &str = "/api/billing/statements";

/// Everything that was done has its place in the log and is counted.
async fn count(server: &TestServer) {
    server.run_job("flush_decisions").await;
    let (store, now) = (server.app().authority().store(), server.clock().now());
    within(LIMIT, "everything has its place", async || {
        server.run_job("sequence").await;
        let waiting = store.read(move |tx| log::waiting(tx, now)).await;
        waiting.unwrap().is_none().then_some(())
    })
    .await;
    server.run_job("count_operations").await;
}

/// A transaction of another test on the same database server holds the log for as long as it is open.
const LIMIT: Duration = Duration::from_secs(60);

/// The same, until so many decisions of the program are on the statement: equal ones are summed for up to 100 ms.
async fn count_decisions(
    server: &TestServer,
    service: &Service,
    owner: &Caller,
    decisions: u64,
) -> Value {
    within(LIMIT, "decisions are counted", async || {
        count(server).await;
        let shown = statement(owner, month(server), "?project=release").await;
        let counted = line(&shown, service.id(), Operation::Decision);
        (counted == Some((decisions, 0))).then_some(shown)
    })
    .await
}

fn month(server: &TestServer) -> Month {
    Month::of(server.clock().now())
}

async fn statement(of: &Caller, month: Month, project: &str) -> Value {
    of.get(&format!("{STATEMENTS}/{month}{project}"))
        .await
        .done()
}

/// How often an identity did this, and how often more late, on the statement of its project.
fn line(statement: &Value, identity: &str, operation: Operation) -> Option<(u64, u64)> {
    let lines = statement["lines"].as_array().unwrap();
    let mut found = lines.iter().filter(|line| {
        line["identity"]["id"] == identity && line["operation"] == operation.as_str()
    });
    let line = found.next()?;
    assert!(found.next().is_none(), "{statement}");
    Some((
        line["count"].as_u64().unwrap(),
        line["late"].as_u64().unwrap(),
    ))
}

/// Asks so often whether it may, and once reports what it did: two tokens, `decisions` decisions, an action.
async fn work(service: &Service, server: &TestServer, decisions: usize) -> String {
    let token = service.token().await;
    let program = server.anyone().with_token(token.as_str());
    let asked = json!({ "action": { "name": "case.read" } });
    for _ in 0..decisions {
        program.post("/access/v1/evaluation", &asked).await.done();
    }
    let jti = claims(&service.token().await)["jti"]
        .as_str()
        .unwrap()
        .to_owned();
    report(service, server, &jti, &server.clock().now().to_string())
        .await
        .done();
    jti
}

/// The resource server says what was done with a token, and when.
async fn report(service: &Service, server: &TestServer, jti: &str, at: &str) -> Answer {
    let fields = [("resource", server.issuer())];
    let token = server
        .anyone()
        .client_token(&service.target, &fields)
        .await
        .access_token();
    let txn = "0198c0de-0000-7000-8000-000000000000";
    let result = json!({ "jti": jti, "txn": txn, "action": "case.read", "outcome": "done", "occurred_at": at });
    let guard = server.anyone().with_token(token);
    guard
        .post("/api/results", &json!({ "results": [result] }))
        .await
}

/// The whole log, counted by whoever can read it.
async fn recount(owner: &Caller) -> Tally {
    let (mut tally, mut from) = (Tally::default(), 0);
    loop {
        let page = owner
            .get(&format!("/api/log/entries?from={from}&limit=200"))
            .await
            .done();
        let entries = page["entries"].as_array().unwrap();
        if entries.is_empty() {
            return tally;
        }
        from += entries.len();
        let bodies = entries.iter().filter_map(|entry| entry["body"].as_str());
        bodies
            .filter_map(|body| meter(body).unwrap())
            .for_each(|one| tally.add(one));
    }
}

/// What the server counted of a month, of all projects together, and what the log says.
async fn both(owner: &Caller, month: Month) -> (u64, u64) {
    let shown = statement(owner, month, "").await;
    let counts = recount(owner).await.counts;
    let logged = counts.iter().filter(|(counter, _)| counter.month == month);
    let counted = shown["operations"].as_u64().unwrap() + shown["late"].as_u64().unwrap();
    (counted, logged.map(|(_, count)| count).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_identity_did_is_on_the_statement_of_its_project() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (owner, now) = (&service.owner, month(&server));
        owner
            .get(&format!("{STATEMENTS}/{now}"))
            .await
            .refused(404, "not_found");
        work(&service, &server, 5).await;
        let own = count_decisions(&server, &service, owner, 5).await;
        assert_eq!(own["project"]["name"], "release");
        assert_eq!(own["counted"]["entries"], own["counted"]["looked_at"]);
        let of = |operation| line(&own, service.id(), operation);
        assert_eq!(of(Operation::Token), Some((2, 0)), "{own}");
        assert_eq!(of(Operation::Action), Some((1, 0)), "{own}");
        assert_eq!(
            (of(Operation::Approval), of(Operation::Execution)),
            (None, None)
        );
        let name = |line: &&Value| line["identity"]["id"] == service.id();
        let first = own["lines"].as_array().unwrap().iter().find(name).unwrap();
        assert!(
            first["identity"]["name"]
                .as_str()
                .unwrap()
                .starts_with("payroll ("),
            "{first}"
        );

        // The tenant's sums are those of its projects, and the log says the same.
        let all = statement(owner, now, "").await;
        assert_eq!(all["operations"], own["operations"]);
        assert!(
            all["lines"]
                .as_array()
                .unwrap()
                .iter()
                .all(|line| line.get("identity").is_none())
        );
        let (counted, logged) = both(owner, now).await;
        assert_eq!(counted, logged);
        assert_eq!(
            owner.get(STATEMENTS).await.done()["items"][0]["month"],
            now.to_string()
        );

        // The project that pays is the one of then.
        owner.project("care").await;
        let moved = json!({ "project": "care" });
        owner
            .post(
                &format!("/api/identities/{}/transfer", service.id()),
                &moved,
            )
            .await
            .done();
        service.token().await;
        count(&server).await;
        let tokens = async |project: &str| {
            let shown = statement(owner, now, project).await;
            line(&shown, service.id(), Operation::Token)
        };
        assert_eq!(tokens("?project=release").await, Some((2, 0)));
        assert_eq!(tokens("?project=care").await, Some((1, 0)));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_counts_twice_whoever_counts_and_whoever_crashes() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let now = month(&server);
        // More than one step of the log.
        for _ in 0..300 {
            service.token().await;
        }
        let store = server.app().authority().store();
        let (first, same) = within(LIMIT, "two find the same to count", async || {
            service.token().await;
            server.run_job("sequence").await;
            let first = fold::next(store).await.unwrap()?;
            Some((first, fold::next(store).await.unwrap()?))
        })
        .await;
        // The server's own job may have been faster than both.
        fold::take(store, first).await.unwrap();
        // Another replica worked out the same step, or this one crashed before it heard that it was taken.
        assert!(!fold::take(store, same).await.unwrap());
        let owner = server.owner().await;
        count(&server).await;
        let (counted, logged) = both(&owner, now).await;
        assert_eq!(counted, logged);
        assert!(counted >= 300, "{counted}");

        let server = server.restart().await;
        let owner = server.owner().await;
        count(&server).await;
        let (counted, logged) = both(&owner, now).await;
        assert_eq!(counted, logged);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_month_stays_and_what_comes_later_is_told_apart() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (then, at) = (month(&server), server.clock().now());
        let jti = work(&service, &server, 3).await;
        count(&server).await;
        // The month is over; two days are left for guards that were away.
        let over = then.next().start().seconds() - at.seconds();
        server.clock().advance(Seconds(over + 86_400));
        let owner = server.owner().await;
        report(&service, &server, &jti, &at.to_string())
            .await
            .done();
        count(&server).await;
        server.run_job("close_months").await;
        let open = statement(&owner, then, "?project=release").await;
        assert!(open.get("closed").is_none(), "{open}");
        assert_eq!(line(&open, service.id(), Operation::Action), Some((2, 0)));

        server.clock().advance(Seconds(86_400));
        let owner = server.owner().await;
        count(&server).await;
        server.run_job("close_months").await;
        let closed = statement(&owner, then, "?project=release").await;
        let record = closed["closed"]["evidence_id"].as_str().unwrap();
        let record = owner.get(&format!("/api/evidence/{record}")).await.done();
        assert_eq!(record["record"]["kind"], "billing_closed");
        assert_eq!(record["record"]["month"], then.to_string());
        assert_eq!(record["record"]["digest"], closed["closed"]["digest"]);
        assert_eq!(record["record"]["entries"], closed["counted"]["entries"]);

        report(&service, &server, &jti, &at.to_string())
            .await
            .done();
        // A guard cannot say that it was before the token: nothing reaches into a month before it.
        report(&service, &server, &jti, "2001-01-01T00:00:00Z")
            .await
            .done();
        count(&server).await;
        server.run_job("close_months").await;
        let later = statement(&owner, then, "?project=release").await;
        assert_eq!(line(&later, service.id(), Operation::Action), Some((2, 2)));
        assert_eq!(line(&later, service.id(), Operation::Token), Some((2, 0)));
        assert_eq!(
            (&later["closed"], &later["operations"]),
            (&closed["closed"], &closed["operations"])
        );
        assert_eq!(later["late"], 2);
        let (counted, logged) = both(&owner, then).await;
        assert_eq!(counted, logged);
        let months = owner.get(STATEMENTS).await.done();
        let months: Vec<_> = months["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["month"].clone())
            .collect();
        assert_eq!(
            months,
            [json!(then.next().to_string()), json!(then.to_string())]
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_or_went_to_files_still_counts() {
    on_each_database(async |database| {
        let archive = tempfile::tempdir().unwrap();
        let directory = archive.path().to_owned();
        let server = TestServer::start_with(&database, |config| {
            config.log.archive.directory = Some(directory);
            config.log.archive.segment_records = 256;
        })
        .await;
        let service = service(&server).await;
        let then = month(&server);
        let jti = work(&service, &server, 1).await;
        count_decisions(&server, &service, &service.owner, 1).await;
        let why = json!({ "reason": "asked to" });
        service
            .owner
            .post(&format!("/api/evidence/{jti}/erase"), &why)
            .await
            .done();
        for _ in 0..300 {
            service.token().await;
        }
        count(&server).await;
        server.clock().advance(Seconds::days(91));
        for job in ["archive", "clean_up", "archive"] {
            server.run_job(job).await;
        }
        let metrics = server.anyone().get("/metrics").await.text();
        assert!(
            metrics.contains("countersign_log_archived 256\n"),
            "{metrics}"
        );
        // Counted once more from the beginning, now that the first records are in files alone.
        for table in ["counter", "name", "month", "cursor"] {
            server.sql(&format!("DELETE FROM billing_{table}")).await;
        }
        server.run_job("count_operations").await;
        let owner = server.owner().await;
        let shown = statement(&owner, then, "?project=release").await;
        assert_eq!(line(&shown, service.id(), Operation::Token), Some((302, 0)));
        assert_eq!(
            line(&shown, service.id(), Operation::Decision),
            Some((1, 0))
        );
        assert_eq!(line(&shown, service.id(), Operation::Action), Some((1, 0)));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_as_the_log_has_it_is_not_counted() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        work(&service, &server, 0).await;
        count(&server).await;
        // Somebody who administers the database makes a token of one a token of nobody.
        server
            .sql("UPDATE evidence SET body = '{\"kind\":\"changed\"}' WHERE kind = 'token_issued'")
            .await;
        // Counted once more from the beginning.
        for table in ["counter", "name", "month", "cursor"] {
            server.sql(&format!("DELETE FROM billing_{table}")).await;
        }
        let stopped = server.try_job("count_operations").await.unwrap_err();
        assert!(
            stopped.contains("its record is not the one that was logged"),
            "{stopped}"
        );
        server.stop().await;
    })
    .await;
}

/// A program of a project with these actions, and its token for the server's own API.
async fn program(
    server: &TestServer,
    owner: &Caller,
    name: &str,
    project: &str,
    actions: &[&str],
) -> Caller {
    let fields = json!({ "allowed_actions": actions });
    let identity = owner
        .identity("service_account", name, project, fields)
        .await;
    let secret = owner.secret(identity["id"].as_str().unwrap()).await;
    let fields = [("resource", server.issuer())];
    let token = server.anyone().client_token(&secret, &fields).await;
    server.anyone().with_token(token.access_token())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_reads_the_statements_of_its_project_when_a_person_gave_it_that_and_nothing_else()
{
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (owner, now) = (&service.owner, month(&server));
        owner.project("care").await;
        work(&service, &server, 1).await;
        count(&server).await;
        let at = format!("{STATEMENTS}/{now}");

        let billing = program(
            &server,
            owner,
            "billing-system",
            "release",
            &["billing.statement.read"],
        )
        .await;
        let own = billing.get(&at).await.done();
        assert_eq!(own["project"]["name"], "release");
        assert_eq!(line(&own, service.id(), Operation::Token), Some((2, 0)));
        assert_eq!(
            billing.get(&format!("{at}?project=release")).await.done(),
            own
        );
        assert_eq!(
            billing.get(STATEMENTS).await.done()["items"][0]["month"],
            now.to_string()
        );
        // Not of another project, and not of all of them, whoever asks how.
        for path in [
            format!("{at}?project=care"),
            format!("{at}.csv?project=care"),
            format!("{STATEMENTS}?project=care"),
            format!("{at}?project=nowhere"),
        ] {
            billing.get(&path).await.refused(403, "forbidden");
        }
        let elsewhere = program(
            &server,
            owner,
            "other-billing",
            "care",
            &["billing.statement.read"],
        )
        .await;
        elsewhere
            .get(&format!("{at}?project=release"))
            .await
            .refused(403, "forbidden");

        // No other action is one for bills, whatever it is called.
        for (n, action) in [
            "billing.admin",
            "billing.statement.write",
            "billing.budget.read",
            "case.read",
        ]
        .into_iter()
        .enumerate()
        {
            let other = program(&server, owner, &format!("other-{n}"), "release", &[action]).await;
            for path in [
                STATEMENTS,
                &at,
                &format!("{at}.csv"),
                &format!("{at}?project=release"),
            ] {
                other.get(path).await.refused(403, "action_not_allowed");
            }
        }
        // What the identity may do today counts.
        owner
            .patch(
                "/api/identities/billing-system",
                &json!({ "denied_actions": ["billing.statement.read"] }),
            )
            .await
            .done();
        let gone = billing.get(&at).await;
        assert!([401, 403].contains(&gone.status), "{}", gone.text());
        // Each refusal is on record.
        let records = owner
            .get("/api/evidence?outcome=refused&limit=100")
            .await
            .done();
        let asked = |one: &&Value| {
            one["summary"]
                .as_str()
                .unwrap()
                .contains("/api/billing/statements")
        };
        assert!(
            records["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(asked)
                .count()
                >= 21,
            "{records}"
        );
        // Nothing there can be changed by anybody.
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for caller in [owner, &billing] {
                caller
                    .send(method.clone(), &at, Some(&json!({})), &[])
                    .await
                    .refused(405, "method_not_allowed");
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_read_the_bills_of_what_they_own() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let (owner, now) = (&service.owner, month(&server));
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        let ann = server.enrol("ann@example.com", TenantRole::Auditor).await;
        let members = json!({ "members": [
            { "user": "dana@example.com", "role": "owner" },
            { "user": "lee@example.com", "role": "owner" },
            { "user": "mo@example.com", "role": "editor" },
        ] });
        owner.patch("/api/projects/release", &members).await.done();
        work(&service, &server, 1).await;
        count(&server).await;
        let (all, own) = (
            format!("{STATEMENTS}/{now}"),
            format!("{STATEMENTS}/{now}?project=release"),
        );
        for reader in [owner, &lee, &ann] {
            let shown = reader.get(&own).await.done();
            assert_eq!(line(&shown, service.id(), Operation::Token), Some((2, 0)));
        }
        owner.get(&all).await.done();
        ann.get(&all).await.done();
        for reader in [&lee, &mo] {
            reader.get(&all).await.refused(403, "forbidden");
            reader.get(STATEMENTS).await.refused(403, "forbidden");
        }
        mo.get(&own).await.refused(403, "forbidden");
        let nobody = server.enrol("nobody@example.com", TenantRole::Member).await;
        nobody.get(&own).await.refused(404, "not_found");
        server
            .anyone()
            .get(&own)
            .await
            .refused(401, "unauthenticated");
        // Another tenant has bills of its own, and knows of no others.
        let other = server.tenant("globex", "eve@example.com").await;
        other.get(&own).await.refused(404, "not_found");
        other.get(&all).await.refused(404, "not_found");
        for wrong in ["2026-13", "2026", "..", "2026-1.csv"] {
            owner
                .get(&format!("{STATEMENTS}/{wrong}"))
                .await
                .refused(404, "not_found");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_csv_for_who_asks() {
    let server = TestServer::start(&countersign_testkit::Database::sqlite()).await;
    let service = service(&server).await;
    let (owner, now) = (&service.owner, month(&server));
    work(&service, &server, 2).await;
    count_decisions(&server, &service, owner, 2).await;
    let own = format!("{STATEMENTS}/{now}");
    let by_suffix = owner.get(&format!("{own}.csv?project=release")).await;
    assert_eq!(
        by_suffix.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    let file = format!("attachment; filename=\"countersign-{now}-release.csv\"");
    assert_eq!(by_suffix.header("content-disposition"), Some(file.as_str()));
    let path = format!("{own}?project=release");
    let by_accept = owner
        .send(Method::GET, &path, None, &[("accept", "text/csv")])
        .await;
    assert_eq!(by_accept.text(), by_suffix.text());
    let text = by_suffix.text();
    let mut rows = text.split("\r\n");
    assert_eq!(
        rows.next(),
        Some("month,state,project_id,project,identity_id,identity,operation,count,late")
    );
    let decisions = format!(",{},", service.id());
    let row = rows
        .find(|row| row.contains(&decisions) && row.contains(",decision,"))
        .unwrap();
    assert!(
        row.starts_with(&format!("{now},open,")) && row.ends_with(",decision,2,0"),
        "{row}"
    );
    let json = owner
        .send(
            Method::GET,
            &path,
            None,
            &[("accept", "text/csv, application/json")],
        )
        .await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    server.stop().await;
}
