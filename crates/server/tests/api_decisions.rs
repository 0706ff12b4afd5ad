//! Decisions over HTTP: the OpenID AuthZEN Authorization API 1.0.

use countersign_testkit::{TestServer, on_each_database};
use reqwest::Method;
use serde_json::json;

use crate::world::{AUDIENCE, service};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_asks_about_itself_with_a_token_of_any_audience() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let program = server.anyone().with_token(service.token().await);
        let question = json!({ "action": { "name": "case.read" }, "resource": { "type": "case", "id": "1" } });
        let answer = program.send(Method::POST, "/access/v1/evaluation", Some(&question), &[("x-request-id", "rq-7")]).await;
        assert_eq!(answer.done()["decision"], true);
        assert_eq!(answer.header("x-request-id"), Some("rq-7"));
        let no = program.post("/access/v1/evaluation", &json!({ "action": { "name": "secrets.read" } })).await.done();
        assert_eq!((&no["decision"], &no["context"]["reason_code"]), (&json!(false), &json!("action_not_allowed")));
        let other = json!({ "subject": { "type": "identity", "id": "deploy-target" }, "action": { "name": "case.read" } });
        program.post("/access/v1/evaluation", &other).await.refused(403, "forbidden");
        program.post("/access/v1/evaluation", &json!({})).await.refused(400, "bad_request");
        server.anyone().post("/access/v1/evaluation", &question).await.refused(401, "unauthenticated");
        service.owner.post("/api/revocations", &json!({ "grain": "identity", "target": "payroll" })).await.done();
        program.post("/access/v1/evaluation", &question).await.refused(401, "token_revoked");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_runs_a_resource_server_asks_about_its_callers() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let service = service(&server).await;
        let own = [("audience", server.issuer())];
        let target = server.anyone().with_token(service.owner.client_token(&service.target, &own).await.access_token());
        let about = |name: &str| json!({ "subject": { "type": "identity", "id": name }, "action": { "name": "case.read" } });
        assert_eq!(target.post("/access/v1/evaluation", &about("payroll")).await.done()["decision"], true);
        target.post("/access/v1/evaluation", &about("nobody")).await.refused(404, "not_found");
        assert_eq!(service.owner.post("/access/v1/evaluation", &about("payroll")).await.done()["decision"], true);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_questions_share_what_they_leave_out_and_stop_where_they_are_told() {
    let server = TestServer::start(&countersign_testkit::Database::sqlite()).await;
    let service = service(&server).await;
    let program = server.anyone().with_token(service.token().await);
    let ask = async |semantic: &str| {
        let actions = ["case.read", "secrets.read", "broken", "deploy.release"];
        let evaluations: Vec<_> = actions
            .iter()
            .map(|name| json!({ "action": { "name": name } }))
            .collect();
        let body = json!({
            "resource": { "type": "case", "id": "1", "properties": { "audience": AUDIENCE } },
            "evaluations": evaluations,
            "options": { "evaluations_semantic": semantic },
        });
        let answer = program.post("/access/v1/evaluations", &body).await.done();
        answer["evaluations"].as_array().unwrap().clone()
    };
    let all = ask("execute_all").await;
    let decisions: Vec<_> = all
        .iter()
        .map(|one| one["decision"].as_bool().unwrap())
        .collect();
    assert_eq!(decisions, [true, false, false, true]);
    assert_eq!(all[2]["context"]["error"]["status"], 400);
    assert_eq!(ask("deny_on_first_deny").await.len(), 2);
    assert_eq!(ask("permit_on_first_permit").await.len(), 1);
    let single = program
        .post(
            "/access/v1/evaluations",
            &json!({ "action": { "name": "case.read" } }),
        )
        .await
        .done();
    assert_eq!(single["decision"], true);
    let many = vec![json!({ "action": { "name": "case.read" } }); 201];
    program
        .post("/access/v1/evaluations", &json!({ "evaluations": many }))
        .await
        .refused(400, "bad_request");
    let configuration = server
        .anyone()
        .get("/.well-known/authzen-configuration")
        .await
        .done();
    assert_eq!(configuration["policy_decision_point"], server.issuer());
    assert_eq!(
        configuration["access_evaluation_endpoint"],
        format!("{}/access/v1/evaluation", server.issuer())
    );
    server.stop().await;
}
