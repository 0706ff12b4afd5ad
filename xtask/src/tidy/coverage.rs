//! The tables that say what is shown by which test, `| S1.4 | what | how it is shown |`: one of all requirements, one of all
//! attacks. No number may be missing, and nothing in them that is not there.
//!
//! A proof is a list, separated by commas: the name of a Rust test, the title of a TypeScript test in quotes, a
//! documented command in backticks, and at the end perhaps `not yet: why`.

use std::collections::BTreeSet;

use crate::source::Source;

/// A page with such a table.
struct Page {
    path: &'static str,
    /// What one row is.
    rows: &'static str,
    /// The groups of its numbers, each with its last: from 1 up to that, none may be missing.
    groups: &'static [(&'static str, u32)],
}

const PAGES: [Page; 2] = [
    Page {
        path: "docs/attacks.md",
        rows: "attacks",
        // The threat model, and the published attacks on run identities.
        groups: &[("T", 36), ("P", 17)],
    },
    Page {
        path: "docs/coverage.md",
        rows: "requirements",
        groups: &[
            ("S0.", 20),
            ("S1.", 18),
            ("S2.", 11),
            ("S3.", 17),
            ("S4.", 29),
        ],
    },
];

/// A summary, and what is wrong.
pub fn check(sources: &[Source]) -> (String, Vec<String>) {
    let known = Known::read(sources);
    let mut summaries = Vec::new();
    let mut findings = Vec::new();
    for page in &PAGES {
        let (summary, found) = page.check(sources, &known);
        summaries.push(summary);
        findings.extend(found);
    }
    (summaries.join("; "), findings)
}

impl Page {
    fn check(&self, sources: &[Source], known: &Known<'_>) -> (String, Vec<String>) {
        let Self { path, rows, .. } = self;
        let Some(page) = sources.iter().find(|source| source.path == *path) else {
            return (String::new(), vec![format!("{path} is missing")]);
        };
        let mut findings = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = 0_usize;
        for (index, line) in page.text.lines().enumerate() {
            let Some((number, cells)) = row(line) else {
                continue;
            };
            let at = format!("{path}:{}: {number}", index + 1);
            if !seen.insert(number.to_owned()) {
                findings.push(format!("{at} has a second row"));
            }
            let [what, proof] = cells.as_slice() else {
                findings.push(format!("{at} has {} cells, not three", cells.len() + 1));
                continue;
            };
            if what.is_empty() {
                findings.push(format!("{at} does not say what it is about"));
            }
            let proofs = split(proof);
            if proofs.is_empty() {
                findings.push(format!("{at} names no test, no command and no reason"));
            }
            open += usize::from(proofs.iter().any(|proof| matches!(proof, Proof::NotYet(_))));
            let faults = proofs.iter().filter_map(|proof| known.fault(proof));
            findings.extend(faults.map(|fault| format!("{at}: {fault}")));
        }
        let wanted = self.numbers();
        let missing = wanted.difference(&seen);
        findings.extend(missing.map(|number| format!("{path}: {number} has no row")));
        let unknown = seen.difference(&wanted);
        findings.extend(unknown.map(|number| format!("{path}: {number} is none of its numbers")));
        let summary = format!("{} {rows}, {open} of them not whole yet", wanted.len());
        (summary, findings)
    }

    fn numbers(&self) -> BTreeSet<String> {
        let group = |(name, last): &(&str, u32)| {
            let name = (*name).to_owned();
            (1..=*last).map(move |number| format!("{name}{number}"))
        };
        self.groups.iter().flat_map(group).collect()
    }
}

