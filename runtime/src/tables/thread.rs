//! The thread of a region, and the commands that handles send it.

use super::engine::{Engine, Stage};
use super::error::{RegionError, WriteError};
use super::published::Published;
use super::rel::RowKey;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// How many writes share one batch of the store at the most.
const GROUP: usize = 4096;

/// What the thread does between looking for its next command.
pub(super) type Work = Box<dyn FnOnce(&mut Engine) + Send>;

enum Command {
    Write(Stage, oneshot::Sender<Result<(), WriteError>>),
    Work(Work),
    Stop(oneshot::Sender<()>),
}

/// Where commands go.
#[derive(Clone)]
pub(super) struct Commands {
    sender: Sender<Command>,
    pub(super) flow: &'static str,
    /// Of which only the address counts: which region it is.
    region: Arc<u8>,
}

impl Commands {
    pub(super) fn is_same(&self, other: &Commands) -> bool {
        Arc::ptr_eq(&self.region, &other.region)
    }

    /// Writes, once the thread has come to it, together with what else waits to be written.
    pub(super) async fn write(&self, stage: Stage) -> Result<(), WriteError> {
        let (done, answer) = oneshot::channel();
        let stopped = || WriteError::Stopped { flow: self.flow };
        self.sender.send(Command::Write(stage, done)).map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Whether the thread will come to it, if it does not end before.
    pub(super) fn work(&self, work: Work) -> bool {
        self.sender.send(Command::Work(work)).is_ok()
    }

    /// Waits for an answer; `None` if the thread has ended.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        // Who asked may have gone meanwhile.
        let work = move |engine: &mut Engine| drop(sender.send(question(engine)));
        if self.work(Box::new(work)) { answer.await.ok() } else { None }
    }

    /// Ends the thread after what was sent before. It is over, and the store is closed, when this returns.
    pub(super) async fn stop(&self) {
        let (sender, stopped) = oneshot::channel();
        if self.sender.send(Command::Stop(sender)).is_ok() {
            // An error says the same: the thread has ended.
            let _ = stopped.await;
        }
    }
}

/// What nobody answers any more when the thread has ended.
pub(super) trait Closes: Send + Sync {
    fn close(&self);
}

impl<K: RowKey, V: Send + Sync> Closes for Published<K, V> {
    fn close(&self) {
        Published::close(self);
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
    let (sender, commands) = channel();
    let thread = std::thread::Builder::new().name(flow.into());
    let run = move || {
        let closing = Closing(views);
        let stopped = run(engine, &commands);
        drop(closing);
        // What was sent after the end is answered by being dropped.
        drop(commands);
        if let Some(stopped) = stopped {
            let _ = stopped.send(());
        }
    };
    thread.spawn(run).map_err(|error| RegionError::Thread { flow, error: Arc::new(error) })?;
    Ok(Commands { sender, flow, region: Arc::new(0) })
}

/// Runs until it is stopped, which it answers with who wants to know, or until no handle is left.
fn run(mut engine: Engine, commands: &Receiver<Command>) -> Option<oneshot::Sender<()>> {
    let mut next = None;
    while let Some(command) = next.take().or_else(|| commands.recv().ok()) {
        match command {
            Command::Write(stage, done) => {
                let (mut stages, mut waiting) = (vec![stage], vec![done]);
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
                for (done, answer) in waiting.into_iter().zip(engine.write(stages)) {
                    // Who wrote may have gone meanwhile.
                    let _ = done.send(answer);
                }
            }
            Command::Work(work) => work(&mut engine),
            Command::Stop(stopped) => return Some(stopped),
        }
    }
    None
}
