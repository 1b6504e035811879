//! What held and what did not.

/// The checks made so far.
#[derive(Default)]
pub(crate) struct Checks {
    held: usize,
    failed: usize,
}

impl Checks {
    /// Prints a check and counts it.
    pub(crate) fn add(&mut self, held: bool, what: &str) {
        println!("  [{}] {what}", if held { "ok" } else { "FAILED" });
        if held {
            self.held += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Prints the end of the story; an error unless all of `expected` checks were made and held.
    pub(crate) fn summary(&self, expected: usize) -> Result<(), String> {
        if self.failed == 0 && self.held == expected {
            println!("\nall {expected} checks held");
            return Ok(());
        }
        Err(format!("{} of {expected} checks held, {} failed", self.held, self.failed))
    }
}
