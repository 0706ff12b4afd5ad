//! SCIM: the company's directory keeps people and teams in step, and what it may not do.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Answer, Caller, TestServer, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

pub const USERS: &str = "/scim/v2/Users";
pub const GROUPS: &str = "/scim/v2/Groups";

/// A server whose owner Dana named this program as the directory.
pub async fn directory(server: &TestServer) -> (Caller, Caller) {
    let dana = server.owner().await;
    dana.project("it").await;
    let program = program(server, &dana, "directory").await;
    let named = json!({ "provisioner": "directory" });
    dana.patch("/api/tenant", &named).await.done();
    (dana, program)
}

/// A program with the action, and a token for the server's own API.
async fn program(server: &TestServer, owner: &Caller, name: &str) -> Caller {
    let fields = json!({ "allowed_actions": ["registry.scim.write"] });
    let identity = owner.identity("service_account", name, "it", fields).await;
    let secret = owner.secret(identity["id"].as_str().unwrap()).await;
    let fields = [("resource", server.issuer())];
    let token = server.anyone().client_token(&secret, &fields).await;
    server.anyone().with_token(token.access_token())
}

pub fn person(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("{name}@example.com"), "externalId": format!("ext-{name}"),
        "displayName": name, "active": true,
        "name": { "givenName": name, "familyName": "Example" },
        "emails": [{ "primary": true, "type": "work", "value": format!("{name}@example.com") }],
    })
}

pub fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// A refusal in SCIM's form.
pub fn no(answer: &Answer, status: u16, scim_type: Option<&str>) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/scim+json"));
    let body = answer.json();
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
        "{body}"
    );
    assert_eq!(body["status"], status.to_string(), "{body}");
    assert_eq!(body["scimType"].as_str(), scim_type, "{body}");
}

