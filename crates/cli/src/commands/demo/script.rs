//! How the story is told on a terminal of eighty columns.

use crate::{
    out::{Out, Tone},
    view::wrapped,
};

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
