use countersign_authority::registry::observed::OwnerHint;
use countersign_model::registry::AccountType;

use super::*;

fn csv(text: &str) -> Result<Vec<ImportedAccount>, ImportError> {
    of(ImportFormat::Csv, text)
}

fn of(format: ImportFormat, text: &str) -> Result<Vec<ImportedAccount>, ImportError> {
    let ci_networks = ["192.0.2.0/24".parse().unwrap()];
    let source = Source {
        text,
        system: None,
        ci_networks: &ci_networks,
    };
    read(format, &source)
}

fn error(text: &str) -> String {
    csv(text).unwrap_err().to_string()
}

#[test]
fn a_table_of_accounts_is_read_by_the_names_of_its_columns() {
    let text = "\u{feff}Name;ID;Type;Owner;Roles;Created at;Last sign-in;Something\r\n\
                \"CI; deploy\";u-1;service account;dana@example.com;admin|deploy;2024-02-01;2026-11-20 08:00:00;x\r\n\
                ;u-2;;;;;never;\r\n";
    let accounts = csv(text).unwrap();
    assert_eq!(accounts.len(), 2);
    let (first, second) = (&accounts[0], &accounts[1]);
    let facts = first.facts.as_ref().unwrap();
    assert_eq!((first.external_id.as_str(), first.line), ("u-1", 2));
    assert_eq!(facts.label, "CI; deploy");
    assert_eq!(facts.account_type, AccountType::Program);
    assert_eq!(facts.privileges, ["admin", "deploy"]);
    assert_eq!(
        facts.created_at.unwrap().to_string(),
        "2024-02-01T00:00:00Z"
    );
    assert_eq!(
        facts.last_used_at.unwrap().to_string(),
        "2026-11-20T08:00:00Z"
    );
    assert_eq!(
        first.owner,
        Some(OwnerHint::Named("dana@example.com".to_owned()))
    );
    let facts = second.facts.as_ref().unwrap();
    assert_eq!((facts.label.as_str(), second.line), ("u-2", 3));
    assert_eq!(facts.account_type, AccountType::Unknown);
    assert_eq!((facts.last_used_at, &second.owner), (None, &None));
}

#[test]
fn what_is_wrong_is_said_with_line_and_column() {
    for (text, told) in [
        (
            "id,created_at\na,2026-02-30\n",
            "line 2, column 2 (`created_at`): `2026-02-30` is not a time",
        ),
        (
            "id,name\na,b\nc\n",
            "line 3: 1 cells where the line of names has 2",
        ),
        (
            "id,type\na,wizard\n",
            "line 2, column 2 (`type`): `wizard` is no type",
        ),
        (
            "id,name\na,x\n\n\n,y\n",
            "line 5, column 1 (`id`): it is empty",
        ),
        (
            "id,name\na,x\nb,y\na,z\n",
            "line 4: the account stands at 2 already",
        ),
        (
            "id,ID\na,b\n",
            "line 1, column 2: `id` is the name of two columns",
        ),
        ("name,owner\na,b\n", "line 1: no column is named `id`"),
        ("", "line 1: no column is named `id`"),
        (
            "id,name\na,\u{202e}txt\n",
            "line 2: `name` takes at most 512 bytes and no control characters",
        ),
        ("id,name\n\"a\nb\"x,y\n", "line 2: `id` takes"),
        (
            "account,time,ip\nkim,2026-11-02T09:00:00Z,here\n",
            "line 2, column 3 (`ip`): not an IP address",
        ),
        (
            "account,time,ip\nkim,,192.0.2.1\n",
            "line 2, column 2 (`time`): it is empty, and says when",
        ),
    ] {
        let error = error(text);
        assert!(error.starts_with(told), "{text:?}: {error}");
    }
    let json = of(ImportFormat::Kubernetes, "{\n  \"items\": [}\n").unwrap_err();
    assert_eq!(json.place, "line 2, column 13");
    let uid = r#"{"kind":"List","items":[{"kind":"ServiceAccount","metadata":{"name":"a"}}]}"#;
    let uid = of(ImportFormat::Kubernetes, uid).unwrap_err();
    assert_eq!(uid.place, "entry 1, `metadata.uid`");
    let other = of(
        ImportFormat::Github,
        "[{\"id\":1,\"read_only\":true},{\"x\":1}]",
    )
    .unwrap_err();
    assert_eq!(other.place, "entry 2");
}

#[test]
fn a_hostile_table_is_bounded_and_its_texts_stay_texts() {
    let formula = csv("id,name\nx,\"=HYPERLINK(\"\"http://a\"\")\"\n").unwrap();
    let facts = formula[0].facts.as_ref().unwrap();
    assert_eq!(facts.label, "=HYPERLINK(\"http://a\")");
    let mut many = String::from("id,name\r\n");
    for number in 0..100_000 {
        many.push_str(&format!("user-{number},\"a \"\"quoted\"\" name\"\r\n"));
    }
    let told = error(&many);
    assert_eq!(told, "line 10002: more than 10000 accounts: split the file");
    let mut rows = String::from("account,time,ip\n");
    for number in 0..100_000 {
        rows.push_str(&format!(
            "kim,2026-11-{:02}T{:02}:00:00Z,192.0.2.7\n",
            number % 28 + 1,
            number % 24
        ));
    }
    let sign_ins = csv(&rows).unwrap();
    assert_eq!(sign_ins.len(), 1);
    let sum = sign_ins[0].sign_ins.as_ref().unwrap();
    assert_eq!((sum.count, sum.by_program), (100_000, 100_000));
    let wide = vec!["c"; 300].join(",");
    assert!(error(&wide).starts_with("line 1: more than 200 columns"));
    let unterminated = format!("id,name\na,\"{}", "x".repeat(4096));
    assert!(error(&unterminated).starts_with("line 2: `name` takes at most 512 bytes"));
}

#[test]
fn sign_ins_are_read_as_other_systems_write_them() {
    let entra = "Date (UTC),Request ID,User ID,Username,User type,Application,IP address,Location,Status,Device ID\n\
                 2026-11-02T09:15:00Z,1,u,kim@example.com,Member,Portal,198.51.100.4,DE,Success,d-1\n\
                 2026-11-02T09:16:00Z,2,u,kim@example.com,Member,Portal,198.51.100.4,DE,Success,d-2\n\
                 2026-11-02T09:17:00Z,3,u,kim@example.com,Member,Portal,198.51.100.4,DE,Success,d-3\n";
    let accounts = csv(entra).unwrap();
    assert_eq!(accounts[0].external_id, "kim@example.com");
    assert_eq!(accounts[0].sign_ins.as_ref().unwrap().crowded_hours, 1);
    assert!(accounts[0].facts.is_none());
}
