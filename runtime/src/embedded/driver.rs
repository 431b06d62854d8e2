//! The loop of one task: take what has come, let the stage work, send what it made.

use super::channel::InputKind;
use super::executor::Executor;
use super::shared::{Place, Shared};
use super::tasks::{Panic, caught};
use crate::error::FlowError;
use crate::host::Sleep;
use crate::stage::Progress;
use crate::time::Timestamp;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A shard of a stage between its channels. The loop below sees it without its types, so that it is compiled
/// once and not for each stage.
pub(super) trait StageTask: Send {
    /// Learns how many shards read each outlet.
    fn open(&mut self);
    /// Waits for the next batch.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Taken>;
    /// Whether the stage is to be told the time before it works.
    fn needs_wall_time(&self) -> bool;
    /// Tells the stage the time, when it next works.
    fn tell(&mut self, now: Timestamp);
    /// When the stage wants to be told the time although nothing has come.
    fn wakes_at(&self) -> Option<Timestamp>;
    /// Whether taking has woken a task that waited for room.
    fn take_woke_writer(&mut self) -> bool;
    /// Works on what was taken, for about a batch's worth.
    fn work(&mut self) -> Progress;
    /// Sends what the work made.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Whether enough is waiting to be sent.
    fn is_full(&mut self) -> bool;
    /// The inputs take no more.
    fn close(&mut self);
    /// The inputs have been silent for a while.
    fn idle(&mut self);
    /// The inputs are silent since then, or are not.
    fn silent(&mut self, since: Option<Duration>);
    /// Says to those that read this stage that it has ended.
    fn end(&mut self);
    /// Says the same to the one that commits epochs, in a durable flow.
    fn note_end(&mut self);
    /// Passes on what the stage counted, and the error that ends the flow.
    fn report(&mut self) -> Option<FlowError>;
    /// Counts the records that the task leaves behind.
    fn abandon(&mut self) -> u64;
}

/// What a task got from its inbox.
pub(super) enum Taken {
    Work,
    Ended,
    Broken,
}

/// How a task ended.
enum Outcome {
    Drained,
    Failed(FlowError),
    Panicked(Panic),
    /// Another task of the flow failed or was told to stop.
    Stopped,
}

/// Runs a task to its end, and says so. The task of an input has a kind and a time after which silence is idleness.
pub(super) async fn run(
    mut task: Box<dyn StageTask>,
    place: Place,
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    watch: Option<(InputKind, Duration)>,
) {
    task.open();
    let outcome = tokio::select! {
        biased;
        () = shared.stopped.cancelled() => Outcome::Stopped,
        outcome = caught(drive(&mut *task, &shared, &*executor, watch)) => {
            outcome.unwrap_or_else(Outcome::Panicked)
        }
    };
    match outcome {
        Outcome::Drained => {}
        Outcome::Failed(error) => shared.fail(error),
        Outcome::Panicked(panic) => shared.fail_by_panic(place, &*panic),
        Outcome::Stopped => shared.note_dropped(place.name, task.abandon()),
    }
}

async fn drive(
    task: &mut dyn StageTask,
    shared: &Shared,
    executor: &dyn Executor,
    watch: Option<(InputKind, Duration)>,
) -> Outcome {
    let mut turns = 0u64;
    let mut open = watch.is_some_and(|(kind, _)| kind == InputKind::Pushed);
    let mut silence = None;
    loop {
        // Those who still send must not keep the input open by never letting it run dry.
        if open && shared.closing.is_cancelled() {
            open = false;
            task.close();
        }
        let taken = match watch {
            // Under load there is no need to watch the clock.
            Some(_) if take_now(task) => {
                break_silence(task, &mut silence);
                Taken::Work
            }
            Some((_, idle_after)) => {
                take_from_input(task, shared, executor, idle_after, &mut open, &mut silence).await
            }
            None => take(task, executor).await,
        };
        match taken {
            Taken::Work => {}
            Taken::Ended => break,
            // Its sender has failed and will say why, or the flow is being stopped.
            Taken::Broken => return Outcome::Stopped,
        }
        // What waits already is worked on before anything is sent: batches grow with the load.
        loop {
            if task.needs_wall_time() {
                task.tell(executor.wall_time());
            }
            let progress = task.work();
            if let Some(error) = task.report() {
                return Outcome::Failed(error);
            }
            turns += 1;
            // An input that never runs dry must not keep what there is from being sent, nor others from their turn.
            let go_on = progress == Progress::Done && !task.is_full() && !turns.is_multiple_of(TURNS);
            if go_on && take_now(task) {
                break_silence(task, &mut silence);
                continue;
            }
            std::future::poll_fn(|cx| task.poll_send(cx)).await;
            if turns.is_multiple_of(TURNS) || task.take_woke_writer() {
                give_way().await;
            }
            if progress == Progress::Done {
                break;
            }
        }
    }
    task.end();
    std::future::poll_fn(|cx| task.poll_send(cx)).await;
    task.note_end();
    Outcome::Drained
}

/// As often as a task fills a channel: handing work over to another worker costs a few microseconds.
const TURNS: u64 = 16;

/// Goes to the end of the queue, so that another worker can take this task up.
///
/// tokio keeps the task that was woken last for the worker that woke it. Without this, a stage and the one it feeds
/// take turns on one worker, and the others have nothing to do: so also where a stage has woken the one that feeds it.
async fn give_way() {
    let mut gave_way = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes a batch if one waits.
fn take_now(task: &mut dyn StageTask) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(task.poll_take(&mut cx), Poll::Ready(Taken::Work))
}

