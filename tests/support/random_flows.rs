//! Makes random flows: from a seed a plan, and from a plan its text.
//!
//! A plan keeps to what the language promises. What goes by arrival (`dedup`, `latest`, folds in order, equal times of
//! `first`, ..) reads only streams whose order is known; what comes after each batch leads out, and only the last of each
//! key counts.

use crate::plan::*;
use std::fmt::Write as _;
use std::ops::Range;

/// How far out of order the events of the two inputs may be.
pub(crate) const LATENESS: [i64; 2] = [20, 35];

/// Small numbers that look random.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// SplitMix64, by Steele, Lea and Flood.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn number(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from + 1) as u64) as i64
    }

    fn chance(&mut self, percent: i64) -> bool {
        self.number(1, 100) <= percent
    }

    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.number(0, of.len() as i64 - 1) as usize].clone()
    }
}

struct Generator {
    dice: Dice,
    nodes: Vec<Node>,
    /// About how many records each node has for one of an input, so that no flow grows without bound.
    sizes: Vec<i64>,
}

/// The plan of a seed: about so many nodes after the two inputs.
pub(crate) fn plan(seed: u64) -> Plan {
    let mut made = Generator { dice: Dice::new(seed), nodes: Vec::new(), sizes: Vec::new() };
    for lateness in LATENESS {
        made.add(Op::Input { lateness }, vec![], Order::Sent, true, 1);
    }
    let most = made.dice.number(6, 10) as usize;
    // Every kind of operator begins some flow.
    made.grow(KINDS[seed as usize % KINDS.len()]);
    while made.nodes.len() < most {
        let kind = made.dice.one_of(&KINDS);
        made.grow(kind);
    }
    Plan { nodes: made.nodes }
}

/// What the generator draws from. `First` is `dedup` or `latest`.
#[derive(Clone, Copy)]
enum Kind {
    Map,
    Filter,
    FilterMap,
    FlatMap,
    Rekey,
    Route,
    TryMap,
    MapAsync,
    Merge,
    Shift,
    Clock,
    Window,
    CountWindow,
    Running,
    Thinned,
    Stateful,
    Timers,
    First,
    Join,
    Lookup,
    Inner,
    Untimed,
}

/// Those of many forms are drawn more often.
const KINDS: [Kind; 30] = {
    use Kind::*;
    [
        Map,
        Filter,
        FilterMap,
        FlatMap,
        Rekey,
        Route,
        TryMap,
        MapAsync,
        Merge,
        Shift,
        Clock,
        Window,
        CountWindow,
        Running,
        Thinned,
        Stateful,
        Timers,
        First,
        Join,
        Lookup,
        Inner,
        Untimed,
        Window,
        Window,
        Join,
        Join,
        Join,
        Join,
        First,
        Window,
    ]
};

/// The greatest size of a node.
const MOST: i64 = 12;

impl Generator {
    fn add(&mut self, op: Op, from: Vec<usize>, order: Order, on_time: bool, size: i64) {
        self.nodes.push(Node { op, from, order, on_time, last_of_key: false });
        self.sizes.push(size);
    }

    /// A node to read: rather one that nobody reads yet.
    fn from(&mut self) -> usize {
        loop {
            let from = self.dice.number(0, self.nodes.len() as i64 - 1) as usize;
            let read = self.nodes.iter().any(|node| node.from.contains(&from));
            if !self.nodes[from].last_of_key && (!read || self.dice.chance(30)) {
                return from;
            }
        }
    }

