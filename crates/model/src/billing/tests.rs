use super::*;

const TENANT: &str = "01890000-0000-7000-8000-000000000001";
const PROJECT: &str = "01890000-0000-7000-8000-000000000002";
const IDENTITY: &str = "01890000-0000-7000-8000-000000000003";

fn body(kind: &str, at: &str, more: &str) -> String {
    let at: Timestamp = at.parse().unwrap();
    format!(
        r#"{{"v":1,"id":"{TENANT}","tenant":"{TENANT}","kind":"{kind}","occurred_at":{},"refs":[
            {{"role":"identity","id":"{IDENTITY}","name":"bot://support/triage"}},
            {{"role":"project","id":"{PROJECT}","name":"support"}},
            {{"role":"sponsor","id":"{TENANT}","name":{{"digest":"00"}}}}]{more}}}"#,
        at.micros()
    )
}

#[test]
fn a_month_is_of_the_calendar_in_utc() {
    let month = |at: &str| Month::of(at.parse().unwrap()).to_string();
    assert_eq!(month("2026-10-31T23:59:59.999999Z"), "2026-10");
    assert_eq!(month("2026-11-01T00:00:00Z"), "2026-11");
    assert_eq!(month("2026-11-01T01:00:00+02:00"), "2026-10");
    let december: Month = "2026-12".parse().unwrap();
    assert_eq!(december.next().to_string(), "2027-01");
    assert_eq!(december.start().to_string(), "2026-12-01T00:00:00Z");
    assert_eq!(
        Month::of(Timestamp::from_micros(i64::MAX)).to_string(),
        "1970-01"
    );
    for not in [
        "2026-13",
        "2026-00",
        "2026-1",
        "26-01",
        "2026-11-01",
        "+026-01",
        "1969-12",
        "9999-01",
        "",
    ] {
        assert!(not.parse::<Month>().is_err(), "{not}");
    }
}

#[test]
fn a_record_that_sums_many_counts_as_many_as_it_says() {
    let at = "2026-10-31T23:59:59Z";
    let counted = |body: &str| meter(body).unwrap().map(|one| (one.operation, one.count));
    assert_eq!(
        counted(&body("decision", at, r#","count":41"#)),
        Some((Operation::Decision, 41))
    );
    for (kind, operation) in [
        ("action", Operation::Action),
        ("approval_opened", Operation::Approval),
        ("token_issued", Operation::Token),
    ] {
        assert_eq!(counted(&body(kind, at, "")), Some((operation, 1)), "{kind}");
    }
    for kind in [
        "refused",
        "introspected",
        "changed",
        "approval_decided",
        "later",
    ] {
        assert_eq!(counted(&body(kind, at, r#","count":9"#)), None, "{kind}");
    }
    // An attempt that no worker took has no token.
    let ended = body("execution_ended", at, "");
    assert_eq!(counted(&ended), None);
    assert_eq!(
        counted(&ended.replace("\"sponsor\"", "\"token\"")),
        Some((Operation::Execution, 1))
    );
    // A sum without its number is no record of ours.
    assert!(meter(&body("decision", at, "")).is_err());
}

#[test]
fn the_project_and_the_name_are_those_of_the_record() {
    let found = meter(&body("token_issued", "2026-11-02T00:00:00Z", ""))
        .unwrap()
        .unwrap();
    assert_eq!(found.month.to_string(), "2026-11");
    let project = found.project.unwrap();
    assert_eq!(
        (project.id.to_string().as_str(), project.name.as_deref()),
        (PROJECT, Some("support"))
    );
    assert_eq!(
        found.identity.unwrap().name.as_deref(),
        Some("bot://support/triage")
    );
    // A person's token, and a decision about nobody known.
    let nobody = |kind: &str, more: &str| {
        body(kind, "2026-11-02T00:00:00Z", more)
            .replace("\"identity\"", "\"actor\"")
            .replace("\"project\"", "\"target\"")
    };
    assert_eq!(meter(&nobody("token_issued", "")).unwrap(), None);
    let decision = meter(&nobody("decision", r#","count":2"#))
        .unwrap()
        .unwrap();
    assert_eq!(
        (decision.project, decision.identity, decision.count),
        (None, None, 2)
    );
}

#[test]
fn what_is_added_up_does_not_depend_on_where_it_was_cut() {
    let bodies = [
        body("token_issued", "2026-10-02T00:00:00Z", ""),
        body("decision", "2026-10-02T00:00:00Z", r#","count":7"#),
        body("token_issued", "2026-11-02T00:00:00Z", "").replace("\"support\"", "\"care\""),
        body("token_issued", "2026-10-03T00:00:00Z", ""),
    ];
    let mut whole = Tally::default();
    for body in &bodies {
        whole.add(meter(body).unwrap().unwrap());
    }
    let october: Month = "2026-10".parse().unwrap();
    let text = |tally: &Tally| {
        let of = tally
            .counts
            .iter()
            .filter(|(counter, _)| counter.month == october);
        canonical(of.map(|(counter, count)| (*counter, *count)))
    };
    assert_eq!(
        text(&whole),
        format!("{PROJECT} {IDENTITY} decision 7\n{PROJECT} {IDENTITY} token 2\n")
    );
    // The name is the last one of that month.
    let mut names: Vec<_> = whole.names.values().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "bot://support/triage",
            "bot://support/triage",
            "care",
            "support"
        ]
    );
    let mut reversed = Tally::default();
    for body in bodies.iter().rev() {
        reversed.add(meter(body).unwrap().unwrap());
    }
    assert_eq!(reversed.counts, whole.counts);
}
