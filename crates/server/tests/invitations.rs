//! Invitations: an owner lets the person of an address in, and those who would let in more, or come in twice (T16, T28).

use countersign_crypto::Secret;
use countersign_model::{registry::TenantRole, time::Seconds};
use countersign_testkit::{
    Authenticator, Caller, MailRelay, TestServer, eventually, on_each_database,
};
use serde_json::{Value, json};

use crate::{
    passkeys::{ORIGIN, cookie, named, page, post, register, show},
    world::service,
};

const WEEK: Seconds = Seconds::days(7);

/// What stands behind the `#` of an invitation that was just made.
fn link(made: &Value) -> String {
    let url = made["url"].as_str().unwrap();
    let (page, link) = url.split_once('#').expect("the link is behind the #");
    assert_eq!(page, format!("{ORIGIN}/passkeys"));
    link.to_owned()
}

async fn invite(by: &Caller, body: Value) -> Value {
    by.post("/api/invitations", &body).await.done()
}

/// Lets owners of projects invite, by an owner who is alone.
async fn by_invitation(owner: &Caller) {
    let body = json!({ "registration": "invitation" });
    assert_eq!(
        owner.patch("/api/tenant", &body).await.done()["registration"],
        "invitation"
    );
}

fn role_of(project: &Value, name: &str) -> Option<String> {
    let members = project["members"].as_array().unwrap();
    let found = members.iter().find(|one| one["user"]["name"] == name)?;
    Some(found["role"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_invited_registers_a_passkey_and_is_a_member_with_that_role() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        dana.project("web").await;
        let body =
            json!({ "email": "kim@example.com", "project": "web", "project_role": "editor" });
        let made = invite(&dana, body).await;
        assert_eq!(made["mailed"], false);
        // The link is shown once; nobody is here before it is opened.
        let open = dana.get("/api/invitations").await.done();
        assert_eq!(open["items"][0]["id"], made["id"]);
        assert_eq!(open["items"][0]["project_role"], "editor");
        assert!(open["items"][0].get("url").is_none(), "{open}");
        dana.get("/api/users/kim@example.com")
            .await
            .refused(404, "not_found");

        let mut key = Authenticator::new(ORIGIN);
        let link = link(&made);
        let came = register(&server, &link, &mut key).await;
        assert_eq!(came.status, 204, "{}", came.text());
        let cookie = cookie(&show(&server, &mut key).await);
        let me = page(&server, "/api/sessions/current", &cookie).await.done();
        assert_eq!(
            (&me["name"], &me["role"]),
            (&json!("kim@example.com"), &json!("member"))
        );
        let kim = dana.get("/api/users/kim@example.com").await.done();
        assert_eq!(kim["invited_by"]["name"], "dana@example.com");
        assert_eq!(kim["id"], me["id"]);
        let web = dana.get("/api/projects/web").await.done();
        assert_eq!(role_of(&web, "kim@example.com").unwrap(), "editor");
        dana.get("/api/projects/~kim").await.done();

        // Once.
        assert_eq!(
            dana.get("/api/invitations").await.done()["items"],
            json!([])
        );
        post(&server, "/passkeys/begin", &json!({ "link": link }))
            .await
            .refused(401, "credential_invalid");
        // All of it is on record: who invited, and who came of it.
        let found = dana
            .get("/api/evidence?kind=invitation_changed")
            .await
            .done();
        let found = found["items"].as_array().unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        let mut records = Vec::new();
        for one in found {
            let id = one["id"].as_str().unwrap();
            records.push(dana.get(&format!("/api/evidence/{id}")).await.done());
        }
        let of = |verb: &str| {
            let found = records.iter().find(|one| one["record"]["verb"] == verb);
            found.unwrap().clone()
        };
        let (created, accepted) = (of("created"), of("accepted"));
        assert_eq!(
            accepted["record"]["parents"][0], created["record"]["id"],
            "{accepted}"
        );
        assert!(
            !created["body"]
                .as_str()
                .unwrap()
                .contains("kim@example.com"),
            "an address is personal: {created}"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t28_an_invitation_lets_nobody_in_twice_later_elsewhere_or_when_it_was_taken_back() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        let no = async |link: &str| {
            let body = json!({ "link": link });
            let answer = post(&server, "/passkeys/begin", &body).await;
            answer.refused(401, "credential_invalid");
            answer.json()["detail"].as_str().unwrap().to_owned()
        };
        let made = invite(&dana, json!({ "email": "kim@example.com" })).await;
        let kim = link(&made);
        // Another tenant knows nothing of it.
        let elsewhere = server.tenant("acme", "lee@example.com").await;
        let begun = elsewhere
            .anonymous()
            .send(
                reqwest::Method::POST,
                "/passkeys/begin",
                Some(&json!({ "link": kim })),
                &[crate::passkeys::OWN],
            )
            .await;
        begun.refused(401, "credential_invalid");
        // A question that was asked of one link answers no other.
        let other = link(&invite(&dana, json!({ "email": "mo@example.com" })).await);
        let mut key = Authenticator::new(ORIGIN);
        let asked = post(&server, "/passkeys/begin", &json!({ "link": kim }))
            .await
            .done();
        assert_eq!(asked["user"], "kim@example.com");
        let credential = key.create(&asked["options"]);
        let body = json!({
            "link": other, "ceremony": asked["ceremony"], "name": "ring", "credential": credential,
        });
        post(&server, "/passkeys/finish", &body)
            .await
            .refused(401, "credential_invalid");
        // One address has one; the second takes the first's place only when that was taken back.
        let again = json!({ "email": "kim@example.com" });
        dana.post("/api/invitations", &again)
            .await
            .refused(409, "conflict");
        let id = made["id"].as_str().unwrap();
        let gone = dana.delete(&format!("/api/invitations/{id}")).await;
        assert_eq!(gone.status, 204, "{}", gone.text());
        dana.delete(&format!("/api/invitations/{id}"))
            .await
            .refused(404, "not_found");
        let taken_back = no(&kim).await;
        // Time, and what was made up: one answer for all of it.
        let changed = format!("{}a", &other[..other.len() - 1]);
        server.clock().advance(Seconds(WEEK.0 - 1));
        assert_eq!(
            post(&server, "/passkeys/begin", &json!({ "link": other }))
                .await
                .status,
            200
        );
        let asked = post(&server, "/passkeys/begin", &json!({ "link": other }))
            .await
            .done();
        let credential = key.create(&asked["options"]);
        server.clock().advance(Seconds(1));
        assert_eq!(no(&other).await, taken_back);
        let body = json!({
            "link": other, "ceremony": asked["ceremony"], "name": "ring", "credential": credential,
        });
        post(&server, "/passkeys/finish", &body)
            .await
            .refused(401, "credential_invalid");
        if changed != other {
            no(&changed).await;
        }
        let dana = server.owner().await;
        assert_eq!(
            dana.get("/api/invitations").await.done()["items"],
            json!([])
        );
        // An address is free again when its invitation is over.
        invite(&dana, json!({ "email": "mo@example.com" })).await;
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_nobody_invites_into_more_than_they_hold() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let service = service(&server).await;
        let dana = &service.owner;
        let mo = server.enrol("mo@example.com", TenantRole::Member).await;
        let auditor = server.enrol("ada@example.com", TenantRole::Auditor).await;
        mo.project("web").await;
        let refused = async |by: &Caller, body: Value, status: u16| {
            let answer = by.post("/api/invitations", &body).await;
            assert_eq!(answer.status, status, "{body}: {}", answer.text());
        };
        let to = |project: &str, role: &str| {
            json!({ "email": "kim@example.com", "project": project, "project_role": role })
        };
        // Off: owners of the tenant alone.
        refused(&mo, to("web", "viewer"), 403).await;
        by_invitation(dana).await;
        refused(&mo, json!({ "email": "kim@example.com" }), 403).await;
        refused(&mo, to("release", "viewer"), 404).await;
        refused(&mo, to("~mo", "viewer"), 422).await;
        refused(&auditor, to("release", "viewer"), 403).await;
        refused(&auditor, json!({ "email": "kim@example.com" }), 403).await;
        for role in ["auditor", "owner"] {
            let body = json!({ "email": "kim@example.com", "role": role, "project": "web" });
            refused(&mo, body, 422).await;
        }
        // Not even an owner of the tenant makes one by an invitation, nor gives an address twice.
        refused(dana, json!({ "email": "kim@example.com", "role": "owner" }), 422).await;
        refused(dana, json!({ "email": "mo@example.com" }), 409).await;
        let body = json!({ "email": "kim@example.com", "project_role": "viewer" });
        refused(dana, body, 400).await;
        // What they hold they give, and see, and take back; what is not theirs they do not.
        let own = invite(&mo, to("web", "owner")).await;
        let audits = json!({ "email": "eve@example.com", "role": "auditor" });
        let other = invite(dana, audits).await;
        let seen = mo.get("/api/invitations").await.done();
        assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
        let path = |made: &Value| format!("/api/invitations/{}", made["id"].as_str().unwrap());
        mo.delete(&path(&other)).await.refused(404, "not_found");
        auditor.delete(&path(&own)).await.refused(403, "forbidden");
        assert_eq!(
            auditor.get("/api/invitations").await.done()["items"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        // A week later who invites must still be one who may.
        dana.post("/api/users/mo@example.com/disable", &json!({}))
            .await
            .done();
        let mut key = Authenticator::new(ORIGIN);
        register(&server, &link(&own), &mut key)
            .await
            .refused(401, "credential_invalid");
        dana.get("/api/users/kim@example.com")
            .await
            .refused(404, "not_found");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t16_an_invitation_brings_nobody_who_countersigns() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let service = service(&server).await;
        let dana = &service.owner;
        let body =
            json!({ "email": "kim@example.com", "project": "release", "project_role": "owner" });
        let made = invite(dana, body.clone()).await;
        // Meanwhile something in it needs a person, whom the owners of the project are.
        let guarded = json!({ "requires_approval": true });
        dana.patch(&format!("/api/identities/{}", service.id()), &guarded)
            .await
            .done();
        let mut key = Authenticator::new(ORIGIN);
        let came = register(&server, &link(&made), &mut key).await;
        assert_eq!(came.status, 204, "{}", came.text());
        let release = dana.get("/api/projects/release").await.done();
        assert_eq!(role_of(&release, "kim@example.com").unwrap(), "editor");
        let mut body = body;
        body["email"] = json!("lou@example.com");
        dana.post("/api/invitations", &body)
            .await
            .refused(403, "forbidden");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_invite_is_widened_by_two_people() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let dana = server.owner().await;
        server.enrol("lee@example.com", TenantRole::Owner).await;
        assert_eq!(dana.get("/api/tenant").await.done()["registration"], "off");
        let body = json!({ "registration": "invitation" });
        let waits = dana.patch("/api/tenant", &body).await.waits();
        assert!(
            waits.to_string().contains("registration_widened"),
            "{waits}"
        );
        assert_eq!(dana.get("/api/tenant").await.done()["registration"], "off");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_invites_nobody_and_comes_in_by_no_invitation() {
    on_each_database(async |database| {
        let server = named(&database).await;
        let service = service(&server).await;
        by_invitation(&service.owner).await;
        let token = server
            .anyone()
            .client_token(&service.client, &[("audience", server.issuer())])
            .await
            .access_token();
        let program = server.anyone().with_token(token);
        let body = json!({ "email": "kim@example.com", "project": "release" });
        program
            .post("/api/invitations", &body)
            .await
            .refused(403, "forbidden");
        program
            .get("/api/invitations")
            .await
            .refused(403, "forbidden");
        // Its credential opens nothing that a person comes in by.
        let secret = json!({ "link": service.client.client_secret });
        post(&server, "/passkeys/begin", &secret)
            .await
            .refused(401, "credential_invalid");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_goes_to_its_address_and_nobody_is_shown_it() {
    on_each_database(async |database| {
        let relay = MailRelay::plain().await;
        let server = TestServer::start_with(&database, |config| {
            config.server.issuer = Some(ORIGIN.to_owned());
            config.notify.smtp.url = Some(Secret::new(relay.url("")));
            config.notify.smtp.from = "Countersign <countersign@example.com>".to_owned();
        })
        .await;
        let dana = server.owner().await;
        let made = invite(&dana, json!({ "email": "kim@example.com" })).await;
        assert_eq!(made["mailed"], true);
        assert!(made.get("url").is_none(), "{made}");
        let mails = eventually("the relay takes it", async || {
            let mails = relay.mails();
            (!mails.is_empty()).then_some(mails)
        })
        .await;
        assert_eq!(mails.len(), 1, "{mails:?}");
        let (mail, text) = (&mails[0], mails[0].text.replace("=\r\n", ""));
        assert!(mail.to[0].contains("<kim@example.com>"), "{mail:?}");
        assert!(
            text.contains("Subject: [Countersign] dana@example.com invites you"),
            "{text}"
        );
        let (_, rest) = text.split_once("/passkeys#").expect("the link");
        let link = rest.split_whitespace().next().unwrap();
        let mut key = Authenticator::new(ORIGIN);
        let came = register(&server, link, &mut key).await;
        assert_eq!(came.status, 204, "{}", came.text());
        show(&server, &mut key).await;
        server.stop().await;
    })
    .await;
}
