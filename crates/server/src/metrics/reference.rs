//! The reference page of the metrics, made from what is registered.

use std::fmt::Write as _;

use crate::metrics::Metrics;

/// The page `docs/reference/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    let metrics = Metrics::new();
    metrics.touch();
    let text = metrics.text();
    let mut page = String::from(HEAD);
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("# HELP ") else {
            continue;
        };
        let Some((name, help)) = rest.split_once(' ') else {
            continue;
        };
        let kind = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_default();
        let suffix = if kind == "counter" { "_total" } else { "" };
        let _ = writeln!(
            page,
            "| `{name}{suffix}` | {kind} | {} |",
            help.trim_end_matches('.')
        );
    }
    page
}

const HEAD: &str = "# Metrics

<!-- Generated from what the program registers; a test keeps it fresh. -->

`GET /metrics` answers them in the OpenMetrics text format. Names are stable. No label carries anything that a
request chose: no token, name, address or path.

| name | type | what it says |
|---|---|---|
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_metrics_page_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(page.contains("`countersign_http_requests_total`"), "{page}");
        assert!(
            page == markdown(),
            "run the tests of countersign-server with UPDATE_REFERENCE=1"
        );
    }
}
