//! Signing in through the company's provider: the whole way over HTTP with a real one on loopback, and those who abuse it.

use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{Answer, Caller, FixtureIssuer, TestServer, on_each_database};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::passkeys::{ORIGIN, OWN, cookie as passkey_cookie, named, page, passkey, show};

const CLIENT: &str = "console";
const SECRET: &str = "a secret that nobody guesses";

/// A server whose owner Dana signs people in through this provider.
struct Scene {
    server: TestServer,
    dana: Caller,
    provider: FixtureIssuer,
}

/// A browser on its way.
struct Way {
    cookie: String,
    to: Url,
}

impl Scene {
    async fn new(database: &countersign_testkit::Database, settings: Value) -> Self {
        let server = named(database).await;
        let dana = server.owner().await;
        let provider = FixtureIssuer::start().await.unwrap();
        provider.set_client_secret(SECRET);
        let scene = Self {
            server,
            dana,
            provider,
        };
        scene.configure(settings).await.done();
        scene
    }

    async fn configure(&self, settings: Value) -> Answer {
        let mut put = json!({
            "name": "Example Login", "issuer": self.provider.url(), "client_id": CLIENT,
            "client_secret": SECRET,
        });
        put.as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        let body = json!({ "provider": put });
        self.dana.patch("/api/tenant", &body).await
    }

    /// The person who is signed in at the provider.
    fn at_provider(&self, claims: Value) {
        self.provider.sign_in_as(self.server.clock().now(), &claims);
    }

    async fn begin(&self, session: Option<&str>, fields: &[(&str, &str)]) -> Way {
        let mut headers = vec![OWN];
        headers.extend(session.map(|session| ("cookie", session)));
        let sent = self
            .server
            .anyone()
            .form("/login/provider", fields, &headers)
            .await;
        assert_eq!(sent.status, 200, "{}", sent.text());
        let refresh = sent.header("refresh").expect("it moves on");
        let set = sent.header("set-cookie").expect("a cookie");
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age=300"] {
            assert!(set.contains(part), "{set}");
        }
        Way {
            cookie: set.split(';').next().unwrap().to_owned(),
            to: refresh.strip_prefix("0; url=").unwrap().parse().unwrap(),
        }
    }

    /// What the provider sends the browser back with.
    async fn agree(&self, way: &Way) -> Vec<(String, String)> {
        let there = Caller::new(
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            way.to.origin().ascii_serialization(),
        );
        let path = format!("{}?{}", way.to.path(), way.to.query().unwrap());
        let answer = there.get(&path).await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        let back: Url = answer.header("location").unwrap().parse().unwrap();
        assert_eq!(
            back.as_str().split('?').next(),
            Some(format!("{ORIGIN}/login/callback").as_str())
        );
        back.query_pairs().into_owned().collect()
    }

    async fn back(&self, cookie: &str, answer: &[(String, String)]) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(answer)
            .finish();
        page(&self.server, &format!("/login/callback?{query}"), cookie).await
    }

    /// The whole way.
    async fn sign_in(&self, claims: Value) -> Answer {
        self.at_provider(claims);
        let way = self.begin(None, &[]).await;
        let answer = self.agree(&way).await;
        self.back(&way.cookie, &answer).await
    }

    /// Who is signed in to a browser with this cookie.
    async fn who(&self, session: &str) -> Answer {
        page(&self.server, "/api/console", session).await
    }

    async fn log_out(&self, claims: Value) -> Answer {
        let now = self.server.clock().now();
        let token = self.provider.logout_token(now, CLIENT, &claims).unwrap();
        self.send_logout(&token).await
    }

    async fn send_logout(&self, token: &str) -> Answer {
        let form = [("logout_token", token)];
        self.server
            .anyone()
            .form("/login/backchannel", &form, &[])
            .await
    }

    /// Somebody who links their account themselves: signed in with a passkey.
    async fn linked(&self, person: &Caller, claims: Value) -> Answer {
        let mut key = passkey(&self.server, person).await;
        let session = passkey_cookie(&show(&self.server, &mut key).await);
        let told = page(&self.server, "/login", &session).await.text();
        assert!(told.contains("Link my account at Example Login"), "{told}");
        let csrf = self.who(&session).await.done()["csrf_token"]
            .as_str()
            .unwrap()
            .to_owned();
        self.at_provider(claims);
        let way = self.begin(Some(&session), &[("token", &csrf)]).await;
        let answer = self.agree(&way).await;
        self.back(&way.cookie, &answer).await
    }
}

