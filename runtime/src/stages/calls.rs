//! Calls in flight: a set of futures of which only those are polled that were woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Futures, each with a tag. A place whose future has ended is used again, so a call costs no allocation of its own.
pub(super) struct Calls<F> {
    places: Vec<Place<F>>,
    free: Vec<usize>,
    woken: Arc<Woken>,
}

struct Place<F> {
    future: Pin<Box<Option<F>>>,
    tag: u64,
    wake: Arc<WakePlace>,
    waker: Waker,
}

/// The places to poll, in the order in which they were woken, and the task to wake for them.
#[derive(Default)]
struct Woken(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    places: Vec<usize>,
    task: Option<Waker>,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct WakePlace {
    place: usize,
    /// Whether the place is in the queue.
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for WakePlace {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut queue = self.woken.lock();
        queue.places.push(self.place);
        let task = queue.task.take();
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<F: Future> Calls<F> {
    pub(super) fn new() -> Self {
        Calls { places: Vec::new(), free: Vec::new(), woken: Arc::default() }
    }

    /// Adds a future. It begins when the set is next polled, which is its adder's to see to.
    pub(super) fn add(&mut self, tag: u64, future: F) {
        let place = match self.free.pop() {
            Some(free) => {
                let place = &mut self.places[free];
                place.future.set(Some(future));
                place.tag = tag;
                place
            }
            None => {
                let (place, woken) = (self.places.len(), Arc::clone(&self.woken));
                let wake = Arc::new(WakePlace { place, queued: AtomicBool::new(false), woken });
                let waker = Waker::from(Arc::clone(&wake));
                self.places.push(Place { future: Box::pin(Some(future)), tag, wake, waker });
                &mut self.places[place]
            }
        };
        place.waker.wake_by_ref();
    }

    /// Polls what was woken, and shows what each future that ended gave.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, mut ended: impl FnMut(u64, F::Output)) {
        let mut queue = self.woken.lock();
        queue.task = Some(cx.waker().clone());
        let woken = std::mem::take(&mut queue.places);
        drop(queue);
        for index in woken {
            let place = &mut self.places[index];
            // Before it is polled: what wakes it meanwhile has it polled again.
            place.wake.queued.store(false, Ordering::Release);
            let Some(future) = place.future.as_mut().as_pin_mut() else { continue };
            if let Poll::Ready(output) = future.poll(&mut Context::from_waker(&place.waker)) {
                place.future.set(None);
                self.free.push(index);
                ended(place.tag, output);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ended<F: Future<Output = u32>>(calls: &mut Calls<F>, waker: &Waker) -> Vec<(u64, u32)> {
        let mut all = Vec::new();
        calls.poll(&mut Context::from_waker(waker), |tag, output| all.push((tag, output)));
        all
    }

    #[test]
    fn only_what_was_woken_is_polled() {
        let polls = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (count, gate) = (Arc::new(Count::default()), Arc::new(Mutex::new(None::<Waker>)));
        let waker = Waker::from(Arc::clone(&count));
        let mut calls = Calls::new();
        for call in 0..2 {
            let (polls, gate) = (Arc::clone(&polls), Arc::clone(&gate));
            calls.add(
                call,
                std::future::poll_fn(move |cx| {
                    let before =
                        polls[usize::try_from(call).expect("it is 0 or 1")].fetch_add(1, Ordering::Relaxed);
                    if call == 1 {
                        *gate.lock().expect("nobody panics") = Some(cx.waker().clone());
                    }
                    if before == 1 { Poll::Ready(7) } else { Poll::Pending }
                }),
            );
        }
        assert!(ended(&mut calls, &waker).is_empty());
        let wake = gate.lock().expect("nobody panics").take().expect("it was polled");
        wake.wake_by_ref();
        wake.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "the task is woken once");
        assert_eq!(ended(&mut calls, &waker), [(1, 7)]);
        assert_eq!(polls[0].load(Ordering::Relaxed), 1);
        assert!(ended(&mut calls, &waker).is_empty());
    }

    #[test]
    fn a_place_is_used_again() {
        let mut calls = Calls::new();
        for call in 0..100u32 {
            calls.add(u64::from(call), std::future::ready(call));
            assert_eq!(ended(&mut calls, Waker::noop()), [(u64::from(call), call)]);
        }
        assert_eq!(calls.places.len(), 1);
    }
}
