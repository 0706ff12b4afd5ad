//! One program of one's own: registered, a token, asked about, revoked, told.

use serde_json::json;

use crate::world::{AUDIENCE, Person, Server, eventually};

#[test]
fn a_first_start_says_how_to_get_in_and_a_code_stands_alone() {
    let server = Server::start();
    assert_eq!(
        server.said[1],
        "nobody has signed in yet: make yourself an owner with"
    );
    assert_eq!(
        server.said[2],
        format!(
            "  countersign admin enrol EMAIL --role owner --data {}",
            server.data().display()
        )
    );
    let data = server.data().display().to_string();
    let enrolled = Person::stranger().run(&["admin", "enrol", "dana@example.com", "--data", &data]);
    assert!(
        enrolled.err.contains("good once and for 15 minutes"),
        "{}",
        enrolled.err
    );
    let code = enrolled.ok();
    assert!(
        code.starts_with("csenrol_") && !code.contains(char::is_whitespace),
        "{code}"
    );

    let dana = Person::stranger();
    let signed_in = dana.run(&["login", "--server", &server.url, "--code", &code]);
    assert!(
        signed_in
            .err
            .contains("as dana@example.com, owner of tenant `default`"),
        "{}",
        signed_in.err
    );
    assert_eq!(signed_in.ok(), "");
    assert_eq!(dana.run(&["auth", "token"]).ok().split('.').count(), 3);
    assert_eq!(
        dana.run(&["auth", "whoami", "-o", "json"]).json()["name"],
        "dana@example.com"
    );
    let again = Person::stranger().run(&["login", "--server", &server.url, "--code", &code]);
    assert!(again.fails(3).contains("next: a code is good once"));
    dana.run(&["logout"]).ok();
    assert!(
        dana.run(&["auth", "token"])
            .fails(3)
            .contains("not signed in to")
    );
}

