//! The thread of a region, and the commands that handles send it.
//!
//! In a simulation there is no such thread: a command is done where it is sent, so that what comes when is the seed's
//! choice alone.

use super::engine::{Engine, Stage};
use super::error::{RegionError, WriteError};
use super::published::Published;
use super::rel::RowKey;
use super::stats::ViewStats;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// How many writes share one batch of the store at the most.
const GROUP: usize = 4096;

/// What the thread does between looking for its next command.
pub(super) type Work = Box<dyn FnOnce(&mut Engine) + Send>;

enum Command {
    Write(Stage, oneshot::Sender<Result<(), WriteError>>),
    /// When a view, or all, can be read.
    When(Option<usize>, Work),
    Work(Work),
    Stop(oneshot::Sender<()>),
}

/// Where commands go.
#[derive(Clone)]
pub(super) struct Commands {
    to: To,
    pub(super) flow: &'static str,
    /// How many commands are sent and not done. Its address tells regions apart.
    pub(super) waiting: Arc<AtomicU64>,
}

#[derive(Clone)]
enum To {
    Thread(Sender<Command>),
    Here(Arc<Mutex<Option<(Engine, Closing)>>>),
}

impl Commands {
    /// Whether there was someone to send it to. What is done here is answered when this returns.
    fn send(&self, command: Command) -> bool {
        let here = match &self.to {
            To::Thread(sender) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                return sender.send(command).is_ok();
            }
            To::Here(here) => here,
        };
        let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((engine, _)) = &mut *here else { return false };
        match command {
            Command::Write(stage, done) => {
                let answer = engine.write(vec![stage]).pop();
                // Who wrote waits for it.
                let _ = answer.map(|answer| done.send(answer));
            }
            Command::When(_, work) | Command::Work(work) => work(engine),
            Command::Stop(stopped) => {
                *here = None;
                let _ = stopped.send(());
            }
        }
        true
    }

    pub(super) fn is_same(&self, other: &Commands) -> bool {
        Arc::ptr_eq(&self.waiting, &other.waiting)
    }

    /// Writes, once the thread has come to it, together with what else waits to be written.
    pub(super) async fn write(&self, stage: Stage) -> Result<(), WriteError> {
        let (done, answer) = oneshot::channel();
        let stopped = || WriteError::Stopped { flow: self.flow };
        if !self.send(Command::Write(stage, done)) {
            return Err(stopped());
        }
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Whether the thread will come to it, if it does not end before.
    pub(super) fn work(&self, work: Work) -> bool {
        self.send(Command::Work(work))
    }

    /// The same, once a view can be read.
    pub(super) fn work_when(&self, view: usize, work: Work) -> bool {
        self.send(Command::When(Some(view), work))
    }

    /// Waits for an answer; `None` if the thread has ended.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (work, answer) = asked(question);
        if self.work(work) { answer.await.ok() } else { None }
    }

    /// The same, once a view, or all, can be read.
    pub(super) async fn ask_when<T: Send + 'static>(
        &self,
        view: Option<usize>,
        question: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (work, answer) = asked(question);
        if self.send(Command::When(view, work)) { answer.await.ok() } else { None }
    }

    /// Ends the thread after what was sent before. It is over, and the store is closed, when this returns.
    pub(super) async fn stop(&self) {
        let (sender, stopped) = oneshot::channel();
        if self.send(Command::Stop(sender)) {
            // An error says the same: the thread has ended.
            let _ = stopped.await;
        }
    }
}

fn asked<T: Send + 'static>(
    question: impl FnOnce(&mut Engine) -> T + Send + 'static,
) -> (Work, oneshot::Receiver<T>) {
    let (sender, answer) = oneshot::channel();
    // Who asked may have gone meanwhile.
    (Box::new(move |engine: &mut Engine| drop(sender.send(question(engine)))), answer)
}

