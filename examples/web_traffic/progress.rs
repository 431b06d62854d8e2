//! A bar on standard error, if that is a terminal: how much of the log has been read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time;

/// Goes away when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    follow: JoinHandle<()>,
}

impl Progress {
    /// Shows the bytes read so far, out of `total` if that is known.
    pub(crate) fn of(bytes_read: Arc<AtomicU64>, total: Option<u64>) -> Progress {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.set_style(style(total.is_some()));
        let follow = tokio::spawn(follow(bar.clone(), bytes_read));
        Progress { bar, follow }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.follow.abort();
        self.bar.finish_and_clear();
    }
}

async fn follow(bar: ProgressBar, bytes_read: Arc<AtomicU64>) {
    let mut tick = time::interval(Duration::from_millis(100));
    loop {
        tick.tick().await;
        bar.set_position(bytes_read.load(Ordering::Relaxed));
        bar.tick();
    }
}

fn style(known_total: bool) -> ProgressStyle {
    let template = if known_total {
        "{bar:40.cyan} {percent:>3} %  {bytes} of {total_bytes}  {binary_bytes_per_sec}"
    } else {
        "{spinner:.cyan} {bytes}  {binary_bytes_per_sec}"
    };
    ProgressStyle::with_template(template)
        .expect("the templates above are well-formed")
        .progress_chars("█▉▊▋▌▍▎▏ ")
}
