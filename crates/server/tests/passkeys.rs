//! Passkeys and the pages: a person makes one, signs in with it, and confirms a command line; and those who abuse it (T27, T28).

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{
    Answer, Authenticator, Caller, Database, TestServer, claims, on_each_database,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::device_login::{begin, poll, signed_in};

pub const ORIGIN: &str = "http://localhost:8400";
pub const OWN: (&str, &str) = ("origin", ORIGIN);

/// A server with a name: browsers have no passkeys for addresses of numbers.
pub async fn named(database: &Database) -> TestServer {
    TestServer::start_with(database, |config| {
        config.server.issuer = Some(ORIGIN.to_owned());
    })
    .await
}

pub async fn post(server: &TestServer, path: &str, body: &Value) -> Answer {
    server
        .anyone()
        .send(Method::POST, path, Some(body), &[OWN])
        .await
}

/// What stands behind the `#` of a link for this person.
async fn link(person: &Caller) -> String {
    let made = person.post("/api/passkeys", &json!({})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let url = made.json()["url"].as_str().unwrap().to_owned();
    let (page, link) = url.split_once('#').expect("the link is behind the #");
    assert_eq!(page, format!("{ORIGIN}/passkeys"));
    link.to_owned()
}

pub async fn register(server: &TestServer, link: &str, key: &mut Authenticator) -> Answer {
    let asked = post(server, "/passkeys/begin", &json!({ "link": link }))
        .await
        .done();
    let credential = key.create(&asked["options"]);
    let body = json!({
        "link": link, "ceremony": asked["ceremony"], "name": "ring", "credential": credential,
    });
    post(server, "/passkeys/finish", &body).await
}

/// A passkey of this person.
pub async fn passkey(server: &TestServer, person: &Caller) -> Authenticator {
    let mut key = Authenticator::new(ORIGIN);
    let made = register(server, &link(person).await, &mut key).await;
    assert_eq!(made.status, 204, "{}", made.text());
    key
}

pub async fn show(server: &TestServer, key: &mut Authenticator) -> Answer {
    let asked = post(server, "/login/begin", &json!({})).await.done();
    let credential = key.get(&asked["options"]);
    let body = json!({ "ceremony": asked["ceremony"], "credential": credential });
    post(server, "/login/finish", &body).await
}

/// The cookie of an answer, as a browser sends it back.
pub fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 204, "{}", answer.text());
    let set = answer.header("set-cookie").expect("a cookie");
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(set.contains(part), "{set}");
    }
    set.split(';').next().unwrap().to_owned()
}

/// Removes something as the console does.
async fn remove(server: &TestServer, session: &str, path: &str) -> Answer {
    let told = page(server, "/api/console", session).await.done();
    let csrf = told["csrf_token"].as_str().unwrap();
    let headers = [OWN, ("cookie", session), ("x-csrf-token", csrf)];
    server
        .anyone()
        .send(Method::DELETE, path, None, &headers)
        .await
}

pub async fn page(server: &TestServer, path: &str, cookie: &str) -> Answer {
    server
        .anyone()
        .send(Method::GET, path, None, &[("cookie", cookie)])
        .await
}