/// When the stage wants to work although nothing has come: never, if it does not say.
fn wake(task: &dyn StageTask, executor: &dyn Executor) -> Sleep {
    match task.wakes_at() {
        Some(at) => executor.sleep(at.since(executor.wall_time())),
        None => Box::pin(std::future::pending()),
    }
}

/// Waits for what comes, or for the time at which the stage wants to work although nothing has.
async fn take(task: &mut dyn StageTask, executor: &dyn Executor) -> Taken {
    if task.wakes_at().is_none() {
        return std::future::poll_fn(|cx| task.poll_take(cx)).await;
    }
    let wake = wake(task, executor);
    tokio::select! {
        biased;
        taken = std::future::poll_fn(|cx| task.poll_take(cx)) => taken,
        () = wake => Taken::Work,
    }
}

/// Nothing has come from an input for some time.
struct Silence {
    /// Until it counts as idle.
    sleep: Sleep,
    idle: bool,
}

fn break_silence(task: &mut dyn StageTask, silence: &mut Option<Silence>) {
    if silence.take().is_some() {
        task.silent(None);
    }
}

/// Waits for an input, which may be closed from outside and may fall silent, or for the time at which the stage wants to
/// work; its work does not break the silence.
async fn take_from_input(
    task: &mut dyn StageTask,
    shared: &Shared,
    executor: &dyn Executor,
    idle_after: Duration,
    open: &mut bool,
    silence: &mut Option<Silence>,
) -> Taken {
    let Silence { sleep, idle } = silence.get_or_insert_with(|| {
        task.silent(Some(executor.now()));
        Silence { sleep: executor.sleep(idle_after), idle: false }
    });
    let mut wake = wake(task, executor);
    loop {
        tokio::select! {
            biased;
            taken = std::future::poll_fn(|cx| task.poll_take(cx)) => {
                break_silence(task, silence);
                return taken;
            }
            () = shared.closing.cancelled(), if *open => {
                *open = false;
                task.close();
            }
            () = &mut *sleep, if !*idle => {
                *idle = true;
                task.idle();
                return Taken::Work;
            }
            () = &mut wake => return Taken::Work,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::inline::Inline;
    use super::super::shared::lock;
    use super::*;
    use crate::graph::Graph;
    use std::sync::Mutex;

    static EMPTY: Graph = Graph {
        flow: "Clocks",
        nodes: &[],
        stages: &[],
        inputs: &[],
        outputs: &[],
        subflows: &[],
        tables: &[],
    };

    /// A stage that nothing comes to, and that works every ten seconds. It tells of its work and of idleness.
    struct Ticking {
        next: Timestamp,
        told: Option<Timestamp>,
        log: Arc<Mutex<Vec<(&'static str, i64)>>>,
    }

    impl StageTask for Ticking {
        fn open(&mut self) {}
        fn poll_take(&mut self, _: &mut Context<'_>) -> Poll<Taken> {
            Poll::Pending
        }
        fn needs_wall_time(&self) -> bool {
            true
        }
        fn tell(&mut self, now: Timestamp) {
            self.told = Some(now);
        }
        fn wakes_at(&self) -> Option<Timestamp> {
            Some(self.next)
        }
        fn take_woke_writer(&mut self) -> bool {
            false
        }
        fn work(&mut self) -> Progress {
            if let Some(now) = self.told.take().filter(|now| *now >= self.next) {
                lock(&self.log).push(("works", now.0 / 1_000_000));
                self.next = now + Duration::from_secs(10);
            }
            Progress::Done
        }
        fn poll_send(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
        fn is_full(&mut self) -> bool {
            false
        }
        fn close(&mut self) {}
        fn idle(&mut self) {
            lock(&self.log).push(("idle", self.next.0 / 1_000_000));
        }
        fn silent(&mut self, _: Option<Duration>) {}
        fn end(&mut self) {}
        fn note_end(&mut self) {}
        fn report(&mut self) -> Option<FlowError> {
            None
        }
        fn abandon(&mut self) -> u64 {
            0
        }
    }

    /// What the stage does in 35 seconds in which nothing comes.
    fn log_of(watch: Option<(InputKind, Duration)>) -> Vec<(&'static str, i64)> {
        let mut inline = Inline::new();
        let (executor, shared, log) =
            (inline.executor(), Arc::new(Shared::new(&EMPTY)), Arc::<Mutex<Vec<_>>>::default());
        let task = Ticking { next: Timestamp::from_secs(10), told: None, log: Arc::clone(&log) };
        let place = Place::outside("ticks");
        executor.spawn(Box::pin(run(Box::new(task), place, shared, Arc::clone(&executor), watch)));
        (0..35).for_each(|_| inline.advance(Duration::from_secs(1)));
        std::mem::take(&mut lock(&log))
    }

    #[test]
    fn a_stage_is_woken_by_the_clock_at_an_input_as_elsewhere() {
        let works = [("works", 10), ("works", 20), ("works", 30)];
        assert_eq!(log_of(None), works);
        assert_eq!(log_of(Some((InputKind::Fed, Duration::from_secs(60)))), works);
    }

    #[test]
    fn work_by_the_clock_is_no_sign_of_life_of_an_input() {
        let idle = [("works", 10), ("works", 20), ("idle", 30), ("works", 30)];
        assert_eq!(log_of(Some((InputKind::Pushed, Duration::from_secs(25)))), idle);
    }
}
