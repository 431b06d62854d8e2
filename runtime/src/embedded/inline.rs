//! Tasks run by hand: one thread, a fixed order, a clock that moves when told to.

use super::control::FlowControl;
use super::executor::{BoxFuture, Executor};
use super::shared::lock;
use crate::error::FlowError;
use crate::host::{Sleep, Timer};
use crate::testing::Rng;
use crate::time::Timestamp;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::task::unconstrained;

/// Runs a flow on the calling thread, for tests: nothing happens but inside [`Inline::run`], [`Inline::block_on`]
/// and [`Inline::advance`], and always in the same order.
///
/// That thread may be in a task of tokio's, so nothing here is subject to the turns that tokio gives its tasks.
pub struct Inline {
    hand: Arc<Hand>,
    tasks: Vec<Slot>,
}

struct Slot {
    task: BoxFuture,
    woken: Arc<Flag>,
}

impl Slot {
    /// Whether the task has ended.
    fn poll(&mut self) -> bool {
        self.woken.take();
        let waker = Waker::from(Arc::clone(&self.woken));
        self.task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }
}

/// Set when a task can go on.
struct Flag(AtomicBool);

impl Flag {
    fn set() -> Arc<Flag> {
        Arc::new(Flag(AtomicBool::new(true)))
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// The side that tasks see: new tasks, and the clock.
#[derive(Default)]
struct Hand {
    spawned: Mutex<Vec<BoxFuture>>,
    clock: Mutex<Clock>,
}

#[derive(Default)]
struct Clock {
    now: Duration,
    sleepers: Vec<(Duration, Waker)>,
}

struct HandExecutor(Arc<Hand>);

impl Executor for HandExecutor {
    fn spawn(&self, task: BoxFuture) {
        lock(&self.0.spawned).push(Box::pin(unconstrained(task)));
    }

    fn blocking(&self, job: Box<dyn FnOnce() + Send>) {
        self.spawn(Box::pin(async move { job() }));
    }

    fn now(&self) -> Duration {
        lock(&self.0.clock).now
    }

    fn wall_time(&self) -> Timestamp {
        Timestamp(0) + lock(&self.0.clock).now
    }
}

impl Timer for HandExecutor {
    fn sleep(&self, duration: Duration) -> Sleep {
        let hand = Arc::clone(&self.0);
        let until = lock(&hand.clock).now.saturating_add(duration);
        Box::pin(std::future::poll_fn(move |cx| {
            let mut clock = lock(&hand.clock);
            if clock.now >= until {
                return Poll::Ready(());
            }
            clock.sleepers.push((until, cx.waker().clone()));
            Poll::Pending
        }))
    }
}

impl Inline {
    pub(super) fn new() -> Self {
        Inline { hand: Arc::new(Hand::default()), tasks: Vec::new() }
    }

    pub(super) fn executor(&self) -> Arc<dyn Executor> {
        Arc::new(HandExecutor(Arc::clone(&self.hand)))
    }

    /// Runs every task until none can go on.
    pub fn run(&mut self) {
        while self.run_once() {}
    }

    /// Polls each task that can go on, once; whether there was one.
    fn run_once(&mut self) -> bool {
        self.take_spawned();
        let mut any = false;
        self.tasks.retain_mut(|slot| {
            if !slot.woken.0.load(Ordering::Acquire) {
                return true;
            }
            any = true;
            !slot.poll()
        });
        any
    }

    fn take_spawned(&mut self) {
        let spawned = lock(&self.hand.spawned).drain(..).collect::<Vec<_>>();
        self.tasks.extend(spawned.into_iter().map(|task| Slot { task, woken: Flag::set() }));
    }

    /// Runs a future, e.g. a handle's `finish()`, and the tasks beside it.
    ///
    /// # Panics
    /// If the future waits for something that no task will do.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(unconstrained(future));
        let woken = Flag::set();
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            let own_turn = woken.take();
            if own_turn && let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            let progress = self.run_once();
            assert!(own_turn || progress, "the future waits for something that no task of the flow will do");
        }
    }

    /// Turns the clock on, and runs what that wakes.
    pub fn advance(&mut self, duration: Duration) {
        self.turn(duration);
        self.run();
    }

    fn turn(&mut self, duration: Duration) {
        let mut clock = lock(&self.hand.clock);
        clock.now += duration;
        let now = clock.now;
        let (due, waiting) =
            std::mem::take(&mut clock.sleepers).into_iter().partition(|(until, _)| *until <= now);
        clock.sleepers = waiting;
        drop(clock);
        let due: Vec<(Duration, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// A flow that runs step by step, in an order that a seed decides.
pub(crate) struct Stepped {
    inline: Inline,
    rng: Rng,
    control: FlowControl,
}

impl Stepped {
    pub(super) fn new(inline: Inline, seed: u64, control: FlowControl) -> Self {
        Stepped { inline, rng: Rng::new(seed), control }
    }

    /// Polls one of the tasks that can go on; whether there is one.
    pub(crate) fn step(&mut self) -> bool {
        self.inline.take_spawned();
        let tasks = &mut self.inline.tasks;
        let woken = |slot: &Slot| slot.woken.0.load(Ordering::Acquire);
        let ready: Vec<usize> = (0..tasks.len()).filter(|&place| woken(&tasks[place])).collect();
        if ready.is_empty() {
            return false;
        }
        let place = ready[self.rng.place(ready.len())];
        if tasks[place].poll() {
            tasks.remove(place);
        }
        true
    }

    /// Turns the clock on to when somebody waits for, if anybody does.
    pub(crate) fn advance_to_next(&mut self) -> bool {
        let clock = lock(&self.inline.hand.clock);
        let next = clock.sleepers.iter().map(|(until, _)| *until).min();
        let passed = next.map(|next| next.saturating_sub(clock.now));
        drop(clock);
        passed.map(|passed| self.inline.turn(passed)).is_some()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.control.has_drained()
    }

    /// The last committed epoch, and where the inputs stood then.
    pub(crate) fn committed(&self) -> (u64, Vec<u64>) {
        self.control.committed()
    }

    pub(crate) fn error(&self) -> Option<FlowError> {
        self.control.error()
    }
}

impl std::fmt::Debug for Inline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inline").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
