//! Accounts of other systems, over HTTP: brought in marked as observed, without owner until somebody confirms it, and
//! never with a token.

use countersign_model::registry::TenantRole;
use countersign_testkit::{Caller, TestServer, on_each_database};
use serde_json::{Value, json};

const AWS: &str = include_str!("imports/aws-credential-report.csv");
const CLUSTER: &str = include_str!("imports/cluster.json");
const GITHUB: &str = include_str!("imports/github.json");
const LIST: &str = "/api/observed-accounts";

fn file(format: &str, text: &str) -> Value {
    json!({ "format": format, "file_name": format!("/tmp/{format}.txt"), "text": text })
}

async fn import(caller: &Caller, body: &Value) -> Value {
    caller.post("/api/imports", body).await.done()
}

async fn account(caller: &Caller, name: &str) -> Value {
    let items = caller.get(LIST).await.done()["items"].clone();
    let items = items.as_array().unwrap();
    let found = items.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}")).clone()
}

fn weaknesses(account: &Value) -> Vec<&str> {
    let findings = account["findings"].as_array();
    let found = findings.into_iter().flatten();
    found.filter_map(|one| one["weakness"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_three_systems_come_in_observed_and_the_same_file_again_changes_nothing() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let link = json!({
            "issuer": "https://token.actions.githubusercontent.com", "subject": "583231", "user": "kim@example.com",
        });
        let linked = dana.post("/api/linked-accounts", &link).await.json();
        kim.approve(linked["id"].as_str().unwrap()).await;
        let mut dry = file("github", GITHUB);
        dry["dry_run"] = json!(true);
        let planned = import(&dana, &dry).await;
        assert_eq!((&planned["made"], &planned["dry_run"]), (&json!(4), &json!(true)));
        assert_eq!(dana.get(LIST).await.done()["items"], json!([]));
        for (format, text, made) in [("csv", AWS, 3), ("kubernetes", CLUSTER, 2), ("github", GITHUB, 4)] {
            let done = import(&dana, &file(format, text)).await;
            assert_eq!(done["made"], made, "{done}");
            let again = import(&dana, &file(format, text)).await;
            assert_eq!((&again["made"], &again["unchanged"]), (&json!(0), &json!(made)));
        }
        let exporter = account(&dana, "kubernetes:5b1c2f0e-7a2d-4d59-9a67-3f6d0d3b1c11").await;
        assert_eq!(exporter["observed"], true);
        assert_eq!(exporter["label"], "shop/exporter");
        assert_eq!(
            exporter["privileges"],
            json!([
                "eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/shop-exporter",
                "ClusterRole view everywhere",
            ])
        );
        assert_eq!(exporter["proposed"]["name"], "kim@example.com");
        assert!(exporter.get("sponsor").is_none());
        assert_eq!(exporter["provenance"]["file_name"], "kubernetes.txt");
        assert_eq!(exporter["provenance"]["line"], 1);
        assert_eq!(exporter["provenance"]["imported_by"]["name"], "dana@example.com");
        assert_eq!(exporter["provenance"]["file_digest"].as_str().unwrap().len(), 64);
        assert_eq!(weaknesses(&exporter), ["unanswered", "old_secret"]);
        // A linked account says whose a token is.
        let token = account(&dana, "github:token/98716").await;
        assert_eq!(token["proposed"]["name"], "kim@example.com");
        assert_eq!(weaknesses(&token), ["unanswered", "credential_ends_soon"]);
        let key = account(&dana, "github:key/1").await;
        assert_eq!((&key["form"], &key["place"]), (&json!("deploy key"), &json!("octo-org/shop")));
        // The same account in a newer export: seen later, and nothing else changes hands.
        let newer = AWS.replace("2026-11-21T02:00:00", "2026-11-22T02:00:00");
        let done = import(&dana, &file("csv", &newer)).await;
        assert_eq!((&done["made"], &done["updated"]), (&json!(0), &json!(3)));
        let backup = account(&dana, "aws:arn:aws:iam::123456789012:user/backup-job").await;
        assert_eq!(backup["last_used_at"], "2026-11-22T02:00:00Z");
        assert_eq!(backup["secret_since"], "2023-02-02T11:00:00Z");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_for_an_observed_account_until_they_confirm_it() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        let lee = server.enrol("lee@example.com", TenantRole::Member).await;
        import(&dana, &file("kubernetes", CLUSTER)).await;
        let exporter = account(&dana, "kubernetes:5b1c2f0e-7a2d-4d59-9a67-3f6d0d3b1c11").await;
        let path = format!("{LIST}/{}", exporter["id"].as_str().unwrap());
        // Who has nothing to do with it does not see it; who is proposed does.
        lee.get(&path).await.refused(404, "not_found");
        assert_eq!(lee.get(LIST).await.done()["items"], json!([]));
        assert_eq!(kim.get(LIST).await.done()["items"].as_array().unwrap().len(), 1);
        let nothing = json!({});
        // Not even an owner of the tenant answers for somebody else.
        dana.post(&format!("{path}/confirm"), &nothing).await.refused(403, "forbidden");
        lee.post(&format!("{path}/confirm"), &nothing).await.refused(404, "not_found");
        let propose = json!({ "sponsor": "lee@example.com" });
        kim.post(&format!("{path}/propose"), &propose).await.refused(403, "forbidden");
        kim.post(&format!("{path}/decline"), &json!({ "reason": "not ours" })).await.done();
        kim.get(&path).await.refused(404, "not_found");
        dana.post(&format!("{path}/propose"), &propose).await.done();
        let confirmed = lee.post(&format!("{path}/confirm"), &nothing).await;
        assert_eq!(confirmed.done()["sponsor"]["name"], "lee@example.com");
        let shown = dana.get(&path).await.done();
        assert_eq!(weaknesses(&shown), ["old_secret"]);
        let told = dana.get("/api/lineage?ref=user:lee@example.com").await.done();
        assert_eq!(told["observed"][0]["name"], "shop/exporter");
        assert_eq!(
            told["sentence"],
            "lee@example.com answers for 0 identities, as sponsor of 0; and for 1 observed account of another system."
        );
        // An import never takes it out of their hands.
        import(&dana, &file("kubernetes", &CLUSTER.replace("kim@", "dana@"))).await;
        assert_eq!(dana.get(&path).await.done()["sponsor"]["name"], "lee@example.com");
        // When they leave, it shows at once, with their name.
        dana.post("/api/users/lee@example.com/disable", &nothing).await.done();
        let left = dana.get(&path).await.done();
        assert_eq!((&left["status"], &left["sponsor"]["name"]), (&json!("orphaned"), &json!("lee@example.com")));
        assert_eq!(left["findings"][0]["says"], "who answered for it has left");
        let unanswered = dana.get(&format!("{LIST}?unanswered=true")).await.done();
        assert_eq!(unanswered["items"].as_array().unwrap().len(), 2);
        dana.post(&format!("{path}/propose"), &json!({ "sponsor": "dana@example.com" })).await.done();
        let mine = dana.post(&format!("{path}/confirm"), &nothing).await.done();
        assert_eq!((&mine["status"], &mine["sponsor"]["name"]), (&json!("active"), &json!("dana@example.com")));
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_declined_is_not_proposed_again_and_who_left_stands_in_nobodys_way() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        server.enrol("lee@example.com", TenantRole::Member).await;
        server.enrol("mia@example.com", TenantRole::Member).await;
        let of = |owner: &str| file("csv", &format!("id,owner\nbot,{owner}@example.com\n"));
        import(&dana, &of("kim")).await;
        let path = format!("{LIST}/csv:bot");
        kim.post(&format!("{path}/decline"), &json!({ "reason": "not ours" }))
            .await
            .done();
        for _ in 0..2 {
            import(&dana, &of("kim")).await;
            assert!(dana.get(&path).await.done()["proposed"].is_null());
        }
        // By hand they are asked again; taken off the list, their no stands.
        let again = json!({ "sponsor": "kim@example.com" });
        let asked = dana.post(&format!("{path}/propose"), &again).await.done();
        assert_eq!(asked["proposed"]["name"], "kim@example.com");
        kim.post(&format!("{path}/decline"), &json!({}))
            .await
            .done();
        dana.delete(&path).await;
        import(&dana, &of("kim")).await;
        assert!(dana.get(&path).await.done()["proposed"].is_null());

        import(&dana, &of("lee")).await;
        assert_eq!(
            dana.get(&path).await.done()["proposed"]["name"],
            "lee@example.com"
        );
        dana.post("/api/users/lee@example.com/disable", &json!({}))
            .await
            .done();
        let left = dana.get(&path).await.done();
        assert!(left["proposed"].is_null(), "{left}");
        let fix = left["findings"][0]["fix"].as_str().unwrap();
        assert!(fix.starts_with("countersign observed propose "), "{fix}");
        let listed = account(&dana, "csv:bot").await;
        assert!(listed["proposed"].is_null(), "{listed}");
        assert_eq!(listed["findings"], left["findings"]);
        import(&dana, &of("mia")).await;
        assert_eq!(
            dana.get(&path).await.done()["proposed"]["name"],
            "mia@example.com"
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sign_ins_say_stays_when_an_older_or_smaller_file_comes() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let row = |day: u32, hour: u32| {
            format!("night@example.com,2026-11-{day:02}T{hour:02}:00:00Z,198.51.100.7,\n")
        };
        let table = |rows: &[String]| {
            let rows = rows.concat();
            file("csv", &format!("account,time,ip,device\n{rows}"))
        };
        let steady: Vec<String> = (0..96).map(|hour| row(hour / 24 + 15, hour % 24)).collect();
        import(&dana, &table(&steady)).await;
        let older = [row(1, 9)];
        let smaller = [row(16, 9), row(16, 10)];
        let newer = [row(20, 9)];
        for (rows, counted) in [
            (&steady[..], 96),
            (&older[..], 97),
            (&older[..], 97),
            (&smaller[..], 97),
            (&newer[..], 98),
            (&steady[..], 98),
        ] {
            import(&dana, &table(rows)).await;
            let night = account(&dana, "csv:night@example.com").await;
            assert_eq!(night["sign_ins"]["count"], counted, "{night}");
            assert_eq!(weaknesses(&night)[0], "used_by_program");
        }
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_account_that_a_program_uses_is_found_and_an_identity_takes_its_place() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        import(&dana, &file("csv", AWS)).await;
        import(&dana, &file("github", GITHUB)).await;
        let mut steady = String::from("account,time,ip,device\n");
        let mut crowd = steady.clone();
        for hour in 0..96 {
            let (day, of_day) = (hour / 24 + 15, hour % 24);
            steady.push_str(&format!("night@example.com,2026-11-{day}T{of_day:02}:00:00Z,198.51.100.7,\n"));
        }
        for (day, device) in (16..20).flat_map(|day| ["a", "b", "c"].map(|device| (day, device))) {
            crowd.push_str(&format!("office@example.com,2026-11-{day}T10:00:00Z,198.51.100.7,{device}\n"));
        }
        import(&dana, &file("csv", &steady)).await;
        import(&dana, &file("csv", &crowd)).await;
        let says = async |name: &str, weakness: &str| {
            let account = account(&dana, name).await;
            let findings = account["findings"].as_array().unwrap();
            let found = findings.iter().find(|one| one["weakness"] == weakness);
            let found = found.unwrap_or_else(|| panic!("{account}"));
            assert_eq!(found["severity"], "high");
            (found["says"].as_str().unwrap().to_owned(), found["fix"].as_str().unwrap().to_owned())
        };
        let (said, _) = says("aws:arn:aws:iam::123456789012:user/kim", "used_by_program").await;
        assert_eq!(said, "a program uses the account of a person: a key for programs was used at 2026-11-21T03:00:00Z");
        let (said, _) = says("github:user/583231", "used_by_program").await;
        assert_eq!(said, "a program uses the account of a person: 3 of 3 sign-ins are by programs (git)");
        let (said, fix) = says("csv:night@example.com", "used_by_program").await;
        assert!(said.ends_with("within three days it signs in during 24 of the 24 hours of the day"), "{said}");
        let id = account(&dana, "csv:night@example.com").await["id"].as_str().unwrap().to_owned();
        assert_eq!(fix, format!("countersign identity create night-program --kind service_account --replaces {id}"));
        let (said, _) = says("csv:office@example.com", "shared_by_people").await;
        assert_eq!(said, "several people share it: in 4 hours three devices or more signed in");
        // A program's own account is no person's, however it is used.
        let backup = account(&dana, "aws:arn:aws:iam::123456789012:user/backup-job").await;
        assert_eq!(weaknesses(&backup), ["unanswered", "old_secret"]);
        let body = json!({ "kind": "service_account", "name": "night-program", "replaces": id });
        dana.post("/api/identities", &body).await.done();
        let replaced = account(&dana, "csv:night@example.com").await;
        assert_eq!(replaced["replaced_by"]["name"], "night-program");
        let other = json!({ "kind": "service_account", "name": "other-program", "replaces": id });
        dana.post("/api/identities", &other).await.refused(422, "unprocessable");
        dana.get("/api/identities/other-program").await.refused(404, "not_found");
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_file_is_said_and_nothing_of_it_comes_in() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        let kim = server.enrol("kim@example.com", TenantRole::Member).await;
        kim.post("/api/imports", &file("csv", AWS))
            .await
            .refused(403, "forbidden");
        let mut rows = String::from("id,name,created_at\n");
        for number in 0..500 {
            rows.push_str(&format!("u{number},n,2026-01-01\n"));
        }
        rows.push_str("u500,n,yesterday\n");
        let refused = dana.post("/api/imports", &file("csv", &rows)).await;
        refused.refused(422, "unprocessable");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.starts_with(
                "nothing is imported: line 502, column 3 (`created_at`): `yesterday` is not a time"
            ),
            "{detail}"
        );
        assert_eq!(dana.get(LIST).await.done()["items"], json!([]));
        let mut system = file("csv", "id\nx\n");
        system["system"] = json!("../Okta");
        dana.post("/api/imports", &system)
            .await
            .refused(422, "unprocessable");
        let long = file("csv", &"x".repeat(8 * 1024 * 1024));
        dana.post("/api/imports", &long)
            .await
            .refused(413, "content_too_large");
        assert_eq!(dana.get(LIST).await.done()["items"], json!([]));
        // More than a batch comes in whole.
        let done = import(
            &dana,
            &file("csv", &rows.replace("yesterday", "2026-01-01")),
        )
        .await;
        assert_eq!(
            (&done["made"], &done["accounts"]),
            (&json!(501), &json!(501))
        );
        server.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_ever_issued_for_an_observed_account() {
    on_each_database(async |database| {
        let server = TestServer::start(&database).await;
        let dana = server.owner().await;
        import(&dana, &file("github", GITHUB)).await;
        let key = account(&dana, "github:key/1").await;
        let id = key["id"].as_str().unwrap();
        for name in ["github:key/1", id] {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", name),
                ("client_secret", "anything"),
            ];
            let answer = server.anyone().form("/oauth2/token", &form, &[]).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (401, &json!("invalid_client"))
            );
            let path = format!("/api/identities/{}", name.replace('/', "%2F"));
            let made = dana
                .post(
                    &format!("{path}/credentials"),
                    &json!({ "type": "client-secret" }),
                )
                .await;
            assert!(matches!(made.status, 400 | 404), "{}", made.text());
        }
        let evidence = dana.get("/api/evidence?kind=token_issued").await.done();
        let of_it = evidence["items"].to_string();
        assert!(!of_it.contains(id), "{of_it}");
        server.stop().await;
    })
    .await;
}
