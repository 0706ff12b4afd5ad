//! The client against a server that answers what each test says.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    thread::JoinHandle,
};

use countersign_api::{
    Client, ClientError,
    client::{Basic, Changed},
    identities::{Identity, UpdateIdentity},
    paging::Page,
    tokens::{TokenQuery, TokenRequest},
};

/// Answers one request, and says what it was.
fn answering(status: &str, headers: &str, body: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let served = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            request.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut sent = vec![0; length];
        reader.read_exact(&mut sent).unwrap();
        request.push_str(&String::from_utf8(sent).unwrap());
        reader.into_inner().write_all(answer.as_bytes()).unwrap();
        request
    });
    (base, served)
}

fn client(base: &str) -> Client {
    Client::new(base, Some("the-token".to_owned())).unwrap()
}

#[tokio::test]
async fn a_list_is_asked_for_with_its_filters_and_the_token() {
    let (base, served) = answering("200 OK", "", r#"{"items": [], "next": "c2"}"#);
    let query = countersign_api::identities::ListIdentities {
        project: Some("support".into()),
        incomplete: Some(true),
        ..Default::default()
    };
    let page: Page<Identity> = client(&base).list(&query).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("c2")));
    let request = served.join().unwrap();
    assert!(
        request.starts_with("GET /api/identities?project=support&incomplete=true HTTP/1.1"),
        "{request}"
    );
    assert!(
        request.contains("authorization: Bearer the-token"),
        "{request}"
    );
}

#[tokio::test]
async fn a_refusal_carries_its_problem() {
    let body = r#"{"type": "urn:countersign:problem:forbidden", "title": "forbidden", "status": 403,
        "detail": "you are no owner of `support`", "reason_code": "forbidden"}"#;
    let (base, served) = answering("403 Forbidden", "retry-after: 7\r\n", body);
    let error = client(&base).show::<Identity>("a/b c").await.unwrap_err();
    assert_eq!(error.to_string(), "you are no owner of `support`");
    assert_eq!(
        (error.status(), error.reason_code()),
        (Some(403), Some("forbidden"))
    );
    assert!(matches!(
        error,
        ClientError::Problem {
            retry_after: Some(7),
            ..
        }
    ));
    assert!(
        served
            .join()
            .unwrap()
            .starts_with("GET /api/identities/=612f622063 HTTP/1.1")
    );
}

#[tokio::test]
async fn a_change_that_waits_is_no_success_and_no_error() {
    let body = r#"{"id": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21", "status": "pending", "type": "change",
        "summary": "widen", "digest": "d", "required": 1, "decisions": [], "approvers": [], "separation": "proven",
        "opened_at": "2026-11-22T09:00:00Z", "expires_at": "2026-11-22T17:00:00Z",
        "txn": "0199d3a4-6f2e-7c41-9f00-3f8e1c5a7b21"}"#;
    let (base, served) = answering("202 Accepted", "", body);
    let changed = client(&base)
        .update::<Identity>("triage", &UpdateIdentity::default(), Some("\"3\""))
        .await
        .unwrap();
    assert!(matches!(changed, Changed::Waits(approval) if approval.digest == "d"));
    let request = served.join().unwrap();
    assert!(
        request.starts_with("PATCH /api/identities/triage ") && request.contains("if-match: \"3\""),
        "{request}"
    );
    assert!(
        request.ends_with("\r\n\r\n{}"),
        "what is left out is not sent: {request}"
    );
}

#[tokio::test]
async fn an_oauth_refusal_says_what_to_ask_people_for() {
    let body = r#"{"error": "approval_required", "error_description": "a person must countersign deploy.release",
        "reason_code": "approval_required", "approval": {"endpoint": "http://x/api/approvals",
        "actions": ["deploy.release"], "environment": "production", "audience": "deploy-target"}}"#;
    let (base, served) = answering("400 Bad Request", "", body);
    let form = TokenRequest {
        grant_type: "client_credentials".into(),
        ..TokenRequest::default()
    };
    let error = client(&base).token(&form).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Oauth { error, .. } if error.approval.is_some()),
        "{error}"
    );
    let request = served.join().unwrap();
    assert!(
        request.ends_with("\r\n\r\ngrant_type=client_credentials"),
        "{request}"
    );
    assert!(
        !request.contains("the-token"),
        "the user's token never goes to the token endpoint: {request}"
    );
}

#[tokio::test]
async fn a_client_authenticates_with_both_halves_encoded() {
    let (base, served) = answering("200 OK", "", r#"{"active": false}"#);
    let query = TokenQuery {
        token: "t".into(),
        token_type_hint: None,
    };
    let basic = Basic {
        client_id: "a:b",
        client_secret: "s/t",
    };
    let answer = client(&base).introspect(&query, Some(basic)).await.unwrap();
    assert!(!answer.active && answer.claims.is_none());
    // a%3Ab:s%2Ft
    assert!(
        served
            .join()
            .unwrap()
            .contains("authorization: Basic YSUzQWI6cyUyRnQ=")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let (base, _served) = answering("302 Found", "location: http://127.0.0.1:9/\r\n", "");
    let error = client(&base).current_session(&()).await.unwrap_err();
    assert_eq!(error.status(), Some(302));
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let base = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error = client(&base).current_session(&()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot reach {base}: ")),
        "{error}"
    );
}
