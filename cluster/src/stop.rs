//! Asking a process to come to a clean end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a process has been asked to end: by a signal, by its supervisor, or by the program. Clones are handles of the
/// same; once asked, it stays asked.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// One that only [`Stop::request`] asks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that SIGTERM and ctrl-c ask, too. When they come once more, the process ends at once with code 75.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::new();
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            // In this order, so that the first of them finds the flag still down.
            signal_hook::flag::register_conditional_shutdown(signal, 75, Arc::clone(&stop.0))?;
            signal_hook::flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    /// Asks.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it has been asked.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