pub fn patch(operations: Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_makes_finds_and_changes_people() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, scim) = directory(&server).await;
        let made = scim.post(USERS, &person("lee")).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let lee = made.json();
        assert_eq!(made.header("location"), lee["meta"]["location"].as_str());
        assert_eq!(lee["userName"], "lee@example.com");
        assert_eq!(lee["externalId"], "ext-lee");
        // A member, invited by nobody, who never signed in.
        let user = dana.get("/api/users/lee@example.com").await.done();
        assert_eq!((&user["role"], &user["enrolled_at"]), (&json!("member"), &Value::Null));
        no(&scim.post(USERS, &person("lee")).await, 409, Some("uniqueness"));
        no(&scim.post(USERS, &json!({ "userName": "no address" })).await, 400, Some("invalidValue"));
        no(&scim.post(USERS, &json!({ "displayName": "x" })).await, 400, Some("invalidValue"));
        scim.post(USERS, &person("max")).await.done();

        for (filter, names) in [
            ("userName eq \"LEE@example.com\"", vec!["lee@example.com"]),
            ("externalId eq \"ext-max\"", vec!["max@example.com"]),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName Eq \"max@example.com\"", vec!["max@example.com"]),
            ("userName eq \"lee\"", vec![]),
            ("externalId eq \"\"", vec![]),
        ] {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("filter", filter)
                .finish();
            let found = scim.get(&format!("{USERS}?{query}")).await.done();
            let resources = found["Resources"].as_array().unwrap();
            let found: Vec<_> = resources.iter().map(|one| one["userName"].as_str().unwrap()).collect();
            assert_eq!(found, names, "{filter}");
        }
        for filter in ["userName+co+%22l%22", "title+eq+%22x%22", "userName+eq", "userName+eq+lee"] {
            no(&scim.get(&format!("{USERS}?filter={filter}")).await, 400, Some("invalidFilter"));
        }
        let first = scim.get(&format!("{USERS}?count=1")).await.done();
        assert_eq!((&first["totalResults"], &first["itemsPerPage"]), (&json!(3), &json!(1)));
        assert_eq!(first["Resources"][0]["userName"], "dana@example.com");
        let second = scim.get(&format!("{USERS}?startIndex=2&count=1&attributes=userName")).await.done();
        assert_eq!(second["Resources"][0]["userName"], "lee@example.com");
        assert_eq!(second["Resources"][0]["active"], Value::Null);
        let none = scim.get(&format!("{USERS}?startIndex=9&count=-1")).await.done();
        assert_eq!((&none["totalResults"], &none["Resources"]), (&json!(3), &json!([])));

        let at = format!("{USERS}/{}", id(&lee));
        assert_eq!(scim.get(&at).await.done()["id"], lee["id"]);
        let renamed = scim.patch(&at, &patch(json!([
            { "op": "Add", "path": "displayName", "value": "Lee Li" },
            { "op": "Replace", "path": "externalId", "value": "ext-2" },
            { "op": "replace", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "R" },
        ]))).await.done();
        assert_eq!((&renamed["displayName"], &renamed["externalId"]), (&json!("Lee Li"), &json!("ext-2")));
        server.clock().advance(Seconds(1));
        let mut whole = person("lee");
        whole["displayName"] = json!("Lee");
        assert_eq!(scim.send(Method::PUT, &at, Some(&whole), &[]).await.done()["displayName"], "Lee");
        // Codes to sign in are made for an address: the directory gives nobody another one.
        whole["userName"] = json!("dana@example.com");
        no(&scim.send(Method::PUT, &at, Some(&whole), &[]).await, 400, Some("mutability"));
        no(&scim.patch(&at, &patch(json!([{ "op": "replace", "path": "secret", "value": "x" }]))).await, 400, Some("invalidPath"));
        no(&scim.patch(&at, &patch(json!([{ "op": "replace", "path": "active", "value": "x" }]))).await, 400, Some("invalidValue"));
        no(&scim.patch(&at, &json!({})).await, 400, Some("invalidSyntax"));
        no(&scim.get(&format!("{USERS}/nobody")).await, 404, None);
        let plain = scim.anonymous().get(USERS).await;
        no(&plain, 401, None);
        assert!(plain.header("www-authenticate").unwrap().starts_with("Bearer"));
        // What it does is on record as its own.
        let found = dana.get("/api/evidence?kind=changed").await.done();
        let newest = found["items"][0]["id"].as_str().unwrap();
        let shown = dana.get(&format!("/api/evidence/{newest}")).await.done();
        let actor = shown["record"]["refs"].as_array().unwrap().iter().find(|one| one["role"] == "actor");
        assert_eq!(actor.unwrap()["name"], "directory", "{shown}");
        let told = server.anyone().get("/scim/v2/ServiceProviderConfig").await;
        assert_eq!(told.header("content-type"), Some("application/scim+json"));
        assert_eq!(told.done()["patch"]["supported"], true);
        // Each says where it stands, and stands there.
        for (path, count) in [("ResourceTypes", 2), ("Schemas", 2)] {
            let told = server.anyone().get(&format!("/scim/v2/{path}")).await;
            assert_eq!(told.header("content-type"), Some("application/scim+json"));
            let all = told.done()["Resources"].as_array().unwrap().clone();
            assert_eq!(all.len(), count);
            for one in all {
                let at = one["meta"]["location"].as_str().unwrap();
                let path = at.strip_prefix(server.issuer()).unwrap();
                assert_eq!(server.anyone().get(path).await.done(), one);
            }
            no(&server.anyone().get(&format!("/scim/v2/{path}/nothing")).await, 404, None);
        }
        server.stop().await;
    })
    .await;
}

