//! The channel between two tasks: bounded, one writer, one reader.
//!
//! A writer that found it full is woken when it is half empty, not when there is room for one batch. tokio's channel
//! wakes it for every batch that is read; then the two tasks wake each other in turn, and where that takes a system call
//! it costs more than the work on a thousand records (`cargo bench --bench speed`: a third of the time of a stateless
//! chain). That is why this is not tokio's.

use super::shared::lock;
use crate::batch::Batch;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

struct Queue<T> {
    batches: VecDeque<Batch<T>>,
    capacity: usize,
    /// Who waits for a batch.
    reader: Option<Waker>,
    /// Who waits for room.
    writer: Option<Waker>,
    reader_is_gone: bool,
    /// It went because the flow is being stopped.
    reader_gave_up: bool,
    writer_is_gone: bool,
}

/// A queue of at most `capacity` batches, which is at least 1.
pub(super) fn queue<T>(capacity: usize) -> (QueueWriter<T>, QueueReader<T>) {
    let queue = Arc::new(Mutex::new(Queue {
        batches: VecDeque::new(),
        capacity,
        reader: None,
        writer: None,
        reader_is_gone: false,
        reader_gave_up: false,
        writer_is_gone: false,
    }));
    (QueueWriter(Arc::clone(&queue)), QueueReader { queue, woke_writer: false })
}

/// The writing end. Dropping it ends the queue, after what has been written.
pub(super) struct QueueWriter<T>(Arc<Mutex<Queue<T>>>);

/// The reading end. What is not read when it is dropped is dropped with it.
pub(super) struct QueueReader<T> {
    queue: Arc<Mutex<Queue<T>>>,
    /// Whether a writer that waited for room has been woken since it was last asked.
    woke_writer: bool,
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T> QueueWriter<T> {
    /// Writes the batch, which leaves `None`, once there is room. Where the reader is gone the batch stays: whose it
    /// is may want it back.
    pub(super) fn poll_write(
        &mut self,
        batch: &mut Option<Batch<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ()>> {
        let mut queue = lock(&self.0);
        if queue.reader_is_gone {
            return Poll::Ready(Err(()));
        }
        if queue.batches.len() >= queue.capacity {
            queue.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        queue.batches.extend(batch.take());
        let reader = queue.reader.take();
        drop(queue);
        wake(reader);
        Poll::Ready(Ok(()))
    }

    /// Waits until all that was written has been read; whether it has, and not been given up.
    pub(super) fn poll_read_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let mut queue = lock(&self.0);
        if queue.reader_is_gone {
            return Poll::Ready(Err(()));
        }
        if queue.batches.is_empty() {
            return Poll::Ready(Ok(()));
        }
        queue.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.0).reader_is_gone
    }

    /// Whether the reader is gone because the flow is being stopped, and not because nobody wants more.
    pub(super) fn is_given_up(&self) -> bool {
        lock(&self.0).reader_gave_up
    }
}

impl<T> QueueReader<T> {
    /// The next batch; `None` after the last, when the writer is gone.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Batch<T>>> {
        let mut queue = lock(&self.queue);
        let Some(batch) = queue.batches.pop_front() else {
            if queue.writer_is_gone {
                return Poll::Ready(None);
            }
            queue.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let half_empty = queue.batches.len() <= queue.capacity / 2;
        let writer = if half_empty { queue.writer.take() } else { None };
        drop(queue);
        self.woke_writer |= writer.is_some();
        wake(writer);
        Poll::Ready(Some(batch))
    }

    /// Whether a writer has been woken since the last call.
    pub(super) fn take_woke_writer(&mut self) -> bool {
        std::mem::take(&mut self.woke_writer)
    }

    /// As [`QueueReader::poll_read`], where the writer is polled by the reader's own task: nobody is woken, and nobody
    /// asks to be.
    pub(super) fn read_own(&mut self) -> Poll<Option<Batch<T>>> {
        let mut queue = lock(&self.queue);
        match queue.batches.pop_front() {
            Some(batch) => Poll::Ready(Some(batch)),
            None if queue.writer_is_gone => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Takes what is there, and nothing more, because the flow is being stopped.
    pub(super) fn give_up(&mut self) -> VecDeque<Batch<T>> {
        lock(&self.queue).reader_gave_up = true;
        self.close()
    }

    fn close(&mut self) -> VecDeque<Batch<T>> {
        let mut queue = lock(&self.queue);
        queue.reader_is_gone = true;
        let (batches, writer) = (std::mem::take(&mut queue.batches), queue.writer.take());
        drop(queue);
        wake(writer);
        batches
    }
}

impl<T> Drop for QueueWriter<T> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.writer_is_gone = true;
        let reader = queue.reader.take();
        drop(queue);
        wake(reader);
    }
}

impl<T> Drop for QueueReader<T> {
    fn drop(&mut self) {
        // Outside the lock: what a record does when it is dropped is the user's.
        drop(self.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn batch(n: u32) -> Option<Batch<u32>> {
        Some(Batch::of(vec![n]))
    }

    #[test]
    fn a_writer_that_found_it_full_is_woken_when_it_is_half_empty() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let (mut writer, mut reader) = queue(4);
        for n in 0..4 {
            assert!(writer.poll_write(&mut batch(n), &mut cx).is_ready());
        }
        assert!(writer.poll_write(&mut batch(4), &mut cx).is_pending());
        let mut read = Context::from_waker(Waker::noop());
        assert!(reader.poll_read(&mut read).is_ready());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert!(reader.poll_read(&mut read).is_ready());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_was_written_is_read_although_the_writer_is_gone() {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut writer, mut reader) = queue(1);
        assert!(writer.poll_write(&mut batch(7), &mut cx).is_ready());
        drop(writer);
        let Poll::Ready(Some(last)) = reader.poll_read(&mut cx) else { panic!("it was written") };
        assert_eq!(last.items, [7]);
        assert!(matches!(reader.poll_read(&mut cx), Poll::Ready(None)));
    }

    #[test]
    fn a_batch_comes_back_when_nobody_reads() {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut writer, reader) = queue(1);
        drop(reader);
        let mut unsent = batch(7);
        assert_eq!(writer.poll_write(&mut unsent, &mut cx), Poll::Ready(Err(())));
        assert!(unsent.is_some() && writer.is_closed());
    }
}
