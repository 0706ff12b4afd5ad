//! What differs from run to run, replaced: ids, times, ports, secrets.

/// The text with placeholders.
pub fn redact(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_:./".contains(c);
    let (mut redacted, mut word) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if is_part(c) {
            word.push(c);
            continue;
        }
        redacted.push_str(&replaced(&word));
        word.clear();
        if c != '\0' {
            redacted.push(c);
        }
    }
    redacted
}

fn replaced(word: &str) -> String {
    let form: String = word
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    if form.starts_with("0000-00-00T00:00:00") {
        return "[time]".to_owned();
    }
    if is_uuid(word) {
        return "[id]".to_owned();
    }
    if word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit()) {
        return "[digest]".to_owned();
    }
    if let Some((before, after)) = word.split_once("127.0.0.1:") {
        let path = after.trim_start_matches(|c: char| c.is_ascii_digit());
        return format!("{before}127.0.0.1:[port]{path}");
    }
    word.to_owned()
}

fn is_uuid(word: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    let fits = |(at, c): (usize, char)| {
        if dashes.contains(&at) {
            c == '-'
        } else {
            c.is_ascii_hexdigit()
        }
    };
    word.len() == 36 && word.chars().enumerate().all(fits)
}

#[test]
fn only_what_differs_is_replaced() {
    let text = "approval 01a2023f-d624-75ca-8e82-5f43f7d36bd3 of dana at http://127.0.0.1:4129/x until 2026-11-22T07:45:45.1Z, 10 min";
    assert_eq!(
        redact(text),
        "approval [id] of dana at http://127.0.0.1:[port]/x until [time], 10 min"
    );
}
