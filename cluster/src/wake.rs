//! Wakes an operator when one of its tasks can go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Wake, Waker};
use timely::scheduling::SyncActivator;

/// The side that the operator sees.
pub(crate) struct Bell {
    rope: Arc<Rope>,
    waker: Waker,
}

/// The side that tasks, and whoever they wait for, see.
struct Rope {
    rung: AtomicBool,
    /// The operator is at work: it looks at the bell before it stops.
    busy: AtomicBool,
    activator: SyncActivator,
}

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, SeqCst) && !self.busy.load(SeqCst) {
            // Where the worker is gone there is nobody to be woken.
            let _ = self.activator.activate();
        }
    }
}

impl Bell {
    pub(crate) fn new(activator: SyncActivator) -> Bell {
        let rope = Arc::new(Rope { rung: AtomicBool::new(false), busy: AtomicBool::new(false), activator });
        let waker = Waker::from(Arc::clone(&rope));
        Bell { rope, waker }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// The operator begins to work: until it [ends](Bell::end), nobody else has to see to it that it goes on.
    pub(crate) fn begin(&self) {
        self.rope.busy.store(true, SeqCst);
    }

    /// What has rung until now is being answered.
    pub(crate) fn clear(&self) {
        self.rope.rung.store(false, SeqCst);
    }

    /// Whether it has rung since it was cleared.
    pub(crate) fn has_rung(&self) -> bool {
        self.rope.rung.load(SeqCst)
    }

    /// The operator stops working; whether it is to go on all the same.
    pub(crate) fn end(&self) -> bool {
        self.rope.busy.store(false, SeqCst);
        self.has_rung()
    }
}