/// The number of a row, and its other cells.
fn row(line: &str) -> Option<(&str, Vec<&str>)> {
    let line = line.trim().strip_prefix('|')?;
    let mut cells = line.trim_end_matches('|').split('|').map(str::trim);
    let number = cells.next().filter(|cell| is_number(cell))?;
    Some((number, cells.collect()))
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

/// The names of the functions that a test attribute stands before: a helper proves nothing.
fn tests_of(text: &str) -> Vec<&str> {
    let (mut marked, mut found) = (false, Vec::new());
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if !line.starts_with("//")
            && let Some((_, after)) = line.split_once("fn ")
        {
            let name = after.split(|letter: char| !is_word(letter)).next();
            found.extend(name.filter(|_| marked));
            marked = false;
        }
    }
    found
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
                .filter(move |source| source.is(extensions) && !is_page(source))
        };
        Self {
            functions: texts(&["rs"])
                .flat_map(|source| tests_of(&source.text))
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

fn is_page(source: &Source) -> bool {
    PAGES.iter().any(|page| page.path == source.path)
}

/// A letter, and numbers with dots.
fn is_number(cell: &str) -> bool {
    let rest = cell.strip_prefix(|letter: char| letter.is_ascii_uppercase());
    rest.is_some_and(|rest| rest.split('.').all(|part| part.parse::<u32>().is_ok()))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_word)
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(attacks: &str, requirements: &str) -> Vec<Source> {
        let source = |path: &str, text: &str| Source {
            path: path.into(),
            text: text.into(),
        };
        vec![
            source(PAGES[0].path, attacks),
            source(PAGES[1].path, requirements),
            source("README.md", "run `countersign demo --exit`"),
            source("crates/a/tests/a.rs", "#[test]\nfn denies_win() {}\n"),
            source(
                "sdk/typescript/test/a.test.ts",
                "test(\"denies an action\", () => {});",
            ),
        ]
    }

    #[test]
    fn only_what_is_marked_as_a_test_is_one() {
        let text = "fn helper() {}\n#[tokio::test(flavor = \"multi_thread\")]\n/// Why, in a fn of words.\nasync fn proof() {\n    fn inner() {}\n}\n";
        assert_eq!(tests_of(text), ["proof"]);
    }

    /// The page with every row, the first of them shown by this.
    fn complete(page: &Page, first: &str) -> String {
        let numbers = page.numbers().into_iter().enumerate();
        let rows = numbers.map(|(index, number)| {
            let proof = if index == 0 { first } else { "denies_win" };
            format!("| {number} | what | {proof} |\n")
        });
        rows.collect()
    }

    fn found(attacks: &str, requirements: &str) -> Vec<String> {
        check(&sources(attacks, requirements)).1
    }

    #[test]
    fn every_kind_of_proof_is_accepted_when_it_exists() {
        let proof =
            "`denies_win`, \"denies an action\", `countersign demo --exit`, not yet: the rest";
        let attacks = complete(&PAGES[0], "denies_win");
        let requirements = complete(&PAGES[1], proof);
        let (summary, findings) = check(&sources(&attacks, &requirements));
        assert_eq!(findings, Vec::<String>::new());
        assert_eq!(
            summary,
            "53 attacks, 0 of them not whole yet; 95 requirements, 1 of them not whole yet"
        );
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
            let [attacks, requirements] = PAGES.each_ref().map(|page| complete(page, proof));
            assert_eq!(found(&attacks, &requirements).len(), 2, "{proof}");
        }
    }

    #[test]
    fn a_missing_an_unknown_and_a_repeated_number_are_found() {
        let [attacks, requirements] = PAGES.each_ref().map(|page| complete(page, "denies_win"));
        for (attacks, requirements) in [
            (attacks.replace("| T36 |", "| T37 |"), requirements.clone()),
            (
                attacks.clone(),
                requirements.replace("| S4.29 |", "| S4.30 |"),
            ),
            (attacks.replace("| P17 |", "| P16 |"), requirements.clone()),
        ] {
            assert_eq!(found(&attacks, &requirements).len(), 2);
        }
        assert_eq!(
            found(
                &attacks.replace("| T9 | what | denies_win |", "| T9 | denies_win |"),
                &requirements
            )
            .len(),
            1
        );
        let without: Vec<_> = sources(&attacks, &requirements)
            .into_iter()
            .skip(1)
            .collect();
        assert_eq!(check(&without).1, ["docs/attacks.md is missing"]);
    }
}
