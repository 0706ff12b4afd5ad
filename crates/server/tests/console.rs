//! The console's side of the server: a browser's session is a caller, no token reaches it, and only our own pages use it (T27).

use countersign_crypto::countersignature::{BadCountersignature, Decision, verify};
use countersign_model::{countersignature::Countersignature, registry::TenantRole, time::Seconds};
use countersign_testkit::{Answer, Authenticator, Caller, TestServer, on_each_database};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    passkeys::{ORIGIN, OWN, cookie, named, page, passkey, show},
    story::{base_token, open, with_approver},
};

/// A person in a browser, as a page of ours speaks for them.
struct Page<'a> {
    server: &'a TestServer,
    cookie: String,
    csrf: String,
}

impl<'a> Page<'a> {
    /// Registers a passkey of this person and signs a browser in with it.
    async fn of(server: &'a TestServer, person: &Caller) -> Self {
        let mut key = passkey(server, person).await;
        Self::with(server, &mut key).await
    }

    async fn with(server: &'a TestServer, key: &mut Authenticator) -> Self {
        let cookie = cookie(&show(server, key).await);
        let mut page = Self {
            server,
            cookie,
            csrf: String::new(),
        };
        let told = page.get("/api/console").await.done();
        told["csrf_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut page.csrf);
        page
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        more: &[(&str, &str)],
    ) -> Answer {
        let mut headers = vec![("cookie", self.cookie.as_str())];
        headers.extend(more);
        self.server
            .anyone()
            .send(method, path, body, &headers)
            .await
    }

    /// What the person's passkey answers when it is asked about a decision.
    async fn signed(&self, key: &mut Authenticator, approval: &Value, approved: bool) -> Value {
        let path = format!("/api/approvals/{}/challenge", id(approval));
        let about = json!({ "approved": approved, "digest": approval["digest"] });
        let asked = self.post(&path, &about).await.done();
        json!({ "ceremony": asked["ceremony"], "credential": key.get(&asked["options"]) })
    }

    async fn decide(&self, key: &mut Authenticator, approval: &Value, verb: &str) -> Answer {
        let passkey = self.signed(key, approval, verb == "approve").await;
        self.say(approval, verb, &passkey).await
    }

    async fn say(&self, approval: &Value, verb: &str, passkey: &Value) -> Answer {
        let path = format!("/api/approvals/{}/{verb}", id(approval));
        let body = json!({ "digest": approval["digest"], "passkey": passkey });
        self.post(&path, &body).await
    }

    async fn get(&self, path: &str) -> Answer {
        let own = [("sec-fetch-site", "same-origin")];
        self.send(Method::GET, path, None, &own).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.write(Method::POST, path, body).await
    }

    async fn write(&self, method: Method, path: &str, body: &Value) -> Answer {
        let own = [OWN, ("x-csrf-token", self.csrf.as_str())];
        self.send(method, path, Some(body), &own).await
    }
}

fn id(approval: &Value) -> &str {
    approval["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_browser_is_a_caller_and_no_token_reaches_it() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let there = Page::of(&server, &dana).await;
        let told = there.get("/api/console").await;
        assert_eq!(told.header("cache-control"), Some("no-store"));
        assert!(!told.text().contains("eyJ"), "{}", told.text());
        let told = told.done();
        assert_eq!(told["user"]["email"], "dana@example.com");
        assert_eq!(told["tenant"]["name"], "default");
        // It is the person, with the same rights and the presence of the passkey.
        let who = there.get("/api/sessions/current").await.done();
        assert_eq!(who["name"], "dana@example.com");
        assert_eq!(who["id"], told["user"]["id"]);
        assert_eq!(there.get("/api/identities").await.status, 200);
        let made = there.post("/api/projects", &json!({ "name": "release" })).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let id = made.json()["id"].as_str().unwrap().to_owned();
        // On record: by this person, and it follows from the sign-in in the browser.
        let person = who["id"].as_str().unwrap();
        let found = dana
            .get(&format!("/api/evidence?person={person}"))
            .await
            .done();
        let items = found["items"].as_array().unwrap();
        let record = items
            .iter()
            .find(|item| item.to_string().contains(&id))
            .expect("the record of the project");
        let path = format!("/api/evidence/{}", record["id"].as_str().unwrap());
        let record = dana.get(&path).await.done();
        let parent = record["parents"][0].as_str().unwrap();
        let entered = dana.get(&format!("/api/evidence/{parent}")).await.done();
        assert_eq!(entered["kind"], "signed_in", "{record}");
        assert!(entered.to_string().contains("\"passkey\""), "{entered}");
        // A secret is shown once and kept by no cache.
        let identity = json!({
            "kind": "service_account", "name": "backup", "project": "release", "purpose": "copies what matters",
            "sponsor": "dana@example.com", "managers": ["dana@example.com"],
        });
        let identity = there.post("/api/identities", &identity).await;
        assert_eq!(identity.status, 201, "{}", identity.text());
        let path = format!("/api/identities/{}/credentials", identity.json()["id"].as_str().unwrap());
        let secret = there.post(&path, &json!({ "type": "client-secret" })).await;
        assert_eq!(secret.status, 201, "{}", secret.text());
        assert_eq!(secret.header("cache-control"), Some("no-store"));
        // A token has no console, and no session has another's.
        dana.get("/api/console").await.refused(403, "forbidden");
        server.anyone().get("/api/console").await.refused(401, "unauthenticated");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_a_cookie_alone_does_nothing_and_only_our_own_pages_ask_with_it() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let mut key = passkey(&server, &lee).await;
        let there = Page::with(&server, &mut key).await;
        let other = Page::of(&server, &pipeline.owner).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        let path = format!(
            "/api/approvals/{}/approve",
            approval["id"].as_str().unwrap()
        );
        let body = json!({ "digest": approval["digest"] });
        let own = ("x-csrf-token", there.csrf.as_str());
        let foreign: [&[(&str, &str)]; 10] = [
            &[],
            &[OWN],
            &[own],
            &[own, ("origin", "https://evil.example")],
            &[own, ("origin", "http://localhost:8401")],
            &[own, ("origin", "null")],
            &[own, ("sec-fetch-site", "same-site")],
            &[OWN, ("x-csrf-token", &other.csrf)],
            &[OWN, ("x-csrf-token", "")],
            &[OWN, own, own],
        ];
        for headers in foreign {
            let answer = there.send(Method::POST, &path, Some(&body), headers).await;
            answer.refused(403, "forbidden");
        }
        let shown = lee.get(path.trim_end_matches("/approve")).await.done();
        assert_eq!(shown["status"], "pending");
        // What only reads is not asked by a page of another site, nor by one of another port of this machine.
        for site in ["cross-site", "same-site"] {
            for path in ["/api/console", "/api/identities"] {
                let asked = there
                    .send(Method::GET, path, None, &[("sec-fetch-site", site)])
                    .await;
                asked.refused(403, "forbidden");
            }
        }
        for headers in [&[][..], &[("sec-fetch-site", "none")]] {
            let asked = there
                .send(Method::GET, "/api/identities", None, headers)
                .await;
            assert_eq!(asked.status, 200);
        }
        // No answer of ours lets another origin read it.
        let preflight = there
            .send(
                Method::OPTIONS,
                &path,
                None,
                &[
                    ("origin", "https://evil.example"),
                    ("access-control-request-method", "POST"),
                ],
            )
            .await;
        assert!(preflight.header("access-control-allow-origin").is_none());
        // Somebody proved who they are each time: each is on record.
        let id = lee.get("/api/sessions/current").await.done()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let refused = pipeline
            .owner
            .get(&format!("/api/evidence?kind=refused&person={id}"))
            .await
            .done();
        assert_eq!(refused["items"].as_array().unwrap().len(), 14, "{refused}");
        // The endpoints of OAuth take no cookie.
        let form = [("token", "x"), ("token_type_hint", "access_token")];
        for path in ["/oauth2/introspect", "/oauth2/revoke", "/oauth2/token"] {
            let headers = [OWN, own, ("cookie", there.cookie.as_str())];
            let answer = server.anyone().form(path, &form, &headers).await;
            assert!(
                matches!(answer.status, 400 | 401),
                "{path}: {}",
                answer.text()
            );
        }
        // With the page's own words, and with the passkey that no page has, it is done.
        there.post(&path, &body).await.refused(403, "forbidden");
        let done = there.decide(&mut key, &approval, "approve").await;
        assert_eq!(done.status, 200, "{}", done.text());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_a_cookie_is_of_one_tenant_and_a_token_counts_before_it() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let there = Page::of(&server, &dana).await;
        server.tenant("acme", "dana@example.com").await;
        for path in [
            "/t/acme/api/console",
            "/t/acme/api/identities",
            "/t/acme/api/sessions/current",
        ] {
            there.get(path).await.refused(401, "unauthenticated");
        }
        let own = [OWN, ("x-csrf-token", there.csrf.as_str())];
        let body = json!({ "name": "release" });
        let made = there
            .send(Method::POST, "/t/acme/api/projects", Some(&body), &own)
            .await;
        made.refused(401, "unauthenticated");
        // Who sends a token is judged by it alone, and one in the wrong place is refused whatever else comes.
        let bad = ("authorization", "Bearer eyJh.e30.c2ln");
        let answer = there
            .send(Method::GET, "/api/identities", None, &[bad])
            .await;
        answer.refused(401, "token_invalid");
        let basic = ("authorization", "Basic YTpi");
        let answer = there
            .send(Method::GET, "/api/identities", None, &[basic])
            .await;
        answer.refused(401, "token_invalid");
        let answer = there.get("/api/identities?access_token=x").await;
        answer.refused(401, "token_invalid");
        let both = format!("{}; t={}", there.cookie, dana.token());
        let answer = page(&server, "/api/identities", &both).await;
        answer.refused(401, "token_invalid");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_ends_when_its_session_does() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let mut key = passkey(&server, &dana).await;
        let idle = Page::with(&server, &mut key).await;
        let mut lees_key = passkey(&server, &lee).await;
        let lees = Page::with(&server, &mut lees_key).await;
        for _ in 0..2 {
            server.clock().advance(Seconds(29 * 60));
            assert_eq!(idle.get("/api/identities").await.status, 200, "in use");
        }
        lees.get("/api/console")
            .await
            .refused(401, "unauthenticated");
        server.clock().advance(Seconds(30 * 60));
        idle.get("/api/identities")
            .await
            .refused(401, "unauthenticated");
        // At its absolute end, however busy.
        let busy = Page::with(&server, &mut key).await;
        for _ in 0..24 {
            server.clock().advance(Seconds(29 * 60));
            assert_eq!(busy.get("/api/console").await.status, 200);
        }
        server.clock().advance(Seconds(25 * 60));
        busy.get("/api/console")
            .await
            .refused(401, "unauthenticated");
        // Signed out by the page, or ended from elsewhere.
        let out = Page::with(&server, &mut key).await;
        let elsewhere = Page::with(&server, &mut key).await;
        let own = [OWN, ("x-csrf-token", out.csrf.as_str())];
        let ended = out
            .send(Method::DELETE, "/api/sessions/current", None, &own)
            .await;
        assert_eq!(ended.status, 204, "{}", ended.text());
        assert!(ended.header("set-cookie").unwrap().contains("Max-Age=0"));
        out.get("/api/console")
            .await
            .refused(401, "unauthenticated");
        let listed = elsewhere.get("/api/sessions").await.done();
        let items = listed["items"].as_array().unwrap();
        let current: Vec<_> = items.iter().filter(|one| one["current"] == true).collect();
        assert_eq!(current.len(), 1, "{listed}");
        assert_eq!(current[0]["place"], "browser");
        let path = format!("/api/sessions/{}", current[0]["id"].as_str().unwrap());
        let dana = server.owner().await;
        assert_eq!(dana.delete(&path).await.status, 204);
        elsewhere
            .get("/api/console")
            .await
            .refused(401, "unauthenticated");
        // Whoever is disabled is signed in nowhere.
        let lees = Page::with(&server, &mut lees_key).await;
        dana.post("/api/users/lee@example.com/disable", &json!({}))
            .await
            .done();
        lees.get("/api/console")
            .await
            .refused(401, "unauthenticated");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_front_page_is_the_console_or_says_that_it_was_left_out() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let front = server.anyone().get("/").await;
        assert_eq!(front.status, 200);
        assert_eq!(front.header("cache-control"), Some("no-store"));
        assert_eq!(front.header("x-frame-options"), Some("DENY"));
        // With `no-referrer` a browser says `Origin: null` of the page's own forms.
        assert_eq!(front.header("referrer-policy"), Some("same-origin"));
        assert_eq!(front.header("x-content-type-options"), Some("nosniff"));
        let policy = front.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = front.text();
        assert!(!text.contains("__CSP_NONCE__"));
        if text.contains("left out") {
            assert!(text.contains(&format!("{ORIGIN}/login")), "{text}");
        } else {
            // The files that the page names are there, never change, and are smaller when asked so.
            let (_, rest) = text.split_once(" src=\"").unwrap();
            let file = rest.split('"').next().unwrap();
            let plain = server.anyone().get(file).await;
            assert_eq!(plain.status, 200);
            assert!(plain.header("cache-control").unwrap().contains("immutable"));
            let packed = [("accept-encoding", "br")];
            let packed = server.anyone().send(Method::GET, file, None, &packed).await;
            assert_eq!(packed.header("content-encoding"), Some("br"));
            assert_eq!(packed.header("vary"), Some("accept-encoding"));
        }
        // Another tenant's is below its issuer, whose address leads there.
        server.tenant("acme", "ann@acme.example").await;
        let bare = server.anyone().get("/t/acme").await;
        assert_eq!(
            (bare.status, bare.header("location")),
            (308, Some("/t/acme/"))
        );
        assert_eq!(server.anyone().get("/t/acme/").await.status, 200);
        server
            .anyone()
            .get("/t/none/")
            .await
            .refused(404, "not_found");
        for missing in [
            "/assets/none.js",
            "/assets/index.html",
            "/assets/x",
            "/index.html",
        ] {
            server.anyone().get(missing).await.refused(404, "not_found");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_in_a_browser_is_signed_by_a_passkey_and_anybody_verifies_it_later() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let mut key = passkey(&server, &lee).await;
        let there = Page::with(&server, &mut key).await;
        let approval = open(&base_token(&server, &pipeline).await).await;
        let decided = there.decide(&mut key, &approval, "approve").await.done();
        assert_eq!(decided["status"], "approved");
        // Of what anybody who may read it is shown.
        let shown = pipeline
            .owner
            .get(&format!("/api/approvals/{}", id(&approval)))
            .await
            .done();
        let kept = &shown["decisions"][0]["countersignature"];
        let kept: Countersignature =
            serde_json::from_value(kept.clone()).expect("a countersignature");
        assert_eq!(
            (kept.relying_party.as_str(), kept.origin.as_str()),
            ("localhost", ORIGIN)
        );
        let decision = Decision {
            approval_id: id(&approval).parse().unwrap(),
            digest: approval["digest"].as_str().unwrap(),
            approved: true,
            nonce: &kept.nonce,
        };
        assert_eq!(verify(&kept, &decision), Ok(()));
        let denied = Decision {
            approved: false,
            ..decision
        };
        assert_eq!(verify(&kept, &denied), Err(BadCountersignature::Decision));
        // And of the record itself, whose bytes are in the log.
        let found = lee.get("/api/evidence?kind=approval_decided").await.done();
        let summary = &found["items"][0];
        assert!(
            summary["summary"]
                .as_str()
                .unwrap()
                .contains("with a passkey's signature"),
            "{summary}"
        );
        let record = lee
            .get(&format!("/api/evidence/{}", id(summary)))
            .await
            .done();
        assert_eq!(record["record"]["proof"], "passkey");
        let logged = serde_json::from_value(record["record"]["countersignature"].clone());
        assert_eq!(logged.ok(), Some(kept));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_a_passkeys_signature_is_for_one_decision_of_its_person_and_is_used_once() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let mut key = passkey(&server, &lee).await;
        let there = Page::with(&server, &mut key).await;
        let mut danas = passkey(&server, &pipeline.owner).await;
        let other = Page::with(&server, &mut danas).await;
        let run = base_token(&server, &pipeline).await;
        let approval = open(&run).await;
        let no = |answer: Answer| drop(answer.refused(401, "credential_invalid"));
        // A no is no yes, and what was asked of one person is not answered by another.
        let denying = there.signed(&mut key, &approval, false).await;
        no(there.say(&approval, "approve", &denying).await);
        let of_other = other.signed(&mut danas, &approval, true).await;
        no(there.say(&approval, "approve", &of_other).await);
        // A sign-in is no decision.
        let asked = server
            .anyone()
            .send(Method::POST, "/login/begin", Some(&json!({})), &[OWN])
            .await
            .done();
        let sign_in =
            json!({ "ceremony": asked["ceremony"], "credential": key.get(&asked["options"]) });
        no(there.say(&approval, "approve", &sign_in).await);
        // Nobody was verified, at another origin, by another key, too late.
        key.verifies = false;
        let unverified = there.signed(&mut key, &approval, true).await;
        no(there.say(&approval, "approve", &unverified).await);
        key.verifies = true;
        key.origin = "https://localhost.evil.example".to_owned();
        let elsewhere = there.signed(&mut key, &approval, true).await;
        no(there.say(&approval, "approve", &elsewhere).await);
        key.origin = ORIGIN.to_owned();
        let foreign = there.signed(&mut danas, &approval, true).await;
        no(there.say(&approval, "approve", &foreign).await);
        let late = there.signed(&mut key, &approval, true).await;
        server.clock().advance(Seconds(301));
        no(there.say(&approval, "approve", &late).await);
        // Who may not see it is asked nothing, and a program has no passkey.
        let stranger = server.enrol("kim@example.com", TenantRole::Member).await;
        let path = format!("/api/approvals/{}/challenge", id(&approval));
        let about = json!({ "approved": true, "digest": approval["digest"] });
        stranger.post(&path, &about).await.refused(404, "not_found");
        let program = run.post(&path, &about).await;
        assert!(matches!(program.status, 401 | 403), "{}", program.text());
        // It is used once.
        let signed = there.signed(&mut key, &approval, true).await;
        let said = there.say(&approval, "approve", &signed).await;
        assert_eq!(said.status, 200, "{}", said.text());
        let again = there.say(&approval, "approve", &signed).await;
        assert!(again.status >= 400, "{}", again.text());
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_takes_signed_decisions_alone_when_it_says_so_and_one_person_does_not_end_that() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let (pipeline, lee) = with_approver(&server).await;
        let on = json!({ "approvals_need_passkey": true });
        let owner = &pipeline.owner;
        owner
            .patch("/api/tenant", &on)
            .await
            .refused(422, "unprocessable");
        let mut owners = passkey(&server, owner).await;
        let mut key = passkey(&server, &lee).await;
        assert_eq!(
            owner.patch("/api/tenant", &on).await.done()["approvals_need_passkey"],
            true
        );
        let approval = open(&base_token(&server, &pipeline).await).await;
        let path = format!("/api/approvals/{}/approve", id(&approval));
        let body = json!({ "digest": approval["digest"] });
        lee.post(&path, &body).await.refused(403, "forbidden");
        // Whoever stole the token of somebody who has no passkey makes none to sign with.
        let kim = server.enrol("kim@example.com", TenantRole::Owner).await;
        kim.post("/api/passkeys", &json!({}))
            .await
            .refused(403, "forbidden");
        let there = Page::with(&server, &mut key).await;
        assert_eq!(
            there.decide(&mut key, &approval, "approve").await.done()["status"],
            "approved"
        );
        // Without it again: a second person signs that too.
        let off = json!({ "approvals_need_passkey": false });
        owner
            .patch("/api/tenant", &off)
            .await
            .refused(403, "forbidden");
        let own = Page::with(&server, &mut owners).await;
        server.clock().advance(Seconds(301));
        own.write(Method::PATCH, "/api/tenant", &off)
            .await
            .refused(401, "presence_too_old");
        let own = Page::with(&server, &mut owners).await;
        let waits = own.write(Method::PATCH, "/api/tenant", &off).await;
        assert_eq!(waits.status, 202, "{}", waits.text());
        assert_eq!(
            owner.get("/api/tenant").await.done()["approvals_need_passkey"],
            true
        );
        let done = there.decide(&mut key, &waits.json(), "approve").await;
        assert_eq!(done.status, 200, "{}", done.text());
        assert_eq!(
            owner.get("/api/tenant").await.done()["approvals_need_passkey"],
            false
        );
        server.stop().await;
    })
    .await;
}
