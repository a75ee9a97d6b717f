//! How far a move is, on standard error; nothing where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use lazuli_core::mlflow_moves::Progress;

/// A bar for the stage at hand.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Self {
        Self(ProgressBar::new(0))
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn stage(&self, what: &str, total: Option<u64>) {
        let files = what.to_ascii_lowercase().contains("files");
        let template = match (total, files) {
            (Some(_), _) => "{msg} [{bar:30}] {human_pos}/{human_len} {per_sec}",
            (None, true) => "{spinner} {msg} {bytes} {bytes_per_sec}",
            (None, false) => "{spinner} {msg} {human_pos}",
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.0.set_style(style.progress_chars("=> "));
        self.0.set_length(total.unwrap_or(0));
        self.0.set_position(0);
        self.0.set_message(what.to_owned());
        self.0.tick();
    }

    fn advance(&self, count: u64) {
        self.0.inc(count);
    }
}
