//! How the story is told on a terminal of eighty columns.

use crate::out::{Out, Tone};

/// The widest line.
const WIDTH: usize = 78;

/// Tells the story: numbered steps, what was asked, what came back.
pub struct Script<'a> {
    out: &'a Out,
    step: u32,
}

impl<'a> Script<'a> {
    /// Begins.
    pub const fn new(out: &'a Out) -> Self {
        Self { out, step: 0 }
    }

    /// What this is.
    pub fn title(&self) {
        self.out
            .text("Countersign: from a CI run to a countersigned deploy, and back to who answers");
    }

    /// The next step.
    pub fn step(&mut self, text: &str) {
        self.step += 1;
        self.out.text(&format!("\n{:>2}. {text}", self.step));
    }

    /// Something that worked.
    pub fn good(&self, text: &str) {
        self.lines("ok", Tone::Added, text);
    }

    /// Something that was refused, as it should be.
    pub fn refused(&self, text: &str) {
        self.lines("no", Tone::Changed, text);
    }

    /// Something to know.
    pub fn note(&self, text: &str) {
        for line in wrapped(text, WIDTH - 4) {
            self.out.text(&format!("    {line}"));
        }
    }

    /// A text of its own, as it is.
    pub fn verbatim(&self, text: &str) {
        for line in text.lines() {
            self.out.text(&format!("      {line}"));
        }
    }

    fn lines(&self, mark: &str, tone: Tone, text: &str) {
        let mark = self.out.tint(mark, tone);
        for (number, line) in wrapped(text, WIDTH - 7).into_iter().enumerate() {
            if number == 0 {
                self.out.text(&format!("    {mark} {line}"));
            } else {
                self.out.text(&format!("       {line}"));
            }
        }
    }
}

/// The text in lines of at most so many characters, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let longer = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width
        });
        if longer {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("", 8), [""]);
        assert_eq!(wrapped("a-very-long-word b", 4), ["a-very-long-word", "b"]);
    }
}
