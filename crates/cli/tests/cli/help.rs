//! `--help` of everything: it works, teaches with an example, and fits eighty columns.

use crate::world::program;

fn help(path: &[String]) -> String {
    let output = program().args(path).arg("--help").output().unwrap();
    assert!(output.status.success(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help text names.
fn commands(help: &str) -> Vec<String> {
    let list = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let named = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    names.map(ToOwned::to_owned).collect()
}

fn walk(path: &[String], seen: &mut Vec<String>) {
    let text = help(path);
    for line in text.lines().filter(|line| !line.starts_with("Usage:")) {
        assert!(
            line.chars().count() <= 80,
            "`{} --help`: {line}",
            path.join(" ")
        );
    }
    let commands = commands(&text);
    if commands.is_empty() {
        let example = format!("  countersign {}", path.join(" "));
        assert!(
            text.contains(&example) || text.contains("$(countersign "),
            "`{}` has no example of itself:\n{text}",
            path.join(" ")
        );
        seen.push(path.join(" "));
    }
    for command in commands {
        walk(&[path, &[command]].concat(), seen);
    }
}

#[test]
fn every_help_fits_eighty_columns_and_has_an_example() {
    let mut seen = Vec::new();
    walk(&[], &mut seen);
    for fixed in [
        "serve",
        "admin enrol",
        "login",
        "auth token",
        "plan",
        "apply",
        "export",
        "identity list",
        "identity show",
        "identity create",
        "identity update",
        "identity disable",
        "identity enable",
        "identity delete",
        "credential create",
        "service-account create",
        "service-account list",
        "service-account revoke",
        "token issue",
        "token exchange",
        "token introspect",
        "token revoke",
        "token inspect",
        "approval list",
        "approval show",
        "approval approve",
        "approval deny",
        "lineage",
        "log export",
        "log verify",
        "demo",
    ] {
        assert!(
            seen.iter().any(|path| path == fixed),
            "there is no `{fixed}`"
        );
    }
}

#[test]
fn without_a_command_it_says_where_to_start() {
    let output = program().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("Start here:\n  countersign demo\n  countersign serve --data ./data"),
        "{text}"
    );
    let version = program().arg("--version").output().unwrap();
    assert!(version.status.success() && version.stdout.starts_with(b"countersign "));
}