    /// Adds a node of that kind, or of none if it does not fit.
    fn grow(&mut self, kind: Kind) {
        let from = self.from();
        let Node { order, on_time, .. } = self.nodes[from];
        let size = self.sizes[from];
        let key = self.dice.one_of(&[KeyBy::Own, KeyBy::Own, KeyBy::Parity, KeyBy::Both]);
        let one_key = if key == KeyBy::Both { KeyBy::Own } else { key };
        let keeps = if key == KeyBy::Both { Order::Unknown } else { Order::OfKey };
        let by = self.dice.number(2, 5);
        match kind {
            Kind::Map => self.add(Op::Map { by }, vec![from], order, on_time, size),
            Kind::Filter => self.add(Op::Filter { by }, vec![from], order, on_time, size),
            Kind::FilterMap => self.add(Op::FilterMap { by }, vec![from], order, on_time, size),
            Kind::FlatMap if size * 2 <= MOST => self.add(Op::FlatMap, vec![from], order, on_time, size * 2),
            Kind::Rekey => {
                let order = if order == Order::Sent { order } else { Order::Unknown };
                self.add(Op::Rekey { by: by as u8 }, vec![from], order, on_time, size);
            }
            Kind::Route => {
                (0..3).for_each(|arm| self.add(Op::Route { by, arm }, vec![from], order, on_time, size))
            }
            Kind::TryMap => [false, true]
                .into_iter()
                .for_each(|failed| self.add(Op::TryMap { by, failed }, vec![from], order, on_time, size)),
            Kind::MapAsync => {
                let ordered = self.dice.chance(50);
                for failed in [false, true] {
                    let order = if ordered && !failed { order } else { Order::Unknown };
                    self.add(Op::MapAsync { by, ordered, failed }, vec![from], order, on_time, size);
                }
            }
            Kind::Merge => {
                let mut all = vec![from, self.from(), self.from()];
                all.sort_unstable();
                all.dedup();
                let size = all.iter().map(|from| self.sizes[*from]).sum();
                if all.len() > 1 && size <= MOST {
                    let on_time = all.iter().all(|from| self.nodes[*from].on_time);
                    self.add(Op::Merge, all, Order::Unknown, on_time, size);
                }
            }
            Kind::Shift if on_time => self.add(Op::Shift { by: by * 5 }, vec![from], order, true, size),
            // A clock counts on the disorder that was sent. It is that of the second input, or less.
            Kind::Clock if order == Order::Sent => {
                self.add(Op::Clock { lateness: LATENESS[1] + by }, vec![from], order, true, size);
            }
            Kind::Window if on_time => {
                let window = self.window();
                let key = if matches!(window, Window::Global { .. }) { KeyBy::Own } else { key };
                let merged = !matches!(
                    window,
                    Window::Tumbling { early: None, .. } | Window::Hopping { early: None, .. }
                );
                let global = matches!(window, Window::Global { .. });
                let ordered =
                    order == Order::Sent || order == Order::OfKey && key != KeyBy::Parity && !global;
                let reduce = self.reduce(ordered, merged);
                let allow = if self.dice.chance(20) && early_of(window).is_none() { by } else { 0 };
                let many = if matches!(window, Window::Hopping { .. }) { 2 } else { 1 };
                self.add(
                    Op::Window { key, window, allow, reduce },
                    vec![from],
                    Order::Unknown,
                    true,
                    size * many,
                );
            }
            Kind::CountWindow if on_time && is_ordered(order, key) => {
                let (n, reduce) = (self.dice.number(1, 4) as usize, self.reduce(true, false));
                // What is left over at the end is given then, with an earlier time.
                self.add(Op::CountWindow { key, n, reduce }, vec![from], Order::Unknown, false, size);
            }
            Kind::Running => {
                let every = (on_time && self.dice.chance(30)).then_some(by * 7);
                let keep = (on_time && self.dice.chance(30)).then_some(1000);
                let ordered = on_time && is_ordered(order, one_key);
                let mut reduce = self.reduce(ordered, every.is_some());
                // Without event time, what is equal in a list goes by arrival.
                if let (Reduce::Aggregate(functions), false) = (&mut reduce, on_time) {
                    functions.retain(|function| *function != Function::Top);
                    functions.push(Function::Sum);
                }
                if on_time || !matches!(reduce, Reduce::Top(_)) {
                    let op = Op::Running { key: one_key, reduce, every, keep };
                    self.add(op, vec![from], Order::Unknown, false, size);
                    self.nodes.last_mut().expect("one was added").last_of_key = true;
                }
            }
            Kind::Thinned if on_time => {
                let functions = self.functions(is_ordered(order, key));
                let every = by * 7;
                self.add(Op::Thinned { key, every, functions }, vec![from], Order::Unknown, true, size);
            }
            Kind::Stateful if is_ordered(order, one_key) => {
                self.add(Op::Stateful { key: one_key }, vec![from], Order::OfKey, on_time, size);
            }
            Kind::Timers if on_time => {
                let after = self.dice.number(1, 30);
                self.add(Op::Timers { key: one_key, after }, vec![from], Order::Unknown, true, size);
            }
            Kind::First if is_ordered(order, key) => {
                let keep = (on_time && self.dice.chance(60)).then_some(by * 3);
                let op = if on_time && self.dice.chance(50) {
                    Op::Latest { key, keep }
                } else {
                    Op::Dedup { key, keep }
                };
                self.add(op, vec![from], keeps, on_time, size);
            }
            Kind::Join if on_time => {
                let other = self.from();
                let bound = match self.dice.number(0, 6) {
                    0 | 1 => Bound::Within(self.dice.number(0, 8)),
                    2 => Bound::Keep(self.dice.number(0, 8)),
                    3 => Bound::Until,
                    4 => Bound::Forever,
                    _ => Bound::Windows(self.join_window()),
                };
                let outer = match bound {
                    Bound::Forever => Outer::Inner,
                    _ => self.dice.one_of(&[Outer::Inner, Outer::Left, Outer::Full]),
                };
                let per_pair = if matches!(bound, Bound::Forever) { 15 } else { 3 };
                let size = size * self.sizes[other] * per_pair;
                if self.nodes[other].on_time && size <= 2 * MOST {
                    self.add(Op::Join { key, outer, bound }, vec![from, other], Order::Unknown, true, size);
                }
            }
            Kind::Lookup if on_time => {
                let other = self.from();
                let keep = self.dice.chance(50).then_some(by * 6);
                if self.nodes[other].on_time && is_ordered(self.nodes[other].order, key) {
                    self.add(Op::Lookup { key, keep }, vec![from, other], Order::Unknown, true, size);
                }
            }
            Kind::Inner if order == Order::Sent => {
                self.add(Op::Inner, vec![from], Order::Unknown, true, size)
            }
            Kind::Untimed => {
                self.add(Op::Untimed { input: (by % 2) as usize }, vec![], Order::Sent, false, 1)
            }
            _ => {}
        }
    }