/// What every form of the session sends back.
fn token(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text.split_once("name=\"token\" value=\"").expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

async fn form(
    server: &TestServer,
    path: &str,
    fields: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Answer {
    server.anyone().form(path, fields, headers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_a_token_made_makes_no_further_passkey_later() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let (first, second) = (link(&dana).await, link(&dana).await);
        let mut own = Authenticator::new(ORIGIN);
        assert_eq!(register(&server, &first, &mut own).await.status, 204);
        let mut stolen = Authenticator::new(ORIGIN);
        let refused = register(&server, &second, &mut stolen).await;
        refused.refused(403, "forbidden");
        let listed = dana.get("/api/passkeys").await.done();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_makes_a_passkey_signs_in_with_it_and_confirms_a_command_line() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let mut key = passkey(&server, &dana).await;
        let listed = dana.get("/api/passkeys").await.done();
        assert_eq!(listed["items"][0]["name"], "ring");
        // Presence is that of the passkey, not that of the sign-in before.
        server.clock().advance(Seconds(3600));
        let cookie = cookie(&show(&server, &mut key).await);
        assert!(cookie.starts_with("countersign=csse_"), "{cookie}");

        let begun = begin(&server.anyone()).await;
        let code = begun["user_code"].as_str().unwrap();
        let opened = page(&server, &format!("/device?user_code={code}"), &cookie).await;
        assert_eq!(opened.status, 200);
        assert!(opened.text().contains("dana@example.com") && opened.text().contains(code));
        poll(&server.anyone(), &begun)
            .await
            .refused(400, "authorization_pending");
        let token = token(&opened);
        let headers = [OWN, ("cookie", cookie.as_str())];
        let typed = code.to_lowercase();
        let look = [("token", token.as_str()), ("user_code", &typed)];
        let shown = form(&server, "/device", &look, &headers).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        for part in [
            "laptop.example",
            "127.0.0.1",
            "your address too",
            "14 days",
            "Confirm",
        ] {
            assert!(shown.text().contains(part), "{part}: {}", shown.text());
        }
        server.clock().advance(Seconds(5));
        poll(&server.anyone(), &begun)
            .await
            .refused(400, "authorization_pending");
        let yes = [look[0], look[1], ("say", "confirm")];
        let done = form(&server, "/device", &yes, &headers).await;
        assert!(done.text().contains("Confirmed"), "{}", done.text());
        let given = poll(&server.anyone(), &begun).await.done();
        let cli = claims(given["access_token"].as_str().unwrap());
        assert_eq!(
            cli["auth_time"].as_i64().unwrap(),
            claims(dana.token())["auth_time"].as_i64().unwrap() + 3600
        );
        assert_eq!(cli["sub"], claims(dana.token())["sub"]);

        // Both are on record, and listed.
        let holder = server
            .anyone()
            .with_token(given["access_token"].as_str().unwrap());
        let places: Vec<_> = holder.get("/api/sessions").await.done()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    one["place"].as_str().unwrap().to_owned(),
                    one["method"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ("command_line".to_owned(), "passkey".to_owned()),
                ("browser".to_owned(), "passkey".to_owned())
            ]
        );
        for (kind, count) in [
            ("passkey_changed", 2),
            ("signed_in", 3),
            ("sign_in_decided", 1),
        ] {
            let found = dana.get(&format!("/api/evidence?kind={kind}")).await.done();
            assert_eq!(found["items"].as_array().unwrap().len(), count, "{found}");
        }
        // Signing out ends the session at the server.
        let out = form(&server, "/logout", &[("token", &token)], &headers).await;
        assert_eq!(
            (out.status, out.header("location")),
            (303, Some("http://localhost:8400/login"))
        );
        assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
        let after = page(&server, "/device", &cookie).await;
        assert!(
            !after.text().contains("dana@example.com"),
            "{}",
            after.text()
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_nothing_is_done_that_did_not_come_from_our_own_pages() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let mut key = passkey(&server, &dana).await;
        let cookie = cookie(&show(&server, &mut key).await);
        let begun = begin(&server.anyone()).await;
        let code = begun["user_code"].as_str().unwrap();
        let token = token(&page(&server, "/device", &cookie).await);
        let fields = [
            ("token", token.as_str()),
            ("user_code", code),
            ("say", "confirm"),
        ];
        let with = ("cookie", cookie.as_str());
        let foreign: [&[(&str, &str)]; 5] = [
            &[with],
            &[with, ("origin", "https://evil.example")],
            &[with, ("origin", "http://localhost:8400.evil.example")],
            &[with, ("origin", "null")],
            &[with, ("sec-fetch-site", "cross-site")],
        ];
        for headers in foreign {
            let answer = form(&server, "/device", &fields, headers).await;
            answer.refused(403, "forbidden");
            let out = form(&server, "/logout", &fields[..1], headers).await;
            out.refused(403, "forbidden");
        }
        for path in [
            "/login/begin",
            "/login/finish",
            "/passkeys/enrol",
            "/passkeys/begin",
            "/passkeys/finish",
        ] {
            let answer = server.anyone().post(path, &json!({})).await;
            answer.refused(403, "forbidden");
        }
        // From our own origin, and without what the session's own forms send.
        for token in ["", "x", &"0".repeat(64)] {
            let fields = [("token", token), ("user_code", code), ("say", "confirm")];
            let answer = form(&server, "/device", &fields, &[OWN, with]).await;
            assert!(matches!(answer.status, 400 | 403), "{}", answer.text());
        }
        poll(&server.anyone(), &begun)
            .await
            .refused(400, "authorization_pending");
        // The cookie is a cookie, and nothing that a header carries.
        let secret = cookie.split_once('=').unwrap().1;
        let bearer = server.anyone().with_token(secret);
        assert_eq!(bearer.get("/api/sessions/current").await.status, 401);
        // Every page says what it may load, and that nobody frames it.
        for path in ["/login", "/device", "/passkeys"] {
            let answer = page(&server, path, &cookie).await;
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.contains("default-src 'none'")
                    && policy.contains("frame-ancestors 'none'")
                    && !policy.contains("unsafe"),
                "{policy}"
            );
            assert_eq!(answer.header("x-frame-options"), Some("DENY"));
            assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let text = answer.text();
            assert!(
                !text.contains("<script>")
                    && !text.contains(" style=")
                    && !text.contains("onclick"),
                "{text}"
            );
        }
        // What stands in an address does not come back.
        for payload in [
            "%3Cscript%3Ealert(1)%3C/script%3E",
            "BCDF-GHJK%22%3E%3Cb%3E",
        ] {
            for path in ["/device", "/login"] {
                for member in ["user_code", "return", "error"] {
                    let answer =
                        page(&server, &format!("{path}?{member}={payload}"), &cookie).await;
                    let text = answer.text();
                    assert!(
                        !text.contains("alert(1)") && !text.contains("<b>"),
                        "{text}"
                    );
                }
            }
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_refused_when_it_is_strange_replayed_elsewhere_or_unverified() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let mut key = passkey(&server, &dana).await;
        let no = |answer: Answer| {
            answer.refused(401, "credential_invalid");
            assert!(answer.header("set-cookie").is_none());
        };
        // Nobody's.
        let mut strange = Authenticator::new(ORIGIN);
        strange.create(&json!({ "publicKey": {
            "user": { "id": "AAAAAAAAAAAAAAAAAAAAAA" }, "rp": { "id": "localhost" }, "challenge": "AA",
        } }));
        no(show(&server, &mut strange).await);
        // At another origin, as a phishing page would have it.
        key.origin = "https://localhost.evil.example".to_owned();
        no(show(&server, &mut key).await);
        key.origin = ORIGIN.to_owned();
        // Nobody was verified.
        key.verifies = false;
        no(show(&server, &mut key).await);
        key.verifies = true;
        // The answer to one question, for another, and twice.
        let first = post(&server, "/login/begin", &json!({})).await.done();
        let second = post(&server, "/login/begin", &json!({})).await.done();
        let credential = key.get(&first["options"]);
        let swapped = json!({ "ceremony": second["ceremony"], "credential": credential });
        no(post(&server, "/login/finish", &swapped).await);
        let body = json!({ "ceremony": first["ceremony"], "credential": credential });
        let entered = post(&server, "/login/finish", &body).await;
        cookie(&entered);
        no(post(&server, "/login/finish", &body).await);
        // Too late.
        let asked = post(&server, "/login/begin", &json!({})).await.done();
        let credential = key.get(&asked["options"]);
        server.clock().advance(Seconds(301));
        let late = json!({ "ceremony": asked["ceremony"], "credential": credential });
        no(post(&server, "/login/finish", &late).await);
        // A person who was switched off.
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let mut lees = passkey(&server, &lee).await;
        let lees_cookie = cookie(&show(&server, &mut lees).await);
        dana.post("/api/users/lee@example.com/disable", &json!({})).await.done();
        no(show(&server, &mut lees).await);
        let shown = page(&server, "/device", &lees_cookie).await;
        assert!(!shown.text().contains("lee@example.com"));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_makes_one_passkey_for_its_own_person_and_lapses() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let made = link(&dana).await;
        let mut first = Authenticator::new(ORIGIN);
        assert_eq!(register(&server, &made, &mut first).await.status, 204);
        let again = register(&server, &made, &mut Authenticator::new(ORIGIN)).await;
        again.refused(401, "credential_invalid");
        // The same key is nobody's twice.
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        let lees = link(&lee).await;
        let max = server.enrol("max@example.com", TenantRole::Member).await;
        let mut maxs = passkey(&server, &max).await;
        register(&server, &lees, &mut maxs).await.refused(409, "conflict");
        // A question of one link is not answered with another.
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let kims = link(&kim).await;
        let asked = post(&server, "/passkeys/begin", &json!({ "link": kims })).await.done();
        let credential = Authenticator::new(ORIGIN).create(&asked["options"]);
        let body = json!({ "link": lees, "ceremony": asked["ceremony"], "name": "x", "credential": credential });
        post(&server, "/passkeys/finish", &body).await.refused(401, "credential_invalid");
        // Who has one adds another where they sign in with it: a stolen token makes none.
        let stolen = dana.post("/api/passkeys", &json!({})).await;
        stolen.refused(403, "forbidden");
        for wrong in ["", "x", "cspasskey_x_y"] {
            post(&server, "/passkeys/begin", &json!({ "link": wrong }))
                .await
                .refused(401, "credential_invalid");
        }
        server.clock().advance(Seconds(15 * 60));
        post(&server, "/passkeys/begin", &json!({ "link": lees }))
            .await
            .refused(401, "credential_invalid");
        // Others see and remove nothing of it.
        let id = dana.get("/api/passkeys").await.done()["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/passkeys/{id}");
        assert_eq!(lee.get("/api/passkeys").await.done()["items"], json!([]));
        let mut other = passkey(&server, &lee).await;
        let there = cookie(&show(&server, &mut other).await);
        remove(&server, &there, &path).await.refused(404, "not_found");
        let own = cookie(&show(&server, &mut first).await);
        assert_eq!(remove(&server, &own, &path).await.status, 204);
        let gone = show(&server, &mut first).await;
        gone.refused(401, "credential_invalid");
        // A link takes presence.
        server.clock().advance(Seconds(12 * 3600));
        let kept = signed_in(&server, &server.owner().await).await;
        server.clock().advance(Seconds(12 * 3600 + 1));
        let kept = crate::sign_ins::refresh(&server.anyone(), &kept).await.done();
        let stale = server.anyone().with_token(kept["access_token"].as_str().unwrap());
        stale.post("/api/passkeys", &json!({})).await.refused(401, "presence_too_old");
        stale.delete(&path).await.refused(401, "presence_too_old");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_a_one_time_code_makes_a_passkey_in_the_browser_and_needs_no_command_line() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let code = server.code("dana@example.com", None);
        let enrol =
            async |code: &str| post(&server, "/passkeys/enrol", &json!({ "code": code })).await;
        let made = enrol(&format!(" {code}\n")).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let url = made.json()["url"].as_str().unwrap().to_owned();
        let (page, link) = url.split_once('#').unwrap();
        assert_eq!(page, format!("{ORIGIN}/passkeys"));
        let mut key = Authenticator::new(ORIGIN);
        assert_eq!(register(&server, link, &mut key).await.status, 204);
        cookie(&show(&server, &mut key).await);
        // Good once, here or at a command line, and for fifteen minutes; and no other text is a code.
        enrol(&code).await.refused(401, "credential_invalid");
        for wrong in ["", "x", link] {
            enrol(wrong).await.refused(401, "credential_invalid");
        }
        let late = server.code("lee@example.com", None);
        server.clock().advance(Seconds(15 * 60));
        enrol(&late).await.refused(401, "credential_invalid");
        // Of another tenant, which it makes: the link is of that one.
        let code = server.tenant_code("acme", "ann@acme.example");
        let made = enrol(&code).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let there = format!("{ORIGIN}/t/acme/passkeys#");
        assert!(made.json()["url"].as_str().unwrap().starts_with(&there));
        let dana = server.owner().await;
        for (kind, count) in [("passkey_changed", 2), ("signed_in", 3)] {
            let found = dana.get(&format!("/api/evidence?kind={kind}")).await.done();
            assert_eq!(found["items"].as_array().unwrap().len(), count, "{found}");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_a_stolen_cookie_makes_nothing_that_outlives_its_session() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let mut key = passkey(&server, &dana).await;
        let stolen = cookie(&show(&server, &mut key).await);
        let csrf = page(&server, "/api/console", &stolen).await.done()["csrf_token"].clone();
        let begun = begin(&server.anyone()).await;
        let code = begun["user_code"].as_str().unwrap();
        let confirm = async |session: &str| {
            let opened = page(&server, "/device", session).await;
            let yes = [
                ("token", &*token(&opened)),
                ("user_code", code),
                ("say", "confirm"),
            ];
            form(&server, "/device", &yes, &[OWN, ("cookie", session)]).await
        };
        server.clock().advance(Seconds(5 * 60 + 1));
        let refused = confirm(&stolen).await;
        assert_eq!(refused.status, 401, "{}", refused.text());
        let again = format!("href=\"{ORIGIN}/login?user_code={code}\"");
        assert!(refused.text().contains(&again), "{}", refused.text());
        let headers = [
            OWN,
            ("cookie", &*stolen),
            ("x-csrf-token", csrf.as_str().unwrap()),
        ];
        let offered = server
            .anyone()
            .send(Method::POST, "/api/passkeys", Some(&json!({})), &headers)
            .await;
        offered.refused(401, "presence_too_old");
        let body = json!({ "email": "kim@example.com" });
        let invited = server
            .anyone()
            .send(Method::POST, "/api/invitations", Some(&body), &headers)
            .await;
        invited.refused(401, "presence_too_old");
        poll(&server.anyone(), &begun)
            .await
            .refused(400, "authorization_pending");
        // Whoever has the passkey shows it once more, and does it.
        let fresh = cookie(&show(&server, &mut key).await);
        server.clock().advance(Seconds(4 * 60));
        let done = confirm(&fresh).await;
        assert!(done.text().contains("Confirmed"), "{}", done.text());
        poll(&server.anyone(), &begun).await.done();
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_no_stolen_token_and_no_old_cookie_removes_a_passkey() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let mut key = passkey(&server, &dana).await;
        let listed = dana.get("/api/passkeys").await.done();
        let path = format!(
            "/api/passkeys/{}",
            listed["items"][0]["id"].as_str().unwrap()
        );
        dana.delete(&path).await.refused(403, "forbidden");
        let old = cookie(&show(&server, &mut key).await);
        server.clock().advance(Seconds(5 * 60 + 1));
        remove(&server, &old, &path)
            .await
            .refused(401, "presence_too_old");
        let fresh = cookie(&show(&server, &mut key).await);
        assert_eq!(remove(&server, &fresh, &path).await.status, 204);
        assert_eq!(dana.get("/api/passkeys").await.done()["items"], json!([]));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_in_a_session_ends_with_it_also_past_one_that_is_over() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let mut key = passkey(&server, &dana).await;
        let browser = cookie(&show(&server, &mut key).await);
        let confirm = async |begun: &Value| {
            let opened = page(&server, "/device", &browser).await;
            let code = begun["user_code"].as_str().unwrap();
            let yes = [
                ("token", &*token(&opened)),
                ("user_code", code),
                ("say", "confirm"),
            ];
            let done = form(&server, "/device", &yes, &[OWN, ("cookie", &*browser)]).await;
            assert!(done.text().contains("Confirmed"), "{}", done.text());
        };
        let begun = begin(&server.anyone()).await;
        confirm(&begun).await;
        let given = poll(&server.anyone(), &begun).await.done();
        let line = server
            .anyone()
            .with_token(given["access_token"].as_str().unwrap());
        let late = begin(&server.anyone()).await;
        confirm(&late).await;
        // An owner ends the browser's session, as a stolen one: what it confirmed ends too, and what waits for it gets nothing.
        let listed = line.get("/api/sessions").await.done();
        let items = listed["items"].as_array().unwrap();
        let place = |one: &&Value| one["place"] == "browser";
        let id = items.iter().find(place).unwrap()["id"].clone();
        let body = json!({ "grain": "chain", "target": id, "reason": "stolen" });
        dana.post("/api/revocations", &body).await.done();
        assert_eq!(page(&server, "/api/console", &browser).await.status, 401);
        line.get("/api/sessions")
            .await
            .refused(401, "token_revoked");
        poll(&server.anyone(), &late)
            .await
            .refused(401, "credential_invalid");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browsers_session_ends_by_itself_and_a_passkey_is_what_confirms_from_then_on() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let mut key = passkey(&server, &dana).await;
        let cookie = cookie(&show(&server, &mut key).await);
        let known = async || {
            page(&server, "/device", &cookie)
                .await
                .text()
                .contains("dana@example.com")
        };
        for _ in 0..3 {
            server.clock().advance(Seconds(29 * 60));
            assert!(known().await, "in use");
        }
        // Who has a passkey shows it: a command line alone confirms nothing any more.
        let begun = begin(&server.anyone()).await;
        crate::device_login::answer(&dana, "confirm", &begun)
            .await
            .refused(403, "forbidden");
        server.clock().advance(Seconds(30 * 60));
        assert!(!known().await, "idle for half an hour");
        let busy = self::cookie(&show(&server, &mut key).await);
        for _ in 0..25 {
            server.clock().advance(Seconds(29 * 60));
            page(&server, "/device", &busy).await;
        }
        let late = page(&server, "/device", &busy).await;
        assert!(
            !late.text().contains("dana@example.com"),
            "twelve hours in all"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_name_says_why_it_has_no_passkeys() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let said = dana.post("/api/passkeys", &json!({})).await;
        said.refused(422, "unprocessable");
        let page = server.anyone().get("/login").await;
        assert_eq!(page.status, 200);
        assert!(
            page.text().contains("a server with a name"),
            "{}",
            page.text()
        );
        server.stop().await;
    })
    .await;
}
