//! A stage as an operator of the engine.

use crate::pace::{IDLE_TICK, Pace, Stride};
use crate::panics::caught_inside;
use crate::wake::Bell;
use psdf_runtime::engine::{Parcel, Part};
use std::task::Context;
use std::time::Instant;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::{Scope, Stream};
use timely::progress::frontier::MutableAntichain;
use timely::scheduling::Activator;

/// What travels between operators.
pub(crate) type Parcels<'scope> = Stream<'scope, u64, Vec<Parcel>>;

type Send = OutputBuilder<u64, CapacityContainerBuilder<Vec<Parcel>>>;
/// Shows what has come.
type Receive = Box<dyn FnMut(&mut dyn FnMut(&mut Vec<Parcel>))>;

/// An operator that goes on at once as long as its tasks can, but lets others have their turn after so many rounds.
const ROUNDS: usize = 8;

/// Makes the operator of a part. `edges` are those that nobody reads yet.
pub(crate) fn build<'scope>(
    scope: Scope<'scope, u64>,
    part: Part,
    edges: &mut [Option<Parcels<'scope>>],
    pace: &Pace,
    probe: &Handle<u64>,
) {
    let mut builder = OperatorBuilder::new(part.name.to_owned(), scope);
    let address = builder.operator_info().address;
    let mut receive: Vec<Receive> = Vec::with_capacity(part.inlets.len());
    for inlet in &part.inlets {
        let stream = edges[inlet.edge].take().expect("an edge is written before it is read, and read once");
        receive.push(if inlet.exchanged {
            let route = |parcel: &Parcel| u64::from(parcel.to);
            let mut input = builder.new_input(stream, Exchange::new(route));
            Box::new(move |see| input.for_each(|_, parcels| see(parcels)))
        } else {
            let mut input = builder.new_input(stream, Pipeline);
            Box::new(move |see| input.for_each(|_, parcels| see(parcels)))
        });
    }
    let mut send: Vec<Send> = Vec::with_capacity(part.outlets.len());
    for outlet in &part.outlets {
        let (output, stream) = builder.new_output();
        send.push(OutputBuilder::from(output));
        edges[outlet.edge] = Some(stream);
    }
    if part.outlets.is_empty() {
        // What has been taken is done with when it has been read: that is seen here.
        let (_, stream) = builder.new_output::<Vec<()>>();
        stream.probe_with(probe);
    }
    let activator = scope.activator_for(address.clone());
    let bell = Bell::new(scope.worker().sync_activator_for(address.to_vec()));
    let stride = part.reads_input.then(|| {
        pace.add(scope.activator_for(address));
        Stride::new(pace.clone())
    });
    builder.build(move |capabilities| {
        let mut operator =
            Operator { part, receive, send, capabilities, bell, activator, stride, looks_at: Instant::now() };
        move |frontiers| operator.work(frontiers)
    });
}

struct Operator {
    part: Part,
    receive: Vec<Receive>,
    send: Vec<Send>,
    /// One for each way out; none once all is said.
    capabilities: Vec<Capability<u64>>,
    bell: Bell,
    activator: Activator,
    /// Of one that reads an input.
    stride: Option<Stride>,
    /// When such a one looks again.
    looks_at: Instant,
}

impl Operator {
    fn work(&mut self, frontiers: &[MutableAntichain<u64>]) {
        for (inlet, receive) in self.receive.iter_mut().enumerate() {
            receive(&mut |parcels| parcels.drain(..).for_each(|parcel| self.part.deliver(inlet, parcel)));
        }
        // First, so that what rings from here on is heard: a barrier may be asked for.
        self.bell.clear();
        if self.must_wait() {
            // Whoever rings from now on is heard, and what was rung for before is seen to here: it may be a barrier.
            self.bell.clear();
            if self.must_wait() {
                return;
            }
        }
        self.bell.begin();
        let (mut all_read, mut ended) = self.round();
        for _ in 1..ROUNDS {
            if !self.bell.has_rung() || self.must_wait() {
                break;
            }
            (all_read, ended) = self.round();
        }
        self.say_how_far(frontiers, all_read, ended);
        if self.bell.end() {
            self.activator.activate();
        }
    }

    /// Whether it reads an input and is far enough ahead. A barrier it lets pass all the same: what is held back for that
    /// holds up the frontier that it would wait for.
    fn must_wait(&self) -> bool {
        let is_ahead = self.stride.as_ref().is_some_and(|stride| !stride.may_go_on());
        is_ahead && !self.capabilities.is_empty() && !self.part.owes_barrier()
    }

    /// Lets the tasks work on what has come, and sends what they made; whether all was read, and whether they have ended.
    fn round(&mut self) -> (bool, bool) {
        let waker = self.bell.waker().clone();
        let mut cx = Context::from_waker(&waker);
        self.part.poll_inlets(&mut cx);
        // Whoever has rung before is answered by what follows.
        self.bell.clear();
        let ended = caught_inside(|| self.part.poll_tasks(&mut cx));
        self.send();
        (self.part.poll_inlets(&mut cx), ended)
    }

    fn send(&mut self) {
        let (mut records, mut bytes) = (0, 0);
        for ((send, outlet), capability) in
            self.send.iter_mut().zip(&self.part.outlets).zip(&self.capabilities)
        {
            let parcels = outlet.take();
            if parcels.is_empty() {
                continue;
            }
            let mut output = send.activate();
            let mut session = output.session(capability);
            for parcel in parcels {
                records += u64::from(parcel.records);
                bytes += parcel.body.bytes();
                session.give(parcel);
            }
        }
        if let Some(stride) = &mut self.stride {
            let before = stride.tick();
            stride.gave(records, bytes, Instant::now());
            if stride.tick() > before {
                let tick = stride.tick();
                self.capabilities.iter_mut().for_each(|capability| capability.downgrade(&tick));
            }
        }
    }

    /// Looks again after a tick, although nothing may have come.
    fn tick_later(&mut self) {
        let now = Instant::now();
        if self.looks_at <= now {
            self.looks_at = now + IDLE_TICK;
            self.activator.activate_after(IDLE_TICK);
        }
    }

    /// Says what is still to be expected of it.
    fn say_how_far(&mut self, frontiers: &[MutableAntichain<u64>], all_read: bool, ended: bool) {
        let frontier = frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied()).min();
        match frontier {
            _ if self.stride.is_some() && ended => self.capabilities.clear(),
            _ if self.stride.is_some() => self.tick_later(),
            Some(frontier) if all_read => {
                self.capabilities.iter_mut().for_each(|capability| capability.downgrade(&frontier));
            }
            None if all_read && ended => self.capabilities.clear(),
            Some(_) | None => {}
        }
    }
}
