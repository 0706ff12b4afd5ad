//! `docs/coverage.md`: one row per requirement, `| S1.4 | what | how it is shown |`, and nothing in it that is not there.
//!
//! A proof is a list, separated by commas: the name of a Rust test, the title of a TypeScript test in quotes, a
//! documented command in backticks, and at the end perhaps `not yet: why`.

use std::collections::BTreeSet;

use crate::source::Source;

/// A summary, and what is wrong.
pub fn check(sources: &[Source]) -> (String, Vec<String>) {
    let Some(page) = sources.iter().find(|source| source.path == PAGE) else {
        return (String::new(), vec![format!("{PAGE} is missing")]);
    };
    let known = Known::read(sources);
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = 0_usize;
    for (index, line) in page.text.lines().enumerate() {
        let cells: Vec<&str> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let at = format!("{PAGE}:{}", index + 1);
        let Some(number) = cells.first().filter(|cell| is_number(cell)) else {
            continue;
        };
        if !line.trim_start().starts_with('|') {
            continue;
        }
        if !seen.insert((*number).to_owned()) {
            findings.push(format!("{at}: {number} has a second row"));
        }
        let [_, what, proof] = cells.as_slice() else {
            findings.push(format!(
                "{at}: {number} has {} cells, not three",
                cells.len()
            ));
            continue;
        };
        if what.is_empty() {
            findings.push(format!("{at}: {number} does not say what it asks for"));
        }
        let proofs = split(proof);
        if proofs.is_empty() {
            findings.push(format!(
                "{at}: {number} names no test, no command and no reason"
            ));
        }
        open += usize::from(proofs.iter().any(|proof| matches!(proof, Proof::NotYet(_))));
        findings.extend(
            proofs
                .iter()
                .filter_map(|proof| known.fault(proof))
                .map(|fault| format!("{at}: {number}: {fault}")),
        );
    }
    let wanted: BTreeSet<String> = numbers().collect();
    findings.extend(
        wanted
            .difference(&seen)
            .map(|number| format!("{PAGE}: {number} has no row")),
    );
    findings.extend(
        seen.difference(&wanted)
            .map(|number| format!("{PAGE}: {number} is not a requirement")),
    );
    (
        format!(
            "{} requirements, {open} of them not whole yet",
            wanted.len()
        ),
        findings,
    )
}

#[derive(Debug, PartialEq)]
enum Proof {
    Command(String),
    NotYet(String),
    RustTest(String),
    TypeScriptTest(String),
}

/// The parts of a proof cell.
fn split(cell: &str) -> Vec<Proof> {
    let mut proofs = Vec::new();
    let mut rest = cell;
    loop {
        rest = rest.trim_start_matches([' ', ',', ';']);
        if let Some(reason) = rest.strip_prefix("not yet") {
            proofs.push(Proof::NotYet(
                reason.trim_start_matches(':').trim().to_owned(),
            ));
            return proofs;
        }
        let Some(first) = rest.chars().next() else {
            return proofs;
        };
        let quoted = matches!(first, '`' | '"')
            .then(|| rest[1..].split_once(first))
            .flatten();
        let (part, after) = match quoted {
            Some((part, after)) => (part, after),
            None => rest.split_at(rest.find([',', ';']).unwrap_or(rest.len())),
        };
        let part = part.trim().to_owned();
        proofs.push(match (quoted.is_some(), first) {
            (true, '"') => Proof::TypeScriptTest(part),
            (true, _) if !is_identifier(&part) => Proof::Command(part),
            _ => Proof::RustTest(part),
        });
        rest = after;
    }
}

/// What the repository has that a proof can name.
struct Known<'a> {
    functions: BTreeSet<&'a str>,
    scripts: Vec<&'a str>,
    pages: Vec<&'a str>,
}

