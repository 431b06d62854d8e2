//! A second dataflow, on which the processes of a durable flow speak about epochs: to the one that commits them, and from
//! it to the others.

use crate::wake::Bell;
use psdf_runtime::engine::{Letters, Orders, Process};
use std::sync::Arc;
use std::task::{Context, Poll};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

/// What is said, and the worker to whom.
type Word = (u64, Vec<u8>);

/// What the first worker of a process says.
pub(crate) enum Says {
    /// To the one that commits epochs.
    Letters(Letters),
    /// To all the others.
    Orders(Orders),
    /// Nothing: it is not the first.
    Nothing,
}

impl Says {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        match self {
            Says::Letters(letters) => letters.poll_recv(cx),
            Says::Orders(orders) => orders.poll_next(cx),
            Says::Nothing => Poll::Ready(None),
        }
    }
}

/// Makes the dataflow. Each process has so many workers.
pub(crate) fn build(worker: &mut Worker, process: &Arc<Process>, says: Says, of_process: usize) {
    let peers = worker.peers();
    let to: Vec<u64> = match &says {
        Says::Letters(_) => vec![0],
        Says::Orders(_) => (1..peers / of_process).map(|other| (other * of_process) as u64).collect(),
        Says::Nothing => Vec::new(),
    };
    let commits = worker.index() == 0;
    worker.dataflow_named("epochs", |scope| {
        let words = speak(scope, says, to);
        let process = Arc::clone(process);
        hear(scope, words, move |word| if commits { process.hear(word) } else { process.obey(word) });
    });
}

/// Says what comes to those whom it is for.
fn speak<'scope>(scope: Scope<'scope, u64>, mut says: Says, to: Vec<u64>) -> Stream<'scope, u64, Vec<Word>> {
    let mut builder = OperatorBuilder::new("speak".to_owned(), scope);
    let (output, stream) = builder.new_output();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Word>>>::from(output);
    let bell = Bell::new(scope.worker().sync_activator_for(builder.operator_info().address.to_vec()));
    builder.build(move |mut capabilities| {
        move |_| {
            let Some(capability) = capabilities.first() else { return };
            bell.clear();
            let mut output = output.activate();
            let mut session = output.session(capability);
            let is_over = loop {
                match says.poll_next(&mut Context::from_waker(bell.waker())) {
                    Poll::Ready(Some(word)) => to.iter().for_each(|&to| session.give((to, word.clone()))),
                    Poll::Ready(None) => break true,
                    Poll::Pending => break false,
                }
            };
            drop(session);
            if is_over {
                capabilities.clear();
            }
        }
    });
    stream
}

fn hear<'scope>(
    scope: Scope<'scope, u64>,
    words: Stream<'scope, u64, Vec<Word>>,
    mut heard: impl FnMut(&[u8]) + 'static,
) {
    let mut builder = OperatorBuilder::new("hear".to_owned(), scope);
    let mut input = builder.new_input(words, Exchange::new(|(to, _): &Word| *to));
    builder.build(move |_| {
        move |_| input.for_each(|_, words| words.drain(..).for_each(|(_, word)| heard(&word)))
    });
}