    fn window(&mut self) -> Window {
        match self.dice.number(0, 4) {
            4 => Window::Global { size: self.dice.number(8, 60) },
            _ => {
                let window = self.join_window();
                let early = self.dice.chance(30).then(|| self.dice.number(3, 9));
                match window {
                    Window::Tumbling { size, .. } => Window::Tumbling { size, early },
                    Window::Hopping { size, every, .. } => Window::Hopping { size, every, early },
                    Window::Session { .. } | Window::Global { .. } => window,
                }
            }
        }
    }

    fn join_window(&mut self) -> Window {
        match self.dice.number(0, 2) {
            0 => Window::Tumbling { size: self.dice.number(8, 60), early: None },
            1 => {
                let every = self.dice.number(5, 20);
                Window::Hopping { size: every + self.dice.number(0, 20), every, early: None }
            }
            _ => Window::Session { gap: self.dice.number(1, 12) },
        }
    }

    fn reduce(&mut self, ordered: bool, merged: bool) -> Reduce {
        match self.dice.number(0, 9) {
            0 => Reduce::Top(self.dice.number(1, 3) as usize),
            1 => Reduce::MergedFold,
            2 if ordered && !merged => Reduce::Fold,
            _ => Reduce::Aggregate(self.functions(ordered)),
        }
    }

    fn functions(&mut self, ordered: bool) -> Vec<Function> {
        use Function::*;
        let mut all = vec![
            Count,
            CountWhere,
            Sum,
            Min,
            MaxWhere,
            Mean,
            Distinct,
            ApproxDistinct,
            Top,
            MergedFold,
            Spread,
            First,
            Last,
            Collect,
            CollectWhere,
        ];
        all.retain(|function| ordered || !goes_by_time(*function));
        (0..self.dice.number(1, 3)).map(|_| self.dice.one_of(&all)).collect()
    }
}

fn early_of(window: Window) -> Option<i64> {
    match window {
        Window::Tumbling { early, .. } | Window::Hopping { early, .. } => early,
        Window::Session { .. } | Window::Global { .. } => None,
    }
}

/// Whether the records of each key of such a stream come in the order in which they were sent.
fn is_ordered(order: Order, key: KeyBy) -> bool {
    match order {
        Order::Sent => true,
        Order::OfKey => key != KeyBy::Parity,
        Order::Unknown => false,
    }
}

fn goes_by_time(function: Function) -> bool {
    use Function::*;
    matches!(function, First | Last | Collect | CollectWhere)
}

/// The nodes that are led out: those that nobody reads.
pub(crate) fn outputs(plan: &Plan) -> Vec<usize> {
    let read = |place: &usize| plan.nodes.iter().any(|node| node.from.contains(place));
    (0..plan.nodes.len()).filter(|place| !read(place)).collect()
}

