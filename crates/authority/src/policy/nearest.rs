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

/// How many characters must be changed, added, dropped or swapped with their neighbour: the
/// optimal string alignment distance, one row of its table at a time.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    // The row above `above`, and the character of `above`: what a swap looks back to.
    let mut earlier: Option<(Vec<usize>, char)> = None;
    for (done, wanted) in from.chars().enumerate() {
        let mut row = Vec::with_capacity(above.len());
        let mut left = done + 1;
        row.push(left);
        for (place, (found, (diagonal, up))) in to
            .iter()
            .zip(above.iter().zip(above.iter().skip(1)))
            .enumerate()
        {
            let changed = diagonal + usize::from(wanted != *found);
            let swapped = earlier.as_ref().and_then(|(row, character)| {
                let before = place.checked_sub(1)?;
                (to.get(before) == Some(&wanted) && character == found)
                    .then_some(row.get(before)? + 1)
            });
            left = changed
                .min(up + 1)
                .min(left + 1)
                .min(swapped.unwrap_or(usize::MAX));
            row.push(left);
        }
        earlier = Some((std::mem::replace(&mut above, row), wanted));
    }
    above.last().copied().unwrap_or_default()
}

/// Beyond four edits a suggestion is a guess.
const GREATEST_DISTANCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_and_another_word_does_not() {
        let names = [
            "deploy.release",
            "deploy.rollback",
            "secrets.read",
            "secrets.write",
        ];
        assert_eq!(nearest("deploy.relase", names), Some("deploy.release"));
        assert_eq!(nearest("secret.read", names), Some("secrets.read"));
        assert_eq!(nearest("billing.export", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("nmae", ["name", "kind"]), Some("name"));
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ca", "ac"), 1);
        assert_eq!(distance("deploy", "dpeloy"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