/// Ten thousand more of a person, behind the server's back.
async fn crowd(server: &TestServer, of: &str, noun: &str) {
    let copies = |id: &str, name: &str, numbers: &str| {
        format!(
            "INSERT INTO record (id, tenant_id, noun, name, parent_id, version, epoch, status, doc, created_at, updated_at)
            SELECT {id}, tenant_id, noun, {name}, parent_id, version, epoch, status, doc, created_at, updated_at
            FROM record, {numbers} WHERE noun = '{noun}' AND name = '{of}'"
        )
    };
    let numbers = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i FROM n)";
    let sqlite = copies("randomblob(16)", "'x' || i", numbers);
    if server.try_sql(&sqlite).await.is_err() {
        let numbers = "generate_series(1, 10000) AS n(i)";
        let id = "uuid_send(gen_random_uuid())";
        server.sql(&copies(id, "'x' || i", numbers)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_ten_thousand_people_and_groups_is_read_in_pages() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (_, scim) = directory(&server).await;
        let max = scim.post(USERS, &person("max")).await.done();
        scim.post(USERS, &person("lee")).await.done();
        let group = json!({ "displayName": "Guests", "externalId": "g-1" });
        scim.post(GROUPS, &group).await.done();
        crowd(&server, "lee@example.com", "user").await;
        crowd(&server, "guests", "team").await;
        let all = scim.get(&format!("{USERS}?count=2")).await.done();
        assert_eq!(
            (&all["totalResults"], &all["itemsPerPage"]),
            (&json!(10_003), &json!(2))
        );
        let last = scim
            .get(&format!("{USERS}?startIndex=10002&count=9"))
            .await
            .done();
        assert_eq!(
            (&last["totalResults"], &last["itemsPerPage"]),
            (&json!(10_003), &json!(2))
        );
        let found = scim
            .get(&format!("{USERS}?filter=externalId+eq+%22ext-max%22"))
            .await
            .done();
        assert_eq!(
            (&found["totalResults"], &found["Resources"][0]["id"]),
            (&json!(1), &max["id"])
        );
        // It is found by what it is called there now.
        let at = format!("{USERS}/{}", id(&max));
        let called = json!([{ "op": "replace", "path": "externalId", "value": "ext-new" }]);
        scim.patch(&at, &patch(called)).await.done();
        for (name, total) in [("ext-max", 0), ("ext-new", 1)] {
            let found = scim
                .get(&format!("{USERS}?filter=externalId+eq+%22{name}%22"))
                .await
                .done();
            assert_eq!(found["totalResults"], total, "{name}");
        }
        let groups = scim
            .get(&format!("{GROUPS}?startIndex=10001&count=5"))
            .await
            .done();
        assert_eq!(
            (&groups["totalResults"], &groups["itemsPerPage"]),
            (&json!(10_001), &json!(1))
        );
        let named = scim
            .get(&format!(
                "{GROUPS}?filter=displayName+eq+%22guests%22&count=1"
            ))
            .await
            .done();
        assert_eq!(
            (&named["totalResults"], &named["itemsPerPage"]),
            (&json!(10_001), &json!(1))
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_1_who_is_inactive_in_the_directory_has_left_and_comes_back_by_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, scim) = directory(&server).await;
        scim.post(USERS, &person("lee")).await.done();
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let at = format!(
            "{USERS}/{}",
            id(&dana.get("/api/users/lee@example.com").await.done())
        );
        let fields = json!({ "sponsor": "lee@example.com", "managers": ["lee@example.com"] });
        let identity = dana.identity("bot", "triage", "it", fields).await;
        let bot = format!("/api/identities/{}", id(&identity));
        lee.post(&format!("{bot}/accept-sponsorship"), &json!({}))
            .await;
        for (off, on) in [
            (
                json!([{ "op": "Replace", "path": "active", "value": "False" }]),
                json!([{ "op": "Add", "path": "active", "value": "True" }]),
            ),
            (
                json!([{ "op": "replace", "value": { "active": false } }]),
                json!([{ "op": "replace", "value": { "active": true } }]),
            ),
        ] {
            let gone = scim.patch(&at, &patch(off)).await.done();
            assert_eq!(gone["active"], false);
            assert_eq!(
                dana.get("/api/users/lee@example.com").await.done()["status"],
                "disabled"
            );
            lee.get("/api/sessions/current")
                .await
                .refused(401, "token_revoked");
            let orphan = dana.get(&bot).await.done();
            assert_eq!(orphan["status"], "orphaned", "{orphan}");
            assert_eq!(orphan["sponsor"]["name"], "lee@example.com");
            assert_eq!(scim.patch(&at, &patch(on)).await.done()["active"], true);
            assert_eq!(
                dana.get("/api/users/lee@example.com").await.done()["status"],
                "active"
            );
            // What was orphaned stays so until somebody answers for it.
            assert_eq!(dana.get(&bot).await.done()["status"], "orphaned");
        }
        // Whom an owner switched off the directory does not switch on, whatever it said before and says after.
        let on = patch(json!([{ "op": "replace", "path": "active", "value": true }]));
        let off = patch(json!([{ "op": "replace", "path": "active", "value": false }]));
        let path = "/api/users/lee@example.com";
        let owner_says = async |word: &str| {
            dana.post(&format!("{path}/{word}"), &json!({}))
                .await
                .done();
        };
        scim.patch(&at, &off).await.done();
        owner_says("enable").await;
        owner_says("disable").await;
        no(&scim.patch(&at, &on).await, 403, None);
        owner_says("enable").await;
        scim.patch(&at, &off).await.done();
        owner_says("disable").await;
        no(&scim.patch(&at, &on).await, 403, None);
        assert_eq!(dana.get(path).await.done()["status"], "disabled");
        scim.patch(
            &at,
            &patch(json!([{ "op": "replace", "path": "active", "value": false }])),
        )
        .await
        .done();
        no(&scim.patch(&at, &on).await, 403, None);
        assert_eq!(scim.delete(&at).await.status, 204);
        no(&scim.get(&at).await, 404, None);
        no(&scim.delete(&at).await, 404, None);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_a_directory_makes_and_touches_no_owner_and_only_the_named_one_may() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, scim) = directory(&server).await;
        let at = format!(
            "{USERS}/{}",
            id(&dana.get("/api/users/dana@example.com").await.done())
        );
        for body in [
            patch(json!([{ "op": "replace", "path": "displayName", "value": "x" }])),
            patch(json!([{ "op": "add", "path": "externalId", "value": "mine" }])),
        ] {
            no(&scim.patch(&at, &body).await, 403, None);
        }
        assert_eq!(dana.get("/api/sessions/current").await.status, 200);
        // An owner who has left is signed out everywhere, and stays an owner until another one sends them away.
        let mut gone = person("dana");
        gone["active"] = json!(false);
        no(
            &scim.send(Method::PUT, &at, Some(&gone), &[]).await,
            403,
            None,
        );
        dana.get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        let dana = server.owner().await;
        no(&scim.delete(&at).await, 403, None);
        dana.get("/api/sessions/current")
            .await
            .refused(401, "token_revoked");
        let dana = server.owner().await;
        let owner = dana.get("/api/users/dana@example.com").await.done();
        assert_eq!(
            (&owner["role"], &owner["status"]),
            (&json!("owner"), &json!("active"))
        );
        let shown = scim.get(&at).await.done();
        assert_eq!(
            (&shown["active"], &shown["externalId"]),
            (&json!(true), &Value::Null)
        );
        no(
            &scim.post(USERS, &person("dana")).await,
            409,
            Some("uniqueness"),
        );
        let mut owner = person("lee");
        owner["roles"] = json!([{ "value": "owner", "primary": true }]);
        scim.post(USERS, &owner).await.done();
        assert_eq!(
            dana.get("/api/users/lee@example.com").await.done()["role"],
            "member"
        );
        assert_eq!(
            dana.get("/api/users/dana@example.com").await.done()["status"],
            "active"
        );
        // Another program with the action, a person, and the directory without the action, are none.
        let other = program(&server, &dana, "another").await;
        for caller in [&other, &dana] {
            no(&caller.get(USERS).await, 403, None);
            no(&caller.post(USERS, &person("eve")).await, 403, None);
            no(
                &caller.post(GROUPS, &json!({ "displayName": "x" })).await,
                403,
                None,
            );
        }
        let path = "/api/identities/directory";
        dana.patch(path, &json!({ "denied_actions": ["registry.scim.write"] }))
            .await
            .done();
        no(&scim.get(USERS).await, 403, None);
        no(&scim.post(USERS, &person("eve")).await, 403, None);
        // A member who has a project makes no directory, and another one takes a second owner.
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        let named = json!({ "provisioner": "another" });
        mo.patch("/api/tenant", &named)
            .await
            .refused(403, "forbidden");
        server.enrol("omar@example.com", TenantRole::Owner).await;
        assert_eq!(dana.patch("/api/tenant", &named).await.status, 202);
        no(&other.get(USERS).await, 403, None);
        assert_eq!(
            dana.patch("/api/tenant", &json!({ "provisioner": "" }))
                .await
                .status,
            200
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_a_directory_are_teams_of_its_own() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let (dana, scim) = directory(&server).await;
        let lee = id(&scim.post(USERS, &person("lee")).await.done());
        let max = id(&scim.post(USERS, &person("max")).await.done());
        let made = json!({ "displayName": "Platform Engineering", "externalId": "g-1" });
        let group = scim.post(GROUPS, &made).await.done();
        assert_eq!((&group["displayName"], &group["members"]), (&made["displayName"], &json!([])));
        // Sent again it is the same group; another of the same letters is not.
        no(&scim.post(GROUPS, &made).await, 409, Some("uniqueness"));
        let mut names = Vec::new();
        for called in ["営業部", "経理部", "R&D", "R D", "Platform-Engineering"] {
            let made = scim.post(GROUPS, &json!({ "displayName": called })).await;
            assert_eq!(made.status, 201, "{called}: {}", made.text());
            let team = dana.get(&format!("/api/teams/{}", id(&made.json()))).await.done();
            names.push(team["name"].as_str().unwrap().to_owned());
        }
        let begin = ["group-", "group-", "r-d", "r-d-", "platform-engineering-"];
        assert!(names.iter().zip(begin).all(|(name, begins)| name.starts_with(begins)), "{names:?}");
        // One that was deleted can be made again.
        let gone = scim.post(GROUPS, &json!({ "displayName": "Gone" })).await.done();
        assert_eq!(scim.delete(&format!("{GROUPS}/{}", id(&gone))).await.status, 204);
        assert_eq!(scim.post(GROUPS, &json!({ "displayName": "Gone" })).await.status, 201);
        let at = format!("{GROUPS}/{}", id(&group));
        let members = |group: &Value| -> Vec<String> {
            let members = group["members"].as_array().unwrap().iter();
            members.map(|one| one["value"].as_str().unwrap().to_owned()).collect()
        };
        let joined = scim.patch(&at, &patch(json!([
            { "op": "Add", "path": "members", "value": [{ "value": lee }, { "value": max }] },
        ]))).await.done();
        assert_eq!(members(&joined), [lee.clone(), max.clone()]);
        let team = dana.get("/api/teams/platform-engineering").await.done();
        assert_eq!(team["members"].as_array().unwrap().len(), 2, "{team}");
        let left = scim.patch(&at, &patch(json!([
            { "op": "remove", "path": format!("members[value eq \"{lee}\"]") },
            { "op": "replace", "path": "displayName", "value": "Platform" },
        ]))).await.done();
        assert_eq!((members(&left), &left["displayName"]), (vec![max.clone()], &json!("Platform")));
        let found = scim.get(&format!("{GROUPS}?filter=displayName+eq+%22platform%22&excludedAttributes=members")).await.done();
        assert_eq!((&found["totalResults"], &found["Resources"][0]["members"]), (&json!(1), &Value::Null));
        no(&scim.patch(&at, &patch(json!([{ "op": "add", "path": "members", "value": [{ "value": "nobody" }] }]))).await, 404, None);
        // Operations are applied one after the other (RFC 7644 §3.5.2).
        let add = |who: &str| json!({ "op": "add", "path": "members", "value": [{ "value": who }] });
        let remove = |who: &str| json!({ "op": "remove", "path": format!("members[value eq \"{who}\"]") });
        let are = |who: &str| json!({ "op": "replace", "path": "members", "value": [{ "value": who }] });
        let none = json!({ "op": "remove", "path": "members" });
        for (operations, left) in [
            (json!([remove(&max), add(&max)]), vec![&max]),
            (json!([add(&max), remove(&max), add(&lee)]), vec![&lee]),
            (json!([add(&max), are(&lee)]), vec![&lee]),
            (json!([add(&max), none]), vec![]),
            (json!([none, add(&lee), are(&lee), add(&max), remove(&lee)]), vec![&max]),
        ] {
            let now = scim.patch(&at, &patch(operations.clone())).await.done();
            assert_eq!(members(&now).iter().collect::<Vec<_>>(), left, "{operations}");
        }
        for filter in [
            format!("members[value eq \"{max}\" or value eq \"{lee}\"]"),
            format!("members[value eq \"{max}\" x]"),
            format!("members[value ne \"{max}\"]"),
            format!("members[value eq {max}]"),
            "members[]".to_owned(),
            "members[".to_owned(),
        ] {
            let body = patch(json!([{ "op": "remove", "path": filter }]));
            no(&scim.patch(&at, &body).await, 400, Some("invalidFilter"));
        }
        assert_eq!(members(&scim.get(&at).await.done()), std::slice::from_ref(&max));

        // What answers for something is never empty, and is not deleted.
        let bot = dana.identity("bot", "triage", "it", json!({ "owner": "team:platform-engineering" })).await;
        assert_eq!(bot["owner"]["name"], "platform-engineering", "{bot}");
        no(&scim.patch(&at, &patch(json!([{ "op": "remove", "path": "members" }]))).await, 403, None);
        assert_eq!(scim.delete(&at).await.status, 409);
        // A team that people made is not the directory's.
        let people = json!({ "name": "people", "members": ["dana@example.com"] });
        let people = dana.post("/api/teams", &people).await.done();
        let theirs = format!("{GROUPS}/{}", id(&people));
        no(&scim.get(&theirs).await, 404, None);
        no(&scim.patch(&theirs, &patch(json!([{ "op": "add", "path": "members", "value": [{ "value": lee }] }]))).await, 404, None);
        no(&scim.delete(&theirs).await, 404, None);
        let other = scim.post(GROUPS, &json!({ "displayName": "People" })).await.done();
        assert_ne!(id(&other), id(&people));
        // Nobody becomes an approver by it.
        let guarded = json!({
            "requires_approval": true, "environments": ["production"],
            "approval_rule": { "approvers": ["team:platform-engineering"], "required": 1 },
        });
        let answer = dana.patch(&format!("/api/identities/{}", id(&bot)), &guarded).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        no(&scim.patch(&at, &patch(json!([{ "op": "add", "path": "members", "value": [{ "value": lee }] }]))).await, 403, None);
        assert_eq!(members(&scim.get(&at).await.done()), [max]);
        // One that answers for nothing is emptied and deleted.
        let other = scim.post(GROUPS, &json!({ "displayName": "Guests", "members": [{ "value": lee }] })).await.done();
        let other = format!("{GROUPS}/{}", id(&other));
        let put = json!({ "displayName": "Guests" });
        assert_eq!(members(&scim.send(Method::PUT, &other, Some(&put), &[]).await.done()), Vec::<String>::new());
        assert_eq!(scim.delete(&other).await.status, 204);
        no(&scim.get(&other).await, 404, None);
        server.stop().await;
    })
    .await;
}