/// The flow of a plan, in the language.
pub(crate) fn text(name: &str, plan: &Plan) -> String {
    let mut text = format!("    flow {name} {{\n        input left: Rec;\n        input right: Rec;\n");
    for (place, node) in plan.nodes.iter().enumerate() {
        for line in lines(place, node, &node.from.iter().map(|from| format!("n{from}")).collect::<Vec<_>>()) {
            writeln!(text, "        {line}").expect("a string can be written to");
        }
    }
    for place in outputs(plan) {
        writeln!(text, "        output n{place}: Rec;").expect("a string can be written to");
    }
    text + "    }\n"
}

fn lines(place: usize, node: &Node, from: &[String]) -> Vec<String> {
    let made = |key: &KeyBy, after: String| format!("n{place}_made = {} -> {}{after};", from[0], keyed(*key));
    let line = |chain: String| vec![format!("n{place}: Rec = {} -> {chain};", from[0])];
    match &node.op {
        Op::Input { lateness } => {
            let input = ["left", "right"][place];
            vec![format!(
                "n{place}: Rec = {input} -> event_time(|r| Timestamp(r.at), lateness {lateness} us);"
            )]
        }
        Op::Untimed { input } => {
            vec![format!("n{place}: Rec = {} -> filter(|_| true);", ["left", "right"][*input])]
        }
        Op::Inner => vec![format!(
            "n{place}: Rec = Sums(records = {}).made -> event_time(|r| Timestamp(r.at));",
            from[0]
        )],
        Op::Map { by } => line(format!("map(|r| changed(r, {by}))")),
        Op::Filter { by } => line(format!("filter(|r| is_kept(r, {by}))")),
        Op::FilterMap { by } => line(format!("filter_map(|r| is_kept(&r, {by}).then(|| changed(r, {by})))")),
        Op::FlatMap => line("flat_map(halves)".into()),
        Op::Rekey { by } => line(format!("map(|r| rekeyed(r, {by}))")),
        Op::Route { by, arm } => {
            let mut lines =
                vec![format!("n{place}: Rec = n{place}_arm -> inspect(|r| assert!(r.value >= -1009));")];
            if *arm == 0 {
                let is = |arm: i64| format!("|r| r.value.rem_euclid({by}) == {arm}");
                lines.push(format!(
                    "{} -> route {{ n{place}_arm: {}, n{}_arm: {} }} else n{}_arm;",
                    from[0],
                    is(0),
                    place + 1,
                    is(1),
                    place + 2
                ));
            }
            lines
        }
        Op::TryMap { by, failed: false } => line(format!(
            "try_map(|r| if is_kept(&r, {by}) {{ Ok(r) }} else {{ Err(r) }}) else n{}_failed: Rec",
            place + 1
        )),
        Op::TryMap { failed: true, .. } => {
            vec![format!("n{place}: Rec = n{place}_failed -> filter(|_| true);")]
        }
        Op::MapAsync { by, ordered, failed: false } => line(format!(
            "map_async(|r| async move {{ tokio::task::yield_now().await; if is_kept(&r, {by}) {{ Ok(r) }} else {{ Err(\"no\") }} }}, {}, \
             concurrency {by}) else n{}_failed",
            if *ordered { "ordered" } else { "unordered" },
            place + 1
        )),
        Op::MapAsync { failed: true, .. } => {
            vec![format!("n{place}: Rec = n{place}_failed -> map(|failed| failed.record);")]
        }
        Op::Merge => vec![format!("n{place}: Rec = merge({});", from.join(", "))],
        Op::Shift { by } => line(format!("map(|r| later(r, {by})) -> event_time(|r| Timestamp(r.at))")),
        Op::Clock { lateness } => line(format!("event_time(|r| Timestamp(r.at), lateness {lateness} us)")),
        Op::Window { key, window, allow, reduce } => {
            let global = matches!(window, Window::Global { .. });
            let allow = if *allow > 0 { format!(" allow {allow} us") } else { String::new() };
            let chain = format!("{}{allow} -> {}", windowed(*window), reducing(reduce));
            let key_of_result = if global { "0" } else { "w.key" };
            let made = match global {
                true => format!("n{place}_made = {} -> {chain};", from[0]),
                false => made(key, format!(" -> {chain}")),
            };
            let again = if early_of(*window).is_some() { " -> event_time(|r| Timestamp(r.at))" } else { "" };
            vec![
                made,
                format!(
                    "n{place}: Rec = n{place}_made -> {}{again};",
                    result(reduce, key_of_result, "w.window.last()")
                ),
            ]
        }
        Op::CountWindow { key, n, reduce } => vec![
            made(key, format!(" -> count_window({n}) -> {} keep forever", reducing(reduce))),
            format!("n{place}: Rec = n{place}_made -> {};", result(reduce, "w.key", "w.window.last()")),
        ],
        Op::Running { key, reduce, every, keep } => {
            let every = every.map_or(String::new(), |every| format!(" every {every} us"));
            vec![
                made(key, format!(" -> {}{every} {}", reducing(reduce), kept(*keep))),
                format!("n{place}: Rec = n{place}_made -> {};", last(reduce)),
            ]
        }
        Op::Thinned { key, every, functions } => vec![
            made(
                key,
                format!(
                    " -> aggregate {{ at: i64 = max(|r| r.at), {} }} every {every} us keep forever",
                    fields(functions)
                ),
            ),
            format!(
                "n{place}: Rec = n{place}_made -> map(|w| made(w.key, tick(w.at, {every}), &[{}]));",
                digests(functions)
            ),
        ],
        Op::Stateful { key } => line(format!(
            "{} -> stateful(Rec) {{ state {{ sum: i64 = 0 }} keep forever; |state, r, out| {{ in_order(&mut state.sum, &r); \
             out.emit(Rec {{ value: state.sum, ..r }}) }} }}",
            keyed(*key)
        )),
        Op::Timers { key, after } => line(format!(
            "{} -> stateful(Rec) {{ state {{ seen: Vec<(i64, i64)> = Vec::new() }} keep forever; \
             |state, r, out| {{ state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + {after})) }} \
             on timer |state, at, out| {{ let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) }} }}",
            keyed(*key)
        )),
        Op::Dedup { key, keep } => line(format!("{} -> dedup {}", keyed(*key), kept(*keep))),
        Op::Latest { key, keep } => line(format!("{} -> latest {}", keyed(*key), kept(*keep))),
        Op::Join { key, outer, bound } => {
            let join = match outer {
                Outer::Inner => "join",
                Outer::Left => "left_join",
                Outer::Full => "full_join",
            };
            let joined = match bound {
                Bound::Within(d) => format!("{join}(n{place}_right, within {d} us)"),
                Bound::Keep(d) => format!("{join}(n{place}_right) keep {d} us"),
                Bound::Until => format!("{join}(n{place}_right, until until)"),
                Bound::Forever => format!("{join}(n{place}_right, keep forever)"),
                Bound::Windows(window) => format!("{} -> {join}(n{place}_right)", windowed(*window)),
            };
            let (left, right) = match outer {
                Outer::Inner => ("Some(&left)", "Some(&right)"),
                Outer::Left => ("Some(&left)", "right.as_ref()"),
                Outer::Full => ("left.as_ref()", "right.as_ref()"),
            };
            let alone = match bound {
                Bound::Within(d) | Bound::Keep(d) => format!("|r, _| r.at + {d}"),
                Bound::Until => "|r, left| if left { until(r).0.max(r.at) } else { r.at }".into(),
                Bound::Forever | Bound::Windows(_) => "|r, _| r.at".into(),
            };
            let paired = match bound {
                Bound::Windows(_) => {
                    format!("map(|(window, left, right)| paired(window.last(), {left}, {right}))")
                }
                Bound::Within(_) | Bound::Keep(_) | Bound::Until | Bound::Forever => {
                    format!("map(|(left, right)| paired(time_of({left}, {right}, {alone}), {left}, {right}))")
                }
            };
            vec![
                format!("n{place}_right: Rec = {} -> {};", from[1], keyed(*key)),
                format!("n{place}: Rec = {} -> {} -> {joined} -> {paired};", from[0], keyed(*key)),
            ]
        }
        Op::Lookup { key, keep } => vec![
            format!("n{place}_right: Rec = {} -> {};", from[1], keyed(*key)),
            format!(
                "n{place}: Rec = {} -> {} -> lookup(n{place}_right) {} -> map(|(left, right)| paired(Timestamp(left.at), \
                 Some(&left), right.as_ref()));",
                from[0],
                keyed(*key),
                kept(*keep)
            ),
        ],
    }
}