/// What nobody answers any more when the thread has ended.
pub(super) trait Closes: Send + Sync {
    fn name(&self) -> &'static str;
    fn stats(&self) -> ViewStats;
    fn close(&self);
}

impl<K: RowKey, V: Send + Sync> Closes for Published<K, V> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn stats(&self) -> ViewStats {
        Published::stats(self)
    }

    fn close(&self) {
        self.waiters.close();
    }
}

/// Closes also if the thread comes to a bad end.
struct Closing(Vec<Arc<dyn Closes>>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.iter().for_each(|view| view.close());
    }
}

pub(super) fn start(engine: Engine, views: Vec<Arc<dyn Closes>>) -> Result<Commands, RegionError> {
    let flow = engine.graph.flow;
    let ((sender, commands), waiting) = (channel(), Arc::new(AtomicU64::new(0)));
    let done = waiting.clone();
    let thread = std::thread::Builder::new().name(flow.into());
    let run = move || {
        let closing = Closing(views);
        let stopped = run(engine, &commands, &done);
        drop(closing);
        // What was sent after the end is answered by being dropped.
        drop(commands);
        if let Some(stopped) = stopped {
            let _ = stopped.send(());
        }
    };
    thread.spawn(run).map_err(|error| RegionError::Thread { flow, error: Arc::new(error) })?;
    Ok(Commands { to: To::Thread(sender), flow, waiting })
}

/// Without a thread.
pub(super) fn here(engine: Engine, views: Vec<Arc<dyn Closes>>) -> Commands {
    let flow = engine.graph.flow;
    let here = Arc::new(Mutex::new(Some((engine, Closing(views)))));
    Commands { to: To::Here(here), flow, waiting: Arc::default() }
}

/// Runs until it is stopped, which it answers with who wants to know, or until no handle is left.
fn run(mut engine: Engine, commands: &Receiver<Command>, sent: &AtomicU64) -> Option<oneshot::Sender<()>> {
    let mut next = None;
    let mut deferred: Vec<(Option<usize>, Work)> = Vec::new();
    loop {
        if engine.fills() {
            engine.fill();
            let ready: Vec<_> = deferred.extract_if(.., |(view, _)| engine.answers(*view)).collect();
            for (_, work) in ready {
                do_now(&mut engine, sent, work);
            }
            next = match next.take().map_or_else(|| commands.try_recv(), Ok) {
                Ok(command) => Some(command),
                Err(TryRecvError::Empty) => continue,
                Err(TryRecvError::Disconnected) => return None,
            };
        }
        match next.take().or_else(|| commands.recv().ok())? {
            Command::Write(stage, done) => next = write(&mut engine, commands, sent, stage, done),
            Command::When(view, work) if !engine.answers(view) => deferred.push((view, work)),
            Command::When(_, work) | Command::Work(work) => do_now(&mut engine, sent, work),
            Command::Stop(stopped) => return Some(stopped),
        }
    }
}

fn do_now(engine: &mut Engine, sent: &AtomicU64, work: Work) {
    work(engine);
    sent.fetch_sub(1, Ordering::Relaxed);
}

/// Writes, together with what else waits to be written. The command that comes after is answered, if it was taken.
fn write(
    engine: &mut Engine,
    commands: &Receiver<Command>,
    sent: &AtomicU64,
    stage: Stage,
    done: oneshot::Sender<Result<(), WriteError>>,
) -> Option<Command> {
    let (mut stages, mut waiting, mut next) = (vec![stage], vec![done], None);
    while stages.len() < GROUP {
        match commands.try_recv() {
            Ok(Command::Write(stage, done)) => {
                stages.push(stage);
                waiting.push(done);
            }
            Ok(other) => {
                next = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    let answers = engine.write(stages);
    sent.fetch_sub(waiting.len() as u64, Ordering::Relaxed);
    for (done, answer) in waiting.into_iter().zip(answers) {
        // Who wrote may have gone meanwhile.
        let _ = done.send(answer);
    }
    next
}
