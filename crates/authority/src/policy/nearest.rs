//! The nearest name: what somebody who misspelt a word most likely meant.

/// The candidate that is nearest to the word, when one is near enough to be worth a suggestion:
/// at most a third of the word may differ. Of equally near ones, the first.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, GREATEST_DISTANCE);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = distance(word, candidate);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The Levenshtein distance, in characters: one row of the table at a time.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (1..=to.chars().count()).collect();
    for (done, wanted) in from.chars().enumerate() {
        let (mut diagonal, mut left) = (done, done + 1);
        for (cell, found) in row.iter_mut().zip(to.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(wanted != found)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_else(|| from.chars().count())
}

/// Beyond four edits a suggestion is a guess.
const GREATEST_DISTANCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_and_another_word_does_not() {
        let names = ["deploy.release", "deploy.rollback", "secrets.read", "secrets.write"];
        assert_eq!(nearest("deploy.relase", names), Some("deploy.release"));
        assert_eq!(nearest("secret.read", names), Some("secrets.read"));
        assert_eq!(nearest("billing.export", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