fn kept(keep: Option<i64>) -> String {
    keep.map_or("keep forever".into(), |keep| format!("keep {keep} us"))
}

fn keyed(key: KeyBy) -> &'static str {
    match key {
        KeyBy::Own => "key_by(key: u8 = |r| r.key)",
        KeyBy::Parity => "key_by(key: u8 = |r| r.key % 2)",
        KeyBy::Both => "key_by(key: u8 = |r| r.key, even: bool = is_even)",
    }
}

fn windowed(window: Window) -> String {
    let fires = early_of(window).map_or(String::new(), |early| format!(", early every {early} us"));
    match window {
        Window::Tumbling { size, .. } => format!("tumbling({size} us{fires})"),
        Window::Hopping { size, every, .. } => format!("hopping({size} us, every {every} us{fires})"),
        Window::Session { gap } => format!("session({gap} us)"),
        Window::Global { size } => format!("tumbling({size} us)"),
    }
}

fn reducing(reduce: &Reduce) -> String {
    match reduce {
        Reduce::Aggregate(functions) => format!("aggregate {{ {} }}", fields(functions)),
        Reduce::Fold => "fold(i64 = 0, in_order)".into(),
        Reduce::MergedFold => "fold(i64 = 0, in_any_order, merge add)".into(),
        Reduce::Top(n) => format!("top({n}, by |r| (r.value, r.key))"),
    }
}