#[test]
fn the_printed_curl_gets_a_token() {
    let server = Server::start();
    let dana = server.dana();
    let created = dana.run(&[
        "identity",
        "create",
        "payroll",
        "--audience",
        "https://api.example.com",
        "--env",
        "staging,development",
    ]);
    assert!(
        created
            .err
            .contains("audience `https://api.example.com` created"),
        "{}",
        created.err
    );
    assert!(
        created
            .err
            .contains("identity `payroll` created; dana@example.com answers for it"),
        "{}",
        created.err
    );
    assert!(
        created
            .err
            .contains("warning: the secret is shown this once and never again"),
        "{}",
        created.err
    );
    let text = created.ok();
    dana.file("curl.sh", &text[text.find("\ncurl ").expect("a curl")..]);
    let answer = dana.shell("sh curl.sh").json();
    assert_eq!(
        (&answer["token_type"], &answer["expires_in"]),
        (&json!("Bearer"), &json!(600))
    );
    dana.file("token.jwt", answer["access_token"].as_str().unwrap());
    let token = dana
        .run(&["token", "inspect", "token.jwt", "-o", "json"])
        .json();
    assert_eq!(token["claims"]["aud"], "https://api.example.com");
    assert_eq!(token["claims"]["environment"], "staging");
    assert_eq!(token["verified"], false);

    let made = dana
        .run(&[
            "identity",
            "create",
            "nightly",
            "--audience",
            "https://api.example.com",
            "-o",
            "json",
        ])
        .json();
    assert!(
        made["curl"]
            .as_str()
            .unwrap()
            .starts_with("curl -sS -u 'nightly:cscs_"),
        "{made}"
    );
    let listed = dana.run(&["identity", "list", "-o", "json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(
        dana.run(&["identity", "list", "--incomplete"])
            .ok()
            .lines()
            .filter(|line| line.contains("~dana"))
            .count(),
        2
    );
}

#[test]
fn a_token_lives_and_dies_at_the_command_line() {
    let server = Server::start();
    let dana = server.dana();
    let api = dana
        .run(&["identity", "create", "support-api", "-o", "json"])
        .json();
    dana.run(&["audience", "create", AUDIENCE, "--served-by", "support-api"])
        .ok();
    dana.run(&[
        "identity",
        "create",
        "triage",
        "--audience",
        AUDIENCE,
        "--allow",
        "case.read",
        "--no-credential",
    ])
    .ok();
    let made = dana
        .run(&[
            "credential",
            "create",
            "triage",
            "--type",
            "client-secret",
            "-o",
            "json",
        ])
        .json();
    let (id, secret) = (
        made["client_id"].as_str().unwrap(),
        made["client_secret"].as_str().unwrap(),
    );
    let issue = [
        "token",
        "issue",
        "--client-id",
        id,
        "--client-secret",
        secret,
    ];
    let token = dana.run(&issue).ok();
    assert_eq!(token.split('.').count(), 3, "the token alone: {token}");
    dana.file("token.jwt", &token);

    let (api_id, api_secret) = (
        api["credential"]["client_id"].as_str().unwrap(),
        api["credential"]["client_secret"].as_str().unwrap(),
    );
    let ask = [
        "token",
        "introspect",
        "token.jwt",
        "--client-id",
        api_id,
        "--client-secret",
        api_secret,
        "-o",
        "json",
    ];
    let answer = dana.run(&ask).json();
    assert_eq!(
        (&answer["active"], &answer["actions"]),
        (&json!(true), &json!(["case.read"]))
    );
    assert!(
        dana.run(&["token", "revoke", "token.jwt"])
            .err
            .contains("the token is dead")
    );
    assert_eq!(dana.run(&ask).json(), json!({ "active": false }));

    let jti = dana
        .run(&["token", "inspect", "token.jwt", "-o", "json"])
        .json()["claims"]["jti"]
        .as_str()
        .unwrap()
        .to_owned();
    let told = eventually("the lineage of the token", || {
        let said = dana.run(&["lineage", &format!("token:{jti}"), "--verify"]);
        (said.code == Some(0)
            && said.err.contains(" hops proven")
            && !said.err.contains("not yet published"))
        .then_some(said)
    });
    assert!(
        told.out
            .contains("triage was issued a token for case.read at support-automation-api"),
        "{}",
        told.out
    );
    assert!(
        told.out.contains("dana@example.com must respond"),
        "{}",
        told.out
    );
    assert!(
        dana.run(&["lineage", "user:dana@example.com"])
            .ok()
            .contains("triage")
    );
    eventually("the evidence of the token", || {
        let found = |args: &[&str]| {
            let json = dana
                .run(&[&["audit", "search", "-o", "json"], args].concat())
                .json();
            json.as_array().unwrap().len()
        };
        let issued = found(&["--identity", "triage", "--kind", "token_issued"]);
        let told = [
            issued,
            found(&["--kind", "revoked"]),
            found(&["--kind", "introspected"]),
        ];
        // The two introspections are one record when a tenth of a second has both.
        matches!(told, [1, 1, 1 | 2]).then_some(())
    });

    let preview = dana
        .run(&["revoke", "identity", "triage", "--preview"])
        .ok();
    assert!(
        preview.starts_with("revoking identity `triage` would end:"),
        "{preview}"
    );
    assert!(!dana.run(&issue).ok().is_empty());
    dana.run(&[
        "identity",
        "disable",
        "triage",
        "--reason",
        "it posts secrets",
    ])
    .ok();
    assert!(dana.run(&issue).fails(1).contains("next:"));
    dana.run(&["identity", "enable", "triage"]).ok();
    dana.run(&[
        "credential",
        "revoke",
        made["name"].as_str().unwrap(),
        "--reason",
        "leaked",
    ])
    .ok();
    assert!(
        dana.run(&issue)
            .fails(1)
            .contains("next: check the client id and the secret")
    );
    dana.run(&["identity", "delete", "triage", "--dry-run"])
        .ok();
    dana.run(&["identity", "delete", "triage"]).ok();
    let taken = dana.run(&["identity", "create", "triage"]).fails(1);
    assert!(taken.contains("names are never given out again"), "{taken}");
}

#[test]
fn what_was_acknowledged_outlives_a_stop() {
    let server = Server::start();
    let dana = server.dana();
    let made = dana
        .run(&[
            "identity",
            "create",
            "payroll",
            "--audience",
            AUDIENCE,
            "-o",
            "json",
        ])
        .json();
    let server = server.stop().start();
    let lee = server.person("lee@example.com", "owner");
    assert_eq!(
        lee.run(&["identity", "show", "payroll", "-o", "json"])
            .json()["id"],
        made["identity"]["id"]
    );
}

#[test]
fn findings_read_as_a_list_of_things_to_do() {
    let server = Server::start();
    let dana = server.dana();
    dana.run(&[
        "identity",
        "create",
        "release-legacy",
        "--kind",
        "pipeline",
        "--audience",
        AUDIENCE,
        "--allow",
        "deploy.release,secrets.read",
        "--env",
        "staging,production",
        "--purpose",
        "Releases the shop",
    ])
    .ok();
    let told = dana.run(&["finding", "list", "--severity", "high"]).ok();
    assert!(
        told.starts_with("release-legacy (pipeline, answered for by dana@example.com)\n  high    it acts in 2 environments"),
        "{told}"
    );
    assert!(
        told.contains("-> split it: one identity for each environment"),
        "{told}"
    );
    assert!(
        told.contains("$ countersign identity create release-legacy-production --kind pipeline"),
        "{told}"
    );
    let shown = dana.run(&["identity", "show", "release-legacy"]).ok();
    assert!(
        shown.contains("\nfindings:\n  high    it acts in 2 environments"),
        "{shown}"
    );
    let items = dana.run(&["finding", "list", "-o", "json"]).json();
    assert_eq!(items[0]["findings"][0]["weakness"], "shared_environments");
    dana.run(&["finding", "list", "--fail"]).fails(1);
    dana.run(&["identity", "delete", "release-legacy", "--yes"])
        .ok();
    let none = dana.run(&["finding", "list", "--fail"]).ok();
    assert_eq!(none.trim(), "no weakness found in 0 identities");
}

#[test]
fn a_service_account_is_made_listed_rotated_and_revoked_from_the_command_line() {
    let server = Server::start();
    let dana = server.dana();
    let asked = |args: &[&str]| dana.run(&[args, &["-o", "json"]].concat()).json();
    let made = asked(&[
        "service-account",
        "create",
        "sensor:core.timer",
        "--scope",
        "sensor",
        "--trigger-type",
        "core.timer",
    ]);
    let token = made["token"].as_str().unwrap();
    assert!(
        token.starts_with("sensor_eyJ"),
        "a scanner of secrets knows it"
    );
    let listed = dana.run(&["service-account", "list"]).ok();
    assert!(
        listed.contains("sensor:core.timer") && listed.contains("active"),
        "{listed}"
    );
    let next = asked(&[
        "service-account",
        "token",
        "sensor:core.timer",
        "--revoke-others",
        "--reason",
        "rotated",
    ]);
    assert_ne!(next["chain_id"], made["chain_id"]);
    let all = asked(&["service-account", "list"]);
    assert!(!all.to_string().contains("eyJ"), "{all}");
    let live: Vec<_> = all[0]["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chain| &chain["live"])
        .collect();
    assert_eq!(live, [&json!(1), &json!(0)]);
    let hook = asked(&[
        "service-account",
        "create",
        "webhook:deploy",
        "--scope",
        "webhook",
        "--allowed-path",
        "/webhooks/deploy",
        "--ip",
        "203.0.113.0/24",
    ]);
    assert!(hook["token"].as_str().unwrap().starts_with("webhook_eyJ"));
    let gone = dana.run(&[
        "service-account",
        "revoke",
        "sensor:core.timer",
        "--reason",
        "Token compromised",
        "--yes",
    ]);
    assert!(gone.ok().contains("Service account revoked"));
    let again = dana.run(&[
        "service-account",
        "create",
        "sensor:core.timer",
        "--scope",
        "sensor",
        "--trigger-type",
        "core.timer",
    ]);
    let told = again.fails(1);
    assert!(told.contains("was deleted"), "{told}");
    // What a person typed is named as they typed it.
    let create = |further: &[&str]| {
        let args = ["service-account", "create", "webhook:other", "--scope"];
        let told = dana.run(&[&args, further].concat()).fails(1);
        for member in ["metadata", "trigger_types", "allowed_paths", "ttl_days"] {
            assert!(!told.contains(member), "{member}: {told}");
        }
        told
    };
    let bare = create(&["sensor"]);
    assert!(bare.contains("`--trigger-type`"), "{bare}");
    let many = ["/a"; 51].join(",");
    let many = create(&["webhook", "--allowed-path", &many]);
    assert!(many.contains("`--allowed-path` takes at most"), "{many}");
}

#[test]
fn a_review_says_who_confirmed_when_and_what_is_due() {
    let server = Server::start();
    let dana = server.dana();
    dana.run(&["identity", "create", "triage"]).ok();
    let before = dana
        .run(&["identity", "show", "triage", "-o", "json"])
        .json();
    assert!(before.get("confirmed").is_none(), "{before}");
    dana.run(&["identity", "review", "triage", "--reason", "still needed"])
        .ok();
    let list = ["identity", "list", "--reviews", "-o", "json"];
    let after = dana.run(&list).json();
    assert_eq!(after[0]["confirmed"]["by"]["name"], "dana@example.com");
    assert!(after[0]["review_due_at"].as_str() > after[0]["confirmed"]["at"].as_str());
    let table = dana.run(&["identity", "list", "--reviews"]).ok();
    assert!(
        table.contains("CONFIRMED BY") && table.contains("dana@example.com"),
        "{table}"
    );
    let due = dana
        .run(&["identity", "list", "--review-due", "-o", "json"])
        .json();
    assert_eq!(due, json!([]));
}

#[test]
fn accounts_of_other_systems_are_imported_answered_for_and_replaced_from_the_command_line() {
    let server = Server::start();
    let dana = server.dana();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.csv");
    let text = "id,name,type,owner,key_last_used_at\r\nu-1,=nightly,person,dana@example.com,2026-11-21\r\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let dry = dana.run(&["import", "csv", file, "--system", "okta", "--dry-run"]);
    let dry = dry.ok();
    assert!(dry.contains("okta:u-1"), "{dry}");
    assert_eq!(
        dana.run(&["observed", "list", "-o", "json"]).json(),
        serde_json::json!([])
    );
    dana.run(&["import", "csv", file, "--system", "okta"]).ok();
    let found = dana.run(&["finding", "list"]).ok();
    assert!(
        found.contains("=nightly (observed in okta, answered for by nobody)"),
        "{found}"
    );
    dana.run(&["observed", "confirm", "--all"]).ok();
    let shown = dana
        .run(&["observed", "show", "okta:u-1", "-o", "json"])
        .json();
    assert_eq!(shown["sponsor"]["name"], "dana@example.com");
    let lineage = dana.run(&["lineage", "user:dana@example.com"]).ok();
    assert!(lineage.contains("observed: =nightly"), "{lineage}");
    let exported = dana.run(&["observed", "export"]).ok();
    assert!(exported.contains("u-1,okta,'=nightly,person"), "{exported}");
    dana.run(&[
        "identity",
        "create",
        "nightly",
        "--no-credential",
        "--replaces",
        "okta:u-1",
    ])
    .ok();
    let shown = dana
        .run(&["observed", "show", "okta:u-1", "-o", "json"])
        .json();
    assert_eq!(shown["replaced_by"]["name"], "nightly");
    // What was exported comes in as it was, and changes nothing.
    let all = |name: &str| {
        let listed = dana.run(&["observed", "list", "-o", "json"]).json();
        let listed = listed.as_array().unwrap().clone();
        let told = |one: &serde_json::Value| {
            let fields = [
                "name",
                "label",
                "form",
                "privileges",
                "secret_ends_at",
                "disabled_there",
            ];
            fields.map(|field| one[field].clone())
        };
        assert!(listed.len() > 2, "{name}");
        listed.iter().map(told).collect::<Vec<_>>()
    };
    let rest = "id,name,privileges,form,secret_ends_at,disabled\r\n\
        '-2,''=odd,\"[\"\"a;b\"\",\"\"c|d\"\"]\",deploy key,2027-01-02T03:04:05Z,true\r\n\
        u-3,plain,e;f,,,\r\n";
    std::fs::write(&path, rest).unwrap();
    dana.run(&["import", "csv", file, "--system", "github"])
        .ok();
    let before = all("before");
    assert!(
        before.iter().any(|one| one[0] == "github:-2"
            && one[1] == "'=odd"
            && one[3] == json!(["a;b", "c|d"])
            && one[5] == true),
        "{before:?}"
    );
    let exported = dana.run(&["observed", "export"]).ok();
    std::fs::write(&path, exported).unwrap();
    dana.run(&["import", "csv", file]).ok();
    assert_eq!(all("after"), before);
    let some = dana.run(&["observed", "export", "--limit", "1"]);
    assert!(
        some.err
            .contains("there are more observed accounts than these 1"),
        "{}",
        some.err
    );
    // All is also what somebody else answers for until then.
    let lee = server.person("lee@example.com", "member");
    let propose = ["observed", "propose", "okta:u-1", "--sponsor"];
    dana.run(&[&propose[..], &["lee@example.com"]].concat())
        .ok();
    lee.run(&["observed", "confirm", "--all"]).ok();
    let shown = lee
        .run(&["observed", "show", "okta:u-1", "-o", "json"])
        .json();
    assert_eq!(shown["sponsor"]["name"], "lee@example.com");
}

#[test]
fn an_owner_makes_a_scope_smaller_and_a_service_account_gets_tokens_of_it() {
    let server = Server::start();
    let dana = server.dana();
    let run = |line: &str| dana.run(&line.split(' ').collect::<Vec<_>>());
    run("scope create timer --parent sensor --action event.create,rule.read --longest-days 30")
        .ok();
    let line =
        "service-account create sensor:core.timer --scope timer --trigger-type core.timer -o json";
    let made = run(line).json();
    assert_eq!(
        (&made["scope"], &made["defined_scope"]),
        (&json!("sensor"), &json!("timer"))
    );
    assert!(made["token"].as_str().unwrap().starts_with("sensor_"));
    let listed = run("service-account list").ok();
    assert!(listed.contains("timer (sensor)"), "{listed}");
    // A list that drops something says so first; another action is not the parent's.
    run("scope update timer --action event.create").fails(2);
    run("scope update timer --action event.create --replace").ok();
    let refused = run("scope update timer --action event.create,key.read").fails(1);
    assert!(
        refused.contains("`key.read` is not among what `sensor` bundles"),
        "{refused}"
    );
    let none = run("scope show nothing").fails(6);
    assert!(none.contains("countersign scope list"), "{none}");
    run("scope delete timer --yes").ok();
    let gone = run("service-account token sensor:core.timer").fails(1);
    assert!(
        gone.contains("has no such part of `sensor` any more"),
        "{gone}"
    );
}
