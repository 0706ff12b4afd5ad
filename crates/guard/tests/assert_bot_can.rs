//! The three checks of a bot's token, each with the one mutation that it must catch.

mod support;

use countersign_guard::{AccessClaims, ActionName, Guard, assert_bot_can};
use serde_json::{Value, json};

fn claims(member: &str, value: Value) -> AccessClaims {
    let actions = ["case.comment.write", "case.read"];
    let mut claims = support::claims("https://id.example.com", support::START, &actions);
    claims[member] = value;
    serde_json::from_value(claims).unwrap()
}

#[test]
fn each_of_the_three_mutations_is_refused_in_its_own_words() {
    let guard = Guard::builder()
        .issuer("https://id.example.com")
        .audience("support-automation-api")
        .subject_prefix("bot://support/")
        .offline(br#"{"keys":[]}"#, &[])
        .unwrap();
    let action: ActionName = "case.comment.write".parse().unwrap();
    let good = claims("scope", json!("support"));
    guard.assert_bot_can(&good, &action).unwrap();
    for (token, message) in [
        (claims("aud", json!("billing-api")), "invalid audience"),
        (
            claims("sub", json!("bot://billing/triage")),
            "unexpected subject",
        ),
        (
            claims("sub", json!("bot://support-evil/triage")),
            "unexpected subject",
        ),
        (
            claims("actions", json!(["case.read"])),
            "bot is not allowed to perform case.comment.write",
        ),
    ] {
        let error = guard.assert_bot_can(&token, &action).unwrap_err();
        assert_eq!(error.to_string(), message);
        let again = assert_bot_can(&token, &action, "support-automation-api", "bot://support/");
        assert_eq!(again.unwrap_err().code(), error.code());
    }
}