fn fields(functions: &[Function]) -> String {
    let fields =
        functions.iter().enumerate().map(|(place, function)| format!("a{place}: {}", spelled(*function)));
    fields.collect::<Vec<_>>().join(", ")
}

fn spelled(function: Function) -> &'static str {
    match function {
        Function::Count => "u64 = count()",
        Function::CountWhere => "u64 = count(where is_even)",
        Function::Sum => "i64 = sum(|r| r.value)",
        Function::Min => "i64 = min(|r| r.value)",
        Function::MaxWhere => "Option<i64> = max(|r| r.value, where is_even)",
        Function::Mean => "f64 = mean(|r| r.value)",
        Function::Distinct => "u64 = distinct(|r| r.value)",
        Function::ApproxDistinct => "u64 = approx_distinct(|r| r.value)",
        Function::Top => "Vec<Rec> = top(2, by |r| (r.value, r.key))",
        Function::MergedFold => "i64 = fold(0, in_any_order, merge add)",
        Function::Spread => "i64 = Spread(|r| r.value)",
        Function::First => "i64 = first(|r| r.value)",
        Function::Last => "i64 = last(|r| r.value)",
        Function::Collect => "Vec<i64> = collect(|r| r.value)",
        Function::CollectWhere => "Vec<i64> = collect(|r| r.value, where is_even)",
    }
}

fn digests(functions: &[Function]) -> String {
    let digests = (0..functions.len()).map(|place| format!("d(&w.a{place})"));
    digests.collect::<Vec<_>>().join(", ")
}

fn result(reduce: &Reduce, key: &str, at: &str) -> String {
    match reduce {
        Reduce::Aggregate(functions) => format!("map(|w| made({key}, {at}, &[{}]))", digests(functions)),
        Reduce::Fold | Reduce::MergedFold => format!("map(|w| made({key}, {at}, &[w.value]))"),
        Reduce::Top(_) => format!("flat_map(|w| ranked({at}, {key}, &w.top))"),
    }
}

/// What a running operator has come to. Of a list, its head, so that there is one record for each result.
fn last(reduce: &Reduce) -> String {
    match reduce {
        Reduce::Top(_) => "filter_map(|w| ranked(Timestamp(0), w.key, &w.top).into_iter().next())".into(),
        Reduce::Aggregate(_) | Reduce::Fold | Reduce::MergedFold => result(reduce, "w.key", "Timestamp(0)"),
    }
}

/// The whole of `tests/random_flows/flows.rs`.
pub(crate) fn file(seeds: Range<u64>) -> String {
    let mut file = String::from(
        "//! Written by `tests/support/random_flows.rs`: `PSDF_WRITE=1 cargo test --test random_flows` writes it anew.\n\n\
         use crate::plan::*;\nuse psdf::{Timestamp, dataflow};\n",
    );
    for seed in seeds.clone() {
        let plan = plan(seed);
        let sinks =
            outputs(&plan).iter().map(|place| format!("{place} n{place}_to,")).collect::<Vec<_>>().join(" ");
        write!(
            file,
            "\ndataflow! {{\n{}}}\n\ncrate::runs! {{ run_{seed} = F{seed} => {sinks} }}\n",
            text(&format!("F{seed}"), &plan)
        )
        .expect("a string can be written to");
    }
    file.push_str("\n#[rustfmt::skip]\npub(crate) const RUNS: &[crate::Run] = &[");
    seeds.for_each(|seed| write!(file, "\n    run_{seed},").expect("a string can be written to"));
    file + "\n];\n"
}