impl<'a> Known<'a> {
    fn read(sources: &'a [Source]) -> Self {
        let texts = |extensions: &'static [&'static str]| {
            sources
                .iter()
                .filter(move |source| source.is(extensions) && source.path != PAGE)
        };
        let name = |line: &'a str| {
            let (_, after) = line.split_once("fn ")?;
            Some(
                after
                    .split(|letter: char| !is_word(letter))
                    .next()
                    .unwrap_or_default(),
            )
        };
        Self {
            functions: texts(&["rs"])
                .flat_map(|source| source.text.lines().filter_map(name))
                .collect(),
            scripts: texts(&["mjs", "ts"])
                .map(|source| source.text.as_str())
                .collect(),
            pages: texts(&["md"]).map(|source| source.text.as_str()).collect(),
        }
    }

    fn fault(&self, proof: &Proof) -> Option<String> {
        match proof {
            Proof::Command(command) => {
                let start: Vec<&str> = command.split_whitespace().take(2).collect();
                let start = start.join(" ");
                let documented = self.pages.iter().any(|page| page.contains(&start));
                (!documented).then(|| format!("`{start}` stands in no other page"))
            }
            Proof::NotYet(reason) => reason
                .is_empty()
                .then(|| "`not yet` without a reason".to_owned()),
            Proof::RustTest(name) => (!self.functions.contains(name.as_str()))
                .then(|| format!("no test is called `{name}`")),
            Proof::TypeScriptTest(title) => {
                let forms = [
                    format!("(\"{title}\""),
                    format!("('{title}'"),
                    format!("(`{title}`"),
                ];
                let exists = self
                    .scripts
                    .iter()
                    .any(|text| forms.iter().any(|form| text.contains(form)));
                (!exists).then(|| format!("no TypeScript test has the title \"{title}\""))
            }
        }
    }
}

fn numbers() -> impl Iterator<Item = String> {
    LAST.iter()
        .enumerate()
        .flat_map(|(group, last)| (1..=*last).map(move |number| format!("S{group}.{number}")))
}

fn is_number(cell: &str) -> bool {
    let parts = cell.strip_prefix('S').and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(group, number)| {
        group.parse::<u32>().is_ok() && number.parse::<u32>().is_ok()
    })
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_word)
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

const PAGE: &str = "docs/coverage.md";

/// The last number of each group of requirements, S0 to S4.
const LAST: &[u32] = &[20, 18, 11, 17, 29];

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(rows: &str) -> Vec<Source> {
        let source = |path: &str, text: &str| Source {
            path: path.into(),
            text: text.into(),
        };
        vec![
            source(PAGE, rows),
            source("README.md", "run `countersign demo --exit`"),
            source("crates/a/tests/a.rs", "#[test]\nfn denies_win() {}\n"),
            source(
                "sdk/typescript/test/a.test.ts",
                "test(\"denies an action\", () => {});",
            ),
        ]
    }

    fn complete(first: &str) -> String {
        let others = numbers()
            .skip(1)
            .map(|number| format!("| {number} | what | denies_win |\n"));
        format!("| S0.1 | what | {first} |\n{}", others.collect::<String>())
    }

    #[test]
    fn every_kind_of_proof_is_accepted_when_it_exists() {
        let page = complete(
            "`denies_win`, \"denies an action\", `countersign demo --exit`, not yet: the rest",
        );
        let (summary, findings) = check(&sources(&page));
        assert_eq!(findings, Vec::<String>::new());
        assert_eq!(summary, "95 requirements, 1 of them not whole yet");
    }

    #[test]
    fn proofs_that_do_not_exist_are_found() {
        for proof in [
            "allows_win",
            "`allows_win`",
            "\"allows\"",
            "`countersign fly`",
            "not yet:",
            "",
        ] {
            assert_eq!(check(&sources(&complete(proof))).1.len(), 1, "{proof}");
        }
    }

    #[test]
    fn a_missing_and_an_unknown_requirement_are_found() {
        let page = complete("denies_win").replace("| S4.29 |", "| S4.30 |");
        assert_eq!(check(&sources(&page)).1.len(), 2);
    }
}
