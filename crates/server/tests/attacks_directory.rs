//! Attacks by way of the company's directory (T14, T16): what whoever manages it, or has a hand in its groups, gains by it.

use countersign_model::registry::TenantRole;
use countersign_testkit::{Answer, Caller, TestServer, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::scim::{GROUPS, USERS, directory, id, no, patch, person};

/// Approvers of the directory's, in a team that countersigns for `bot`.
struct Scene {
    dana: Caller,
    scim: Caller,
    /// The group.
    group: String,
    /// Whom it has.
    lee: Caller,
    ann: Caller,
}

impl Scene {
    /// Lee and Ann were in the group when the team was made.
    async fn new(server: &TestServer, guarded: bool) -> Self {
        let (dana, scim) = directory(server).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let ann = server.enrol("ann@example.com", TenantRole::Member).await;
        let mut members = Vec::new();
        for name in ["lee", "ann"] {
            members.push(json!({ "value": user(&dana, name).await }));
        }
        let group = json!({ "displayName": "Approvers", "members": members });
        let group = scim.post(GROUPS, &group).await.done();
        let fields = json!({
            "requires_approval": guarded,
            "approval_rule": { "approvers": ["team:approvers"], "required": 1 },
        });
        dana.identity("bot", "bot", "it", fields).await;
        Self {
            dana,
            scim,
            group: format!("{GROUPS}/{}", id(&group)),
            lee,
            ann,
        }
    }

    async fn says(&self, operation: Value) -> Answer {
        self.scim
            .patch(&self.group, &patch(json!([operation])))
            .await
    }

    async fn team(&self) -> Vec<Value> {
        let team = self.dana.get("/api/teams/approvers").await.done();
        team["members"].as_array().unwrap().clone()
    }
}

async fn user(caller: &Caller, name: &str) -> String {
    id(&caller
        .get(&format!("/api/users/{name}@example.com"))
        .await
        .done())
}

async fn says_yes(caller: &Caller, approval: &Value) -> Answer {
    let path = format!("/api/approvals/{}/approve", id(approval));
    let digest = json!({ "digest": approval["digest"] });
    caller.post(&path, &digest).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t14_whom_the_directory_makes_or_puts_in_a_team_counts_after_a_day() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let scene = Scene::new(&server, false).await;
        // A person of the directory's, one of old, and one of old whom it switched on: nothing is guarded yet, so it may.
        let made = scene.scim.post(USERS, &person("puppet")).await.done();
        let old = server.enrol("old@example.com", TenantRole::Member).await;
        for value in [id(&made), user(&scene.dana, "old").await] {
            let joins = json!({ "op": "add", "path": "members", "value": [{ "value": value }] });
            scene.says(joins).await.done();
        }
        let ann = format!("{USERS}/{}", user(&scene.dana, "ann").await);
        for active in [false, true] {
            let set = json!([{ "op": "replace", "path": "active", "value": active }]);
            scene.scim.patch(&ann, &patch(set)).await.done();
        }
        let puppet = server.enrol("puppet@example.com", TenantRole::Member).await;
        let ann = server.enrol("ann@example.com", TenantRole::Member).await;
        // One of the directory's whom a person put there.
        scene.scim.post(USERS, &person("second")).await.done();
        let mut names: Vec<String> = Vec::new();
        for member in scene.team().await {
            names.push(member["name"].as_str().unwrap().to_owned());
        }
        names.push("second@example.com".to_owned());
        let members = json!({ "members": names });
        scene
            .lee
            .patch("/api/teams/approvers", &members)
            .await
            .done();
        let second = server.enrol("second@example.com", TenantRole::Member).await;

        let guard = |on: bool| json!({ "requires_approval": on });
        scene
            .dana
            .patch("/api/identities/bot", &guard(true))
            .await
            .done();
        let off = scene
            .dana
            .patch("/api/identities/bot", &guard(false))
            .await
            .waits();
        for one in [&puppet, &old, &ann, &second] {
            says_yes(one, &off).await.refused(403, "self_approval");
        }
        // Who was there before counts.
        assert_eq!(
            says_yes(&scene.lee, &off).await.done()["status"],
            "redeemed"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_the_directory_drops_no_approver() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let scene = Scene::new(&server, true).await;
        let lee = user(&scene.dana, "lee").await;
        let path = format!("members[value eq \"{lee}\"]");
        no(
            &scene.says(json!({ "op": "remove", "path": path })).await,
            403,
            None,
        );
        let only = json!([{ "value": user(&scene.dana, "ann").await }]);
        let replaced = json!({ "op": "replace", "path": "members", "value": only });
        no(&scene.says(replaced).await, 403, None);
        let put = json!({ "displayName": "Approvers", "members": only });
        no(
            &scene
                .scim
                .send(Method::PUT, &scene.group, Some(&put), &[])
                .await,
            403,
            None,
        );
        assert_eq!(scene.team().await.len(), 2);
        // Dana asks for the same, and waits.
        let members = json!({ "members": ["ann@example.com"] });
        let asked = scene
            .dana
            .patch("/api/teams/approvers", &members)
            .await
            .waits();
        // With a second person it is done.
        says_yes(&scene.ann, &asked).await.done();
        assert_eq!(scene.team().await.len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_the_directory_sends_no_approver_away_however_many_owners_there_are() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let scene = Scene::new(&server, true).await;
        server.enrol("omar@example.com", TenantRole::Owner).await;
        let at = format!("{USERS}/{}", user(&scene.dana, "ann").await);
        let gone = patch(json!([{ "op": "replace", "path": "active", "value": false }]));
        no(&scene.scim.patch(&at, &gone).await, 403, None);
        no(&scene.scim.delete(&at).await, 403, None);
        let ann = scene.dana.get("/api/users/ann@example.com").await.done();
        assert_eq!(ann["status"], "active", "{ann}");
        // They are signed out all the same, and an owner takes a second person for the rest.
        scene
            .ann
            .get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        scene
            .dana
            .post(
                "/api/users/ann@example.com/disable",
                &json!({ "reason": "left" }),
            )
            .await
            .waits();
        // Who countersigns for nothing has left at once.
        let max = id(&scene.scim.post(USERS, &person("max")).await.done());
        server.enrol("max@example.com", TenantRole::Member).await;
        let max = scene
            .scim
            .patch(&format!("{USERS}/{max}"), &gone)
            .await
            .done();
        assert_eq!(max["active"], false);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_no_owner_alone_makes_anybody_the_directory() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, scim) = directory(&server).await;
        let omar = server.enrol("omar@example.com", TenantRole::Owner).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let path = "/api/identities/directory";
        let managers = json!({ "managers": ["dana@example.com", "lee@example.com"] });
        dana.patch(path, &managers).await.done();
        // Who manages it has no hold of it.
        let credentials = format!("{path}/credentials");
        let secret = json!({ "type": "client-secret" });
        lee.post(&credentials, &secret)
            .await
            .refused(403, "forbidden");
        let ends = (server.clock().now() + countersign_model::time::Seconds::days(30)).to_string();
        let acts = json!({ "impersonators": [{ "who": "lee@example.com", "until": ends }] });
        assert_eq!(lee.patch(path, &acts).await.status, 403);
        let more = json!({ "allowed_actions": ["case.read", "registry.scim.write"] });
        let described = json!({ "description": "the company's directory" });
        lee.patch(path, &described).await.done();
        // An owner asks another one.
        dana.patch(path, &acts).await.waits();
        dana.patch(path, &more).await.waits();
        let waits = async |path: &str, body: &Value| -> Value {
            let made = dana.post(path, body).await.done();
            assert_eq!(made["status"], "disabled", "{made}");
            let warnings = made["warnings"].as_array().unwrap();
            let warning = warnings.last().unwrap().as_str().unwrap();
            let approval = warning.rsplit(' ').next().unwrap();
            dana.get(&format!("/api/approvals/{approval}")).await.done()
        };
        let first = dana.get(&credentials).await.done()["items"][0].clone();
        let rotate = format!("/api/credentials/{}/rotate", id(&first));
        waits(&rotate, &json!({})).await;
        let asked = waits(&credentials, &secret).await;
        says_yes(&dana, &asked).await.refused(403, "self_approval");
        assert_eq!(says_yes(&omar, &asked).await.done()["status"], "redeemed");
        assert_eq!(scim.get(USERS).await.status, 200);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t32_who_has_left_has_left_however_it_is_written_and_nothing_is_said_twice() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (_, scim) = directory(&server).await;
        let core = "urn:ietf:params:scim:schemas:core:2.0:User";
        let at = format!("{USERS}/{}", id(&scim.post(USERS, &person("lee")).await.done()));
        let on = patch(json!([{ "op": "replace", "path": "active", "value": true }]));
        let inactive = json!({ "active": false });
        for gone in [
            json!({ "op": "replace", "path": core, "value": inactive }),
            json!({ "op": "replace", "value": { core: inactive } }),
            json!({ "op": "replace", "value": { core.to_uppercase(): { "Active": false } } }),
            json!({ "op": "replace", "path": format!("{core}:active"), "value": false }),
        ] {
            let answer = scim.patch(&at, &patch(json!([gone]))).await.done();
            assert_eq!(answer["active"], false, "{gone}");
            assert_eq!(scim.patch(&at, &on).await.done()["active"], true);
        }
        let mut whole = json!({ "schemas": [core], "userName": "lee@example.com" });
        whole[core] = inactive;
        let answer = scim.send(Method::PUT, &at, Some(&whole), &[]).await.done();
        assert_eq!(answer["active"], false);
        scim.patch(&at, &on).await.done();
        // What it does not know of another schema is left out; half of the core is no attribute.
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let other = json!([{ "op": "replace", "value": { enterprise: { "active": "x" } } }]);
        scim.patch(&at, &patch(other)).await.done();
        for (operation, kind) in [
            (json!({ "op": "remove", "path": core }), "noTarget"),
            (json!({ "op": "replace", "path": core, "value": false }), "noTarget"),
            (json!({ "op": "replace", "value": { core: false } }), "noTarget"),
            (json!({ "op": "replace", "value": { "active": false, "Active": true } }), "invalidSyntax"),
            (
                json!({ "op": "replace", "value": { "active": false, format!("{core}:active"): true } }),
                "invalidSyntax",
            ),
            (
                json!({ "op": "replace", "value": { "active": false, core: { "active": true } } }),
                "invalidSyntax",
            ),
            (
                json!({ "op": "replace", "path": "active", "value": false, "Value": true }),
                "invalidSyntax",
            ),
        ] {
            let answer = scim.patch(&at, &patch(json!([operation]))).await;
            no(&answer, 400, Some(kind));
        }
        for text in [
            r#"{"userName":"lee@example.com","active":false,"active":true}"#,
            r#"{"userName":"lee@example.com","active":true,"name":{"formatted":"a","formatted":"b"}}"#,
            r#"{"userName":"lee@example.com","active":true,"activ\u0065":false}"#,
            "[]",
        ] {
            let answer = reqwest::Client::new()
                .put(format!("{}{at}", scim.base()))
                .bearer_auth(scim.token())
                .header("content-type", "application/scim+json")
                .body(text)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 400, "{text}");
        }
        assert_eq!(scim.get(&at).await.done()["active"], true);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t29_a_name_is_one_line_that_everybody_sees_whole() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, scim) = directory(&server).await;
        let at = format!("{USERS}/{}", id(&scim.post(USERS, &person("lee")).await.done()));
        let hidden = ["\n", "\t", "\u{200b}", "\u{feff}", "\u{e0041}", "\u{202e}", "\u{ad}", "\u{2060}"];
        for (number, hidden) in hidden.iter().enumerate() {
            let text = format!("Dana{hidden}Example");
            for path in ["displayName", "externalId"] {
                let operation = json!([{ "op": "replace", "path": path, "value": text }]);
                no(&scim.patch(&at, &patch(operation)).await, 400, Some("invalidValue"));
            }
            let named = json!({ "display_name": text });
            dana.patch("/api/users/lee@example.com", &named)
                .await
                .refused(422, "unprocessable");
            let import = json!({
                "format": "csv", "file_name": format!("acc{hidden}ounts.csv"),
                "system": "erp", "text": format!("id\n{number}\n"),
            });
            dana.post("/api/imports", &import).await.done();
        }
        let accounts = dana.get("/api/observed-accounts").await.done();
        let accounts = accounts["items"].as_array().unwrap();
        assert_eq!(accounts.len(), hidden.len());
        for account in accounts {
            assert_eq!(account["provenance"]["file_name"], "accounts.csv", "{account}");
        }
        // What letters are joined by, and marks above them, are seen.
        let joined = json!({ "display_name": "\u{646}\u{627}\u{645}\u{647}\u{200c}\u{627}\u{6cc} e\u{301}" });
        dana.patch("/api/users/lee@example.com", &joined).await.done();
        server.stop().await;
    })
    .await;
}
