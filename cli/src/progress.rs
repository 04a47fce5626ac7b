//! Progress bars: on standard error, and only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// One lane's bar. It draws nothing where nobody looks, and vanishes when dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for lane number `lane` (from 1) of `lanes`, of `calls` calls.
    pub(crate) fn new(lane: usize, lanes: usize, name: &str, calls: usize) -> Self {
        let style = ProgressStyle::with_template(
            "[{prefix}] {msg:<20} {bar:40} {human_pos}/{human_len} calls, {eta} left",
        )
        .expect("the template is well formed");
        let bar = ProgressBar::new(calls as u64).with_style(style.progress_chars("━╸ "));
        bar.set_prefix(format!("{lane}/{lanes}"));
        bar.set_message(name.to_owned());
        Self(bar)
    }

    pub(crate) fn set(&self, calls: usize) {
        self.0.set_position(calls as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