/// The session of an answer that signed somebody in.
fn entered(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookies = answer.headers("set-cookie");
    let session = cookies
        .iter()
        .find(|one| one.starts_with("countersign=csse_"));
    let session = session.unwrap_or_else(|| panic!("{cookies:?} {}", answer.text()));
    assert!(session.contains("; SameSite=Strict"), "{session}");
    let used = cookies
        .iter()
        .any(|one| one.starts_with("countersign-way=;"));
    assert!(used, "what was brought back is taken away: {cookies:?}");
    session.split(';').next().unwrap().to_owned()
}

fn refused(answer: &Answer, part: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains(part), "{part}: {}", answer.text());
    let cookies = answer.headers("set-cookie");
    assert!(
        !cookies.iter().any(|one| one.contains("csse_")),
        "{cookies:?}"
    );
}

fn lee() -> Value {
    json!({ "sub": "00u-lee", "sid": "s-1", "email": "lee@example.com", "email_verified": true })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_links_their_account_and_signs_in_through_the_provider() {
    on_each_database(async |database| {
        let settings = json!({ "acr": ["phr"], "max_age_seconds": 3600 });
        let scene = Scene::new(&database, settings).await;
        let lee_there = scene
            .server
            .enrol("lee@example.com", TenantRole::Member)
            .await;
        let strong = json!({ "sub": "00u-lee", "acr": "phr" });

        // Nobody is found by what the provider says of their address.
        let stranger = scene
            .sign_in(json!({
                "sub": "00u-lee", "acr": "phr", "email": "lee@example.com", "email_verified": true,
            }))
            .await;
        refused(&stranger, "not linked to anybody here");

        let told = page(&scene.server, "/login", "").await.text();
        assert!(told.contains("Sign in with Example Login"), "{told}");
        let linked = scene.linked(&lee_there, strong.clone()).await;
        assert!(
            linked.text().contains("Your account is linked"),
            "{}",
            linked.text()
        );
        scene.server.clock().advance(Seconds(1));
        let answer = scene.sign_in(strong.clone()).await;
        assert_eq!(
            answer.header("refresh"),
            Some(format!("0; url={ORIGIN}/").as_str())
        );
        let session = entered(&answer);
        let who = scene.who(&session).await.done();
        assert_eq!(who["user"]["email"], "lee@example.com");

        // What the provider said is on record, and the session says how it began.
        let found = scene.dana.get("/api/evidence?kind=signed_in").await.done();
        let record = found["items"][0]["id"].as_str().unwrap();
        let shown = scene
            .dana
            .get(&format!("/api/evidence/{record}"))
            .await
            .done();
        let record = &shown["record"];
        assert_eq!(record["method"], "provider", "{found}");
        assert_eq!(record["provider"]["issuer"], scene.provider.url());
        assert_eq!(record["provider"]["acr"], "phr");
        let sessions = page(&scene.server, "/api/sessions", &session).await.done();
        assert_eq!(sessions["items"][0]["method"], "provider", "{sessions}");
        assert_eq!(sessions["items"][0]["place"], "browser");
        // A secret never leaves in an answer.
        let shown = scene.dana.get("/api/tenant").await;
        assert!(!shown.text().contains(SECRET), "{}", shown.text());
        let shown = shown.done();
        assert_eq!(
            shown["provider"]["redirect_uri"],
            format!("{ORIGIN}/login/callback")
        );
        assert_eq!(shown["provider"]["private_key_jwt"], false);

        // Presence is that of the provider: an old one there is refused, a weak one too, and one that says nothing.
        for (claims, part) in [
            (
                json!({ "sub": "00u-lee", "acr": "pwd" }),
                "`acr` must be `phr`",
            ),
            (
                json!({ "sub": "00u-lee", "acr": null }),
                "`acr` must be `phr`",
            ),
            (
                json!({ "sub": "00u-lee", "acr": "phr", "auth_time": null }),
                "no `auth_time`",
            ),
            (
                json!({ "sub": "00u-lee", "acr": "phr",
                    "auth_time": scene.server.clock().now().seconds() - 3700 }),
                "too old",
            ),
        ] {
            refused(&scene.sign_in(claims).await, part);
        }
        // Another account of the same issuer, and the same subject elsewhere, are others.
        refused(
            &scene
                .sign_in(json!({ "sub": "00u-le", "acr": "phr" }))
                .await,
            "not linked",
        );
        // Whoever is disabled does not come in.
        scene
            .dana
            .post("/api/users/lee@example.com/disable", &json!({}))
            .await
            .done();
        refused(&scene.sign_in(strong).await, "not active");
        assert_eq!(scene.who(&session).await.status, 401);
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_a_stolen_cookie_links_nobodys_account() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({})).await;
        let mut key = passkey(&scene.server, &scene.dana).await;
        let stolen = passkey_cookie(&show(&scene.server, &mut key).await);
        let csrf = scene.who(&stolen).await.done()["csrf_token"].clone();
        scene.server.clock().advance(Seconds(5 * 60 + 1));
        let form = [("token", csrf.as_str().unwrap())];
        let headers = [OWN, ("cookie", stolen.as_str())];
        let refused = scene
            .server
            .anyone()
            .form("/login/provider", &form, &headers)
            .await;
        refused.refused(401, "presence_too_old");
        assert!(refused.header("set-cookie").is_none());
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t28_an_answer_that_this_browser_did_not_ask_for_signs_nobody_in() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        scene.at_provider(lee());
        let other = |name: &str, value: Option<&str>, answer: &[(String, String)]| {
            let mut answer = answer.to_vec();
            answer.retain(|(key, _)| key != name);
            answer.extend(value.map(|value| (name.to_owned(), value.to_owned())));
            answer
        };
        // Login CSRF: the attacker's answer in another browser, without a cookie and with its own.
        let (mine, theirs) = (scene.begin(None, &[]).await, scene.begin(None, &[]).await);
        let answer = scene.agree(&theirs).await;
        refused(&scene.back("", &answer).await, "did not begin this sign-in");
        refused(
            &scene.back(&mine.cookie, &answer).await,
            "did not begin this sign-in",
        );
        let two = format!("{}; {}", theirs.cookie, mine.cookie);
        refused(
            &scene.back(&two, &answer).await,
            "did not begin this sign-in",
        );
        let forged = other("state", Some("x"), &answer);
        refused(
            &scene.back(&theirs.cookie, &forged).await,
            "did not begin this sign-in",
        );
        // One parameter twice.
        let mut twice = answer.clone();
        twice.push(("code".to_owned(), "another".to_owned()));
        refused(&scene.back(&theirs.cookie, &twice).await, "more than once");
        // Mix-up: an answer that names another issuer, or none although this one always does.
        let mixed = other("iss", Some("https://login.evil.example"), &answer);
        refused(
            &scene.back(&theirs.cookie, &mixed).await,
            "not of the provider",
        );
        // It is used up by the first try that this browser made, whatever came of it.
        refused(
            &scene.back(&theirs.cookie, &answer).await,
            "nothing was asked that this answers",
        );
        let way = scene.begin(None, &[]).await;
        let unnamed = other("iss", None, &scene.agree(&way).await);
        refused(
            &scene.back(&way.cookie, &unnamed).await,
            "not of the provider",
        );
        // A code of another browser's sign-in has another verifier: the provider refuses it.
        let (way, attacker) = (scene.begin(None, &[]).await, scene.begin(None, &[]).await);
        let stolen = scene.agree(&attacker).await;
        let code = &stolen.iter().find(|(name, _)| name == "code").unwrap().1;
        let injected = other("code", Some(code), &scene.agree(&way).await);
        let answer = scene.back(&way.cookie, &injected).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(answer.text().contains("invalid_grant"), "{}", answer.text());
        // What waits too long is over.
        let way = scene.begin(None, &[]).await;
        let answer = scene.agree(&way).await;
        scene.server.clock().advance(Seconds(301));
        refused(&scene.back(&way.cookie, &answer).await, "too long ago");
        // What the provider says no to.
        let way = scene.begin(None, &[]).await;
        let answer = other("code", None, &scene.agree(&way).await);
        let answer = other("error", Some("access_denied<b>"), &answer);
        let no = scene.back(&way.cookie, &answer).await;
        refused(&no, "access_denied&lt;b&gt;");
        // And nobody was signed in, nor begins from another site.
        let listed = scene.dana.get("/api/users/lee@example.com").await.done();
        assert_eq!(listed["enrolled_at"], Value::Null);
        for from in ["https://evil.example", "null"] {
            let sent = scene
                .server
                .anyone()
                .form("/login/provider", &[], &[("origin", from)])
                .await;
            assert_eq!(sent.status, 403, "{}", sent.text());
        }
        // Nobody is led to another place afterwards.
        let way = scene.begin(None, &[("next", "//evil.example/")]).await;
        scene.at_provider(lee());
        let answer = scene.agree(&way).await;
        let signed_in = scene.back(&way.cookie, &answer).await;
        entered(&signed_in);
        assert_eq!(
            signed_in.header("refresh"),
            Some(format!("0; url={ORIGIN}/").as_str())
        );
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_token_that_is_not_for_this_sign_in_signs_nobody_in() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        let now = scene.server.clock().now().seconds();
        let with = |name: &str, value: Value| {
            let mut claims = lee();
            claims[name] = value;
            claims
        };
        for (claims, part) in [
            (with("nonce", json!("replayed")), "`nonce`"),
            (with("nonce", Value::Null), "`nonce`"),
            (with("aud", json!("another-client")), "`aud`"),
            (with("aud", json!([CLIENT, "another-client"])), "`aud`"),
            (with("azp", json!("another-client")), "`azp`"),
            (with("iss", json!("https://login.evil.example")), "`iss`"),
            (with("exp", json!(now - 61)), "`exp`"),
            (with("exp", json!(now + 90_000)), "`exp`"),
            (with("iat", json!(now + 3600)), "`iat`"),
            (with("auth_time", json!(now + 3600)), "`auth_time`"),
            (with("sub", Value::Null), "`sub`"),
            (with("sub", json!("a b")), "`sub`"),
            (with("sub", json!("x".repeat(256))), "`sub`"),
            // An address that nobody verified, or not as `true`, finds nobody who was invited.
            (with("email_verified", json!(false)), "not linked"),
            (with("email_verified", json!("true")), "not linked"),
            (with("email_verified", Value::Null), "not linked"),
            (with("email", json!("mallory@example.com")), "not linked"),
        ] {
            refused(&scene.sign_in(claims).await, part);
        }
        // Keys that are withdrawn count no more, and a token of other keys never did.
        let other = FixtureIssuer::start().await.unwrap();
        let way = scene.begin(None, &[]).await;
        scene.at_provider(lee());
        let answer = scene.agree(&way).await;
        scene
            .provider
            .set_fault(Some(countersign_testkit::Fault::KeySetText(
                other
                    .key_set(countersign_model::registry::IssuerProfile::Oidc)
                    .to_string(),
            )));
        scene.provider.rotate(false).await.unwrap();
        let no = scene.back(&way.cookie, &answer).await;
        refused(&no, "the ID token is not acceptable: no key");
        scene.provider.set_fault(None);
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verified_address_lets_in_who_was_invited_once_and_takes_nobody_over() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        for (email, role) in [
            ("lee@example.com", "member"),
            ("max@example.com", "auditor"),
        ] {
            let invite = json!({ "email": email, "role": role });
            scene.dana.post("/api/users", &invite).await.done();
        }
        let session = entered(&scene.sign_in(lee()).await);
        let who = scene.who(&session).await.done();
        assert_eq!(who["user"]["email"], "lee@example.com");
        entered(&scene.sign_in(json!({ "sub": "00u-lee" })).await);
        // Another account with the same address is nobody's: neither Lee's, who signed in, nor Dana's, who owns the tenant.
        for email in ["lee@example.com", "dana@example.com"] {
            let thief = json!({ "sub": "thief", "email": email, "email_verified": true });
            refused(&scene.sign_in(thief).await, "not linked");
        }
        // Nor that of an owner who never signed in.
        let invite = json!({ "email": "omar@example.com", "role": "owner" });
        scene.dana.post("/api/users", &invite).await;
        let omar = json!({ "sub": "omar", "email": "omar@example.com", "email_verified": true });
        let role = scene.dana.get("/api/users/omar@example.com").await.done()["role"].clone();
        assert_eq!(role, "owner");
        refused(&scene.sign_in(omar).await, "not linked");
        // An account that is somebody's is not linked to another.
        let mallory = scene
            .server
            .enrol("mallory@example.com", TenantRole::Member)
            .await;
        refused(
            &scene.linked(&mallory, lee()).await,
            "linked to somebody else",
        );
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_move_people_into_teams_and_a_lost_group_is_a_departure() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({})).await;
        let team = json!({ "name": "platform", "members": ["dana@example.com"] });
        scene.dana.post("/api/teams", &team).await.done();
        let settings = json!({
            "admit_invited": true, "groups_claim": "groups",
            "teams": { "eng-platform": "platform" }, "access_groups": ["employees"],
        });
        scene.configure(settings).await.done();
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        let in_groups = |groups: Value| {
            let mut claims = lee();
            claims["groups"] = groups;
            claims
        };
        // Without a word about groups, or without the one that lets in, an invitation is not taken up.
        refused(&scene.sign_in(in_groups(Value::Null)).await, "does not say");
        refused(
            &scene.sign_in(in_groups(json!(["guests"]))).await,
            "not linked",
        );
        let members = async || -> Vec<String> {
            let team = scene.dana.get("/api/teams/platform").await.done();
            let members = team["members"].as_array().unwrap().iter();
            members
                .map(|one| one["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let session = entered(
            &scene
                .sign_in(in_groups(json!(["employees", "eng-platform"])))
                .await,
        );
        assert_eq!(members().await, ["dana@example.com", "lee@example.com"]);
        entered(&scene.sign_in(in_groups(json!(["employees"]))).await);
        assert_eq!(members().await, ["dana@example.com"]);

        // What Lee answers for is orphaned when the group is lost, and Lee is signed out everywhere.
        scene.dana.project("release").await;
        let fields = json!({ "sponsor": "lee@example.com", "managers": ["lee@example.com"] });
        let identity = scene
            .dana
            .identity("bot", "triage", "release", fields)
            .await;
        let path = format!("/api/identities/{}", identity["id"].as_str().unwrap());
        let csrf = scene.who(&session).await.done()["csrf_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let accept = [
            OWN,
            ("cookie", session.as_str()),
            ("x-csrf-token", csrf.as_str()),
        ];
        let accepted = scene
            .server
            .anyone()
            .send(
                Method::POST,
                &format!("{path}/accept-sponsorship"),
                Some(&json!({})),
                &accept,
            )
            .await;
        assert_eq!(accepted.status, 200, "{}", accepted.text());
        assert_eq!(
            scene.dana.get(&path).await.done()["sponsor"]["name"],
            "lee@example.com"
        );
        // No word is no departure.
        refused(&scene.sign_in(in_groups(Value::Null)).await, "does not say");
        assert_eq!(scene.who(&session).await.status, 200);
        refused(
            &scene.sign_in(in_groups(json!([]))).await,
            "lets you in any more",
        );
        assert_eq!(scene.who(&session).await.status, 401);
        let user = scene.dana.get("/api/users/lee@example.com").await.done();
        assert_eq!(user["status"], "disabled");
        let identity = scene.dana.get(&path).await.done();
        assert_eq!(identity["status"], "orphaned", "{identity}");
        // The group alone does not bring them back: an owner does.
        refused(
            &scene.sign_in(in_groups(json!(["employees"]))).await,
            "not active",
        );
        scene
            .dana
            .post("/api/users/lee@example.com/enable", &json!({}))
            .await
            .done();
        entered(&scene.sign_in(in_groups(json!(["employees"]))).await);

        // An owner is signed out, and stays an owner: whoever runs the provider takes nobody's guards away.
        let linked = scene
            .linked(
                &scene.dana,
                json!({ "sub": "00u-dana", "groups": ["employees"] }),
            )
            .await;
        assert!(
            linked.text().contains("Your account is linked"),
            "{}",
            linked.text()
        );
        let session = entered(
            &scene
                .sign_in(json!({ "sub": "00u-dana", "groups": ["employees"] }))
                .await,
        );
        refused(
            &scene
                .sign_in(json!({ "sub": "00u-dana", "groups": [] }))
                .await,
            "lets you in any more",
        );
        assert_eq!(scene.who(&session).await.status, 401);
        let dana = scene
            .server
            .owner()
            .await
            .get("/api/users/dana@example.com")
            .await
            .done();
        assert_eq!(
            (&dana["status"], &dana["role"]),
            (&json!("active"), &json!("owner"))
        );
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_ends_sessions_and_a_logout_token_counts_once() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        let first = entered(&scene.sign_in(lee()).await);
        let mut elsewhere = lee();
        elsewhere["sid"] = json!("s-2");
        let second = entered(&scene.sign_in(elsewhere).await);

        // What is no logout token of this provider for this client ends nothing.
        for claims in [
            json!({ "sid": "s-1", "nonce": "n" }),
            json!({ "sid": "s-1", "events": {} }),
            json!({ "sid": "s-1", "events": { "http://schemas.openid.net/event/backchannel-logout": true } }),
            json!({ "sid": "s-1", "aud": "another" }),
            json!({ "sid": "s-1", "iss": "https://login.evil.example" }),
            json!({ "sid": "s-1", "jti": null }),
            json!({ "sid": "s-1", "iat": null }),
            json!({ "sid": "s-1", "exp": scene.server.clock().now().seconds() - 61 }),
            json!({}),
        ] {
            let no = scene.log_out(claims).await;
            no.refused(400, "invalid_request");
        }
        // An ID token and a run's token are none.
        let now = scene.server.clock().now();
        let run = scene.provider.mint(&scene.provider.github(now, CLIENT)).unwrap();
        scene.send_logout(&run).await.refused(400, "invalid_request");
        scene.send_logout("nothing").await.refused(400, "invalid_request");
        assert_eq!(scene.who(&first).await.status, 200);

        // A session there is one session here.
        let token = scene.provider.logout_token(now, CLIENT, &json!({ "sid": "s-1", "sub": "00u-lee" })).unwrap();
        let done = scene.send_logout(&token).await;
        assert_eq!((done.status, done.header("cache-control")), (200, Some("no-store")));
        assert_eq!(scene.who(&first).await.status, 401);
        assert_eq!(scene.who(&second).await.status, 200);
        // Sent again it ends nothing that began since.
        let mut anew = lee();
        anew["sid"] = json!("s-7");
        let again = entered(&scene.sign_in(anew).await);
        scene.send_logout(&token).await.refused(400, "invalid_request");
        assert_eq!(scene.who(&again).await.status, 200);
        // One that comes before its session is remembered: nobody signs in by a session that ended.
        let at = |sid: &str| {
            let mut claims = lee();
            claims["sid"] = json!(sid);
            claims
        };
        for (sid, claims) in [
            ("s-3", json!({ "sid": "s-3" })),
            ("s-4", json!({ "sid": "s-4", "sub": "00u-lee" })),
        ] {
            let early = scene.provider.logout_token(now, CLIENT, &claims).unwrap();
            assert_eq!(scene.send_logout(&early).await.status, 200);
            scene.send_logout(&early).await.refused(400, "invalid_request");
            refused(&scene.sign_in(at(sid)).await, "has ended there");
        }
        // Another's session is not ended by who names it with a subject of their own, whether it began before or after.
        let third = entered(&scene.sign_in(at("s-5")).await);
        for sid in ["s-5", "s-6"] {
            assert_eq!(scene.log_out(json!({ "sid": sid, "sub": "other" })).await.status, 200);
        }
        assert_eq!(scene.who(&third).await.status, 200);
        entered(&scene.sign_in(at("s-6")).await);
        // The account ends all of its sessions; those of a passkey stay.
        let lee_there = scene.server.enrol("lee@example.com", TenantRole::Member).await;
        let mut key = passkey(&scene.server, &lee_there).await;
        let own = passkey_cookie(&show(&scene.server, &mut key).await);
        assert_eq!(scene.log_out(json!({ "sub": "00u-lee" })).await.status, 200);
        for session in [&second, &again, &third] {
            assert_eq!(scene.who(session).await.status, 401);
        }
        assert_eq!(scene.who(&own).await.status, 200);
        let found = scene.dana.get("/api/evidence?kind=revoked").await.done();
        assert!(found.to_string().contains("signed out at the provider"), "{found}");
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t27_who_is_signed_out_while_the_provider_answers_links_nobodys_account() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({})).await;
        let lee_there = scene
            .server
            .enrol("lee@example.com", TenantRole::Member)
            .await;
        // While the code is redeemed, Lee ends every browser's session.
        let ending = lee_there.clone();
        let token = format!("{}/token", scene.provider.url());
        let redeem = move |headers: http::HeaderMap, body: String| async move {
            let listed = ending.get("/api/sessions").await.done();
            for session in listed["items"].as_array().unwrap() {
                if session["place"] == "browser" {
                    let id = session["id"].as_str().unwrap();
                    let ended = ending.delete(&format!("/api/sessions/{id}")).await;
                    assert_eq!(ended.status, 204, "{}", ended.text());
                }
            }
            let sent = reqwest::Client::new()
                .post(token)
                .header("authorization", &headers["authorization"])
                .header("content-type", &headers["content-type"])
                .body(body)
                .send()
                .await
                .unwrap();
            let json = [("content-type", "application/json")];
            (json, sent.text().await.unwrap())
        };
        let router = axum::Router::new().route("/token", axum::routing::post(redeem));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}/token", listener.local_addr().unwrap());
        let between = tokio::spawn(async move { axum::serve(listener, router).await });
        scene.provider.set_endpoint("token_endpoint", &at);
        let no = scene.linked(&lee_there, lee()).await;
        refused(&no, "not signed in any more");
        let accounts = scene.dana.get("/api/linked-accounts").await.done();
        assert_eq!(accounts["items"], json!([]));
        assert_eq!(scene.provider.redeemed().len(), 1);
        between.abort();
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_unlinked_is_signed_out_of_what_the_account_signed_in() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        // Who was let in today agrees to nothing.
        scene.server.clock().advance(Seconds::days(2));
        let dana = scene.server.owner().await;
        let session = entered(&scene.sign_in(lee()).await);
        let lee_there = scene
            .server
            .enrol("lee@example.com", TenantRole::Member)
            .await;
        let mut key = passkey(&scene.server, &lee_there).await;
        let own = passkey_cookie(&show(&scene.server, &mut key).await);
        let accounts = dana.get("/api/linked-accounts").await.done();
        let account = accounts["items"][0]["id"].as_str().unwrap();
        // While it waits to be agreed to, it ends nothing.
        let asked = dana
            .delete(&format!("/api/linked-accounts/{account}"))
            .await;
        assert_eq!(asked.status, 202, "{}", asked.text());
        assert_eq!(scene.who(&session).await.status, 200);
        let approval = asked.json()["id"].as_str().unwrap().to_owned();
        let read = lee_there
            .get(&format!("/api/approvals/{approval}"))
            .await
            .done();
        let yes = json!({ "digest": read["digest"] });
        lee_there
            .post(&format!("/api/approvals/{approval}/approve"), &yes)
            .await
            .done();
        assert_eq!(scene.who(&session).await.status, 401);
        assert_eq!(scene.who(&own).await.status, 200);
        let found = dana.get("/api/evidence?kind=revoked").await.done();
        assert!(found.to_string().contains("unlinked"), "{found}");
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_at_the_provider_reaches_command_lines_after_their_browser_is_signed_out() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        let invited = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invited).await.done();
        let session = entered(&scene.sign_in(lee()).await);
        let server = &scene.server;
        let begun = crate::device_login::begin(&server.anyone()).await;
        let csrf = scene.who(&session).await.done()["csrf_token"].clone();
        let headers = [
            OWN,
            ("cookie", session.as_str()),
            ("x-csrf-token", csrf.as_str().unwrap()),
        ];
        let yes = json!({ "user_code": begun["user_code"] });
        let confirm = "/api/device-authorizations/confirm";
        let said = server
            .anyone()
            .send(Method::POST, confirm, Some(&yes), &headers)
            .await;
        assert_eq!(said.status, 200, "{}", said.text());
        let given = crate::device_login::poll(&server.anyone(), &begun)
            .await
            .done();
        let line = server
            .anyone()
            .with_token(given["access_token"].as_str().unwrap());
        let out = server
            .anyone()
            .send(Method::DELETE, "/api/sessions/current", None, &headers)
            .await;
        assert_eq!(out.status, 204);
        line.get("/api/sessions").await.done();
        let gone = scene
            .log_out(json!({ "sid": "s-1", "sub": "00u-lee" }))
            .await;
        assert_eq!(gone.status, 200);
        line.get("/api/sessions")
            .await
            .refused(401, "token_revoked");
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_provider_takes_a_second_owner_and_never_gets_the_secret() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        let way = scene.begin(None, &[]).await;
        scene.at_provider(lee());
        let answer = scene.agree(&way).await;
        // What is wrong is said, and nothing is kept.
        for (settings, part) in [
            (json!({ "issuer": "http://login.example.com" }), "issuer"),
            (json!({ "issuer": ORIGIN }), "this server"),
            (json!({ "max_age_seconds": 43_201 }), "max_age_seconds"),
            (json!({ "acr": ["a b"] }), "acr"),
            (
                json!({ "teams": { "g": "nobody" }, "groups_claim": "groups" }),
                "nobody",
            ),
            (json!({ "access_groups": ["g"] }), "groups_claim"),
            (json!({ "private_key_jwt": true }), "private_key_jwt"),
            (
                json!({ "client_secret": null, "client_id": "other" }),
                "client_secret",
            ),
        ] {
            let no = scene.configure(settings).await;
            assert!(matches!(no.status, 404 | 422), "{}", no.text());
            assert!(no.text().contains(part), "{part}: {}", no.text());
        }
        // While there is another owner, they agree first.
        let omar = scene
            .server
            .enrol("omar@example.com", TenantRole::Owner)
            .await;
        let other = FixtureIssuer::start().await.unwrap();
        let waits = scene.configure(json!({ "issuer": other.url() })).await;
        assert_eq!(waits.status, 202, "{}", waits.text());
        let approval = waits.json();
        assert!(!waits.text().contains(SECRET), "{}", waits.text());
        let shown = scene.dana.get("/api/tenant").await.done();
        assert_eq!(shown["provider"]["issuer"], scene.provider.url());
        let id = approval["id"].as_str().unwrap();
        let read = omar.get(&format!("/api/approvals/{id}")).await.done();
        assert!(read.to_string().contains(other.url()), "{read}");
        let yes = json!({ "digest": read["digest"] });
        omar.post(&format!("/api/approvals/{id}/approve"), &yes)
            .await
            .done();
        let shown = scene.dana.get("/api/tenant").await.done();
        assert_eq!(shown["provider"]["issuer"], other.url());
        // Who was on the way to the one before comes back to nothing.
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        refused(
            &scene.back(&way.cookie, &answer).await,
            "changed through whom",
        );
        // And what it was told stays its own: another issuer needs a secret of its own.
        let body = json!({ "provider": {
            "name": "x", "issuer": scene.provider.url(), "client_id": CLIENT,
        } });
        let no = omar.patch("/api/tenant", &body).await;
        assert_eq!(no.status, 422, "{}", no.text());
        // Taking it away is done at once.
        omar.patch("/api/tenant", &json!({ "remove_provider": true }))
            .await
            .done();
        let begun = scene
            .server
            .anyone()
            .form("/login/provider", &[], &[OWN])
            .await;
        assert_eq!(begun.status, 404, "{}", begun.text());
        assert!(
            !page(&scene.server, "/login", "")
                .await
                .text()
                .contains("Sign in with Example")
        );
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_behind_one_address_signs_in() {
    let databases = countersign_testkit::databases();
    let scene = Scene::new(&databases[0], json!({})).await;
    // More than command lines may begin to wait.
    for _ in 0..70 {
        scene.begin(None, &[]).await;
    }
    let asked = scene.server.anyone();
    let mut waiting = Vec::new();
    for _ in 0..70 {
        let fields = [("client_id", "countersign-cli")];
        let answer = asked
            .form("/oauth2/device_authorization", &fields, &[])
            .await;
        waiting.push(answer.status);
    }
    assert!(
        waiting[..60].iter().all(|status| *status == 200),
        "{waiting:?}"
    );
    assert_eq!(waiting[60], 429);
    scene.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_that_wait_take_away_no_secret_that_is_in_force() {
    on_each_database(async |database| {
        let scene = Scene::new(&database, json!({ "admit_invited": true })).await;
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        let omar = scene
            .server
            .enrol("omar@example.com", TenantRole::Owner)
            .await;
        for number in 0..12 {
            let client = format!("other-{number}");
            let waits = scene.configure(json!({ "client_id": client })).await;
            assert_eq!(waits.status, 202, "{}", waits.text());
            let waits = waits.json();
            let id = waits["id"].as_str().unwrap();
            let read = omar.get(&format!("/api/approvals/{id}")).await.done();
            let no = json!({ "digest": read["digest"], "reason": "not this one" });
            omar.post(&format!("/api/approvals/{id}/deny"), &no)
                .await
                .done();
        }
        entered(&scene.sign_in(lee()).await);
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_server_proves_itself_by_the_tenants_own_key_where_there_is_no_secret() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let provider = FixtureIssuer::start().await.unwrap();
        let scene = Scene {
            server,
            dana,
            provider,
        };
        let settings = json!({
            "client_secret": null, "private_key_jwt": true, "admit_invited": true,
        });
        scene.configure(settings).await.done();
        let invite = json!({ "email": "lee@example.com", "role": "member" });
        scene.dana.post("/api/users", &invite).await.done();
        entered(&scene.sign_in(lee()).await);
        let form = scene.provider.redeemed().pop().unwrap();
        let get = |name: &str| form.iter().find(|(key, _)| key == name).unwrap().1.clone();
        assert_eq!(
            get("client_assertion_type"),
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let assertion = get("client_assertion");
        // It is good under the tenant's public keys, for this provider alone, and for a minute.
        let keys = scene
            .server
            .anyone()
            .get("/.well-known/jwks.json")
            .await
            .text();
        let keys = countersign_crypto::jose::KeySet::parse(
            keys.as_bytes(),
            countersign_crypto::jose::KeyPurpose::Foreign,
        )
        .unwrap();
        let verified = countersign_crypto::assertion::verify(
            countersign_crypto::jose::Unverified::parse(&assertion).unwrap(),
            &keys,
            &countersign_crypto::assertion::AssertionRules {
                algorithms: &[],
                audiences: &[scene.provider.url()],
                issuer: CLIENT,
                issuer_optional: false,
                leeway_seconds: 0,
                max_age_seconds: 60,
                now: scene.server.clock().now(),
                require_jti: true,
                subject: Some(CLIENT),
                subject_optional: false,
                types: &["client-authentication+jwt"],
                untyped: false,
            },
        );
        verified.unwrap();
        // It is no token here.
        let no = scene
            .server
            .anyone()
            .with_token(assertion)
            .get("/api/users")
            .await;
        no.refused(401, "token_invalid");
        scene.server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t23_a_provider_sends_neither_this_server_nor_a_browser_to_a_forbidden_place() {
    let databases = countersign_testkit::databases();
    let scene = Scene::new(&databases[0], json!({ "admit_invited": true })).await;
    let begin = async || {
        let sent = scene
            .server
            .anyone()
            .form("/login/provider", &[], &[OWN])
            .await;
        assert_eq!(sent.status, 502, "{}", sent.text());
        assert_eq!(sent.header("refresh"), None);
        sent.text()
    };
    scene
        .provider
        .set_fault(Some(countersign_testkit::Fault::Issuer(
            "https://login.evil.example".to_owned(),
        )));
    assert!(begin().await.contains("it is of the issuer"));
    scene
        .provider
        .set_fault(Some(countersign_testkit::Fault::Redirect(
            "http://169.254.169.254/".to_owned(),
        )));
    assert!(begin().await.contains("redirect"));
    for (endpoint, at) in [
        ("authorization_endpoint", "http://169.254.169.254/latest"),
        ("authorization_endpoint", "javascript:alert(1)"),
        (
            "authorization_endpoint",
            "https://user:pass@login.example.com/",
        ),
        ("token_endpoint", "http://10.0.0.1/token"),
        ("token_endpoint", "file:///etc/passwd"),
    ] {
        scene.provider.set_endpoint(endpoint, at);
        scene.provider.set_fault(None);
        let told = begin().await;
        assert!(!told.contains("alert(1)</"), "{told}");
        scene.provider.set_endpoint(endpoint, "");
    }
    scene.begin(None, &[]).await;
    scene.server.stop().await;
}
