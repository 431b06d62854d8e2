//! Written by `tests/support/random_flows.rs`: `PSDF_WRITE=1 cargo test --test random_flows` writes it anew.

use crate::plan::*;
use psdf::{Timestamp, dataflow};

dataflow! {
    flow F2354 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n0 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = Spread(|r| r.value) } every 21 us keep forever;
        n2: Rec = n2_made -> map(|w| made(w.key, tick(w.at, 21), &[d(&w.a0)]));
        n3_right: Rec = n2 -> key_by(key: u8 = |r| r.key);
        n3: Rec = n2 -> key_by(key: u8 = |r| r.key) -> join(n3_right, within 2 us) -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, _| r.at + 2), Some(&left), Some(&right)));
        n4_right: Rec = n1 -> key_by(key: u8 = |r| r.key % 2);
        n4: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> session(10 us) -> left_join(n4_right) -> map(|(window, left, right)| paired(window.last(), Some(&left), right.as_ref()));
        n5: Rec = n3 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n6_failed: Rec;
        n6: Rec = n6_failed -> filter(|_| true);
        n7: Rec = n4 -> map(|r| rekeyed(r, 2));
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_2354 = F2354 => 5 n5_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F2355 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n3: Rec = n2 -> filter_map(|r| is_kept(&r, 2).then(|| changed(r, 2)));
        n4_made = n2 -> key_by(key: u8 = |r| r.key) -> hopping(31 us, every 13 us) -> aggregate { a0: Vec<i64> = collect(|r| r.value), a1: i64 = last(|r| r.value) };
        n4: Rec = n4_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n5: Rec = n3 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 3)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        output n1: Rec;
        output n4: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2355 = F2355 => 1 n1_to, 4 n4_to, 5 n5_to, }

dataflow! {
    flow F2356 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 14)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n3_made = n2 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: u64 = count(), a1: u64 = distinct(|r| r.value), a2: i64 = min(|r| r.value) } keep 1000 us;
        n3: Rec = n3_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n4: Rec = n0 -> filter(|r| is_kept(r, 3));
        n5: Rec = left -> filter(|_| true);
        n6_made = n1 -> key_by(key: u8 = |r| r.key) -> session(10 us) -> aggregate { a0: Vec<i64> = collect(|r| r.value, where is_even), a1: i64 = Spread(|r| r.value) };
        n6: Rec = n6_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_2356 = F2356 => 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, }

dataflow! {
    flow F2357 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> dedup keep 15 us;
        n3: Rec = n1 -> try_map(|r| if is_kept(&r, 4) { Ok(r) } else { Err(r) }) else n4_failed: Rec;
        n4: Rec = n4_failed -> filter(|_| true);
        n5: Rec = n3 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n6: Rec = n4 -> key_by(key: u8 = |r| r.key) -> latest keep 9 us;
        n7: Rec = n6 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 25)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n8_right: Rec = n5 -> key_by(key: u8 = |r| r.key);
        n8: Rec = n1 -> key_by(key: u8 = |r| r.key) -> lookup(n8_right) keep 30 us -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        output n2: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_2357 = F2357 => 2 n2_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F2358 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n0 -> key_by(key: u8 = |r| r.key);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key) -> session(6 us) -> left_join(n2_right) -> map(|(window, left, right)| paired(window.last(), Some(&left), right.as_ref()));
        n3_made = n1 -> key_by(key: u8 = |r| r.key) -> count_window(1) -> aggregate { a0: i64 = fold(0, in_any_order, merge add) } keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n4: Rec = n2 -> filter(|r| is_kept(r, 3));
        n5: Rec = n3 -> filter_map(|r| is_kept(&r, 2).then(|| changed(r, 2)));
        output n4: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2358 = F2358 => 4 n4_to, 5 n5_to, }

dataflow! {
    flow F2359 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n1 -> key_by(key: u8 = |r| r.key % 2);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> lookup(n2_right) keep forever -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n3: Rec = n2 -> map(|r| changed(r, 2));
        n4: Rec = merge(n0, n1, n3);
        n5_right: Rec = n1 -> key_by(key: u8 = |r| r.key);
        n5: Rec = n2 -> key_by(key: u8 = |r| r.key) -> join(n5_right) keep 7 us -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, _| r.at + 7), Some(&left), Some(&right)));
        n6: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 3) { Ok(r) } else { Err("no") } }, ordered, concurrency 3) else n7_failed;
        n7: Rec = n7_failed -> map(|failed| failed.record);
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_2359 = F2359 => 4 n4_to, 5 n5_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F2360 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = Sums(records = n1).made -> event_time(|r| Timestamp(r.at));
        n3_made = n2 -> tumbling(28 us) -> top(2, by |r| (r.value, r.key));
        n3: Rec = n3_made -> flat_map(|w| ranked(w.window.last(), 0, &w.top));
        n4: Rec = Sums(records = n1).made -> event_time(|r| Timestamp(r.at));
        n5: Rec = n4 -> filter_map(|r| is_kept(&r, 4).then(|| changed(r, 4)));
        output n0: Rec;
        output n3: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2360 = F2360 => 0 n0_to, 3 n3_to, 5 n5_to, }

dataflow! {
    flow F2361 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = left -> filter(|_| true);
        n3: Rec = n2 -> try_map(|r| if is_kept(&r, 3) { Ok(r) } else { Err(r) }) else n4_failed: Rec;
        n4: Rec = n4_failed -> filter(|_| true);
        n5_made = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> session(3 us) -> aggregate { a0: f64 = mean(|r| r.value), a1: u64 = count(where is_even) };
        n5: Rec = n5_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        output n0: Rec;
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2361 = F2361 => 0 n0_to, 3 n3_to, 4 n4_to, 5 n5_to, }

dataflow! {
    flow F2362 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> key_by(key: u8 = |r| r.key) -> hopping(28 us, every 14 us, early every 8 us) -> aggregate { a0: f64 = mean(|r| r.value), a1: u64 = count(), a2: i64 = Spread(|r| r.value) };
        n2: Rec = n2_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1), d(&w.a2)])) -> event_time(|r| Timestamp(r.at));
        n3_right: Rec = n2 -> key_by(key: u8 = |r| r.key);
        n3: Rec = n2 -> key_by(key: u8 = |r| r.key) -> hopping(30 us, every 11 us) -> join(n3_right) -> map(|(window, left, right)| paired(window.last(), Some(&left), Some(&right)));
        n4: Rec = n3 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 10)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n5: Rec = n0 -> filter(|r| is_kept(r, 5));
        output n4: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2362 = F2362 => 4 n4_to, 5 n5_to, }

dataflow! {
    flow F2363 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> key_by(key: u8 = |r| r.key) -> session(5 us) -> aggregate { a0: u64 = approx_distinct(|r| r.value), a1: i64 = min(|r| r.value) };
        n2: Rec = n2_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n3_made = n0 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { at: i64 = max(|r| r.at), a0: u64 = count(where is_even), a1: i64 = sum(|r| r.value) } every 35 us keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, tick(w.at, 35), &[d(&w.a0), d(&w.a1)]));
        n4: Rec = n2 -> map(|r| rekeyed(r, 5));
        n5: Rec = right -> filter(|_| true);
        n6: Rec = n5 -> event_time(|r| Timestamp(r.at), lateness 39 us);
        n7_made = n3 -> key_by(key: u8 = |r| r.key % 2) -> session(11 us) -> aggregate { a0: i64 = min(|r| r.value), a1: Vec<Rec> = top(2, by |r| (r.value, r.key)) };
        n7: Rec = n7_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_2363 = F2363 => 4 n4_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F2364 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n2: Rec = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> left_join(n2_right, until until) -> map(|(left, right)| paired(time_of(Some(&left), right.as_ref(), |r, left| if left { until(r).0.max(r.at) } else { r.at }), Some(&left), right.as_ref()));
        n3_made = n2 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { at: i64 = max(|r| r.at), a0: u64 = count(), a1: u64 = distinct(|r| r.value), a2: Option<i64> = max(|r| r.value, where is_even) } every 14 us keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, tick(w.at, 14), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n4: Rec = n3 -> filter_map(|r| is_kept(&r, 2).then(|| changed(r, 2)));
        n5: Rec = n2 -> flat_map(halves);
        output n4: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2364 = F2364 => 4 n4_to, 5 n5_to, }

dataflow! {
    flow F2365 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> left_join(n2_right, within 0 us) -> map(|(left, right)| paired(time_of(Some(&left), right.as_ref(), |r, _| r.at + 0), Some(&left), right.as_ref()));
        n3_made = n2 -> key_by(key: u8 = |r| r.key % 2) -> hopping(26 us, every 6 us) allow 5 us -> aggregate { a0: u64 = distinct(|r| r.value), a1: i64 = Spread(|r| r.value), a2: u64 = approx_distinct(|r| r.value) };
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n4: Rec = n3 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 27)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n4 -> route { n5_arm: |r| r.value.rem_euclid(5) == 0, n6_arm: |r| r.value.rem_euclid(5) == 1 } else n7_arm;
        n6: Rec = n6_arm -> inspect(|r| assert!(r.value >= -1009));
        n7: Rec = n7_arm -> inspect(|r| assert!(r.value >= -1009));
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_2365 = F2365 => 5 n5_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F2366 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n0 -> key_by(key: u8 = |r| r.key);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key) -> full_join(n2_right, within 0 us) -> map(|(left, right)| paired(time_of(left.as_ref(), right.as_ref(), |r, _| r.at + 0), left.as_ref(), right.as_ref()));
        n3: Rec = n0 -> filter(|r| is_kept(r, 4));
        n4_made = n1 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = Spread(|r| r.value) } every 21 us keep forever;
        n4: Rec = n4_made -> map(|w| made(w.key, tick(w.at, 21), &[d(&w.a0)]));
        n5: Rec = n2 -> filter_map(|r| is_kept(&r, 4).then(|| changed(r, 4)));
        n6_right: Rec = n3 -> key_by(key: u8 = |r| r.key % 2);
        n6: Rec = n1 -> key_by(key: u8 = |r| r.key % 2) -> join(n6_right, keep forever) -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, _| r.at), Some(&left), Some(&right)));
        n7_made = n5 -> key_by(key: u8 = |r| r.key) -> hopping(32 us, every 16 us, early every 8 us) -> aggregate { a0: i64 = min(|r| r.value), a1: i64 = min(|r| r.value), a2: i64 = sum(|r| r.value) };
        n7: Rec = n7_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1), d(&w.a2)])) -> event_time(|r| Timestamp(r.at));
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_2366 = F2366 => 4 n4_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F2367 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n0 -> key_by(key: u8 = |r| r.key);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key) -> full_join(n2_right) keep 2 us -> map(|(left, right)| paired(time_of(left.as_ref(), right.as_ref(), |r, _| r.at + 2), left.as_ref(), right.as_ref()));
        n3: Rec = n2 -> map(|r| later(r, 10)) -> event_time(|r| Timestamp(r.at));
        n4: Rec = merge(n0, n1, n3);
        n5: Rec = n4 -> flat_map(halves);
        output n5: Rec;
    }
}

crate::runs! { run_2367 = F2367 => 5 n5_to, }

dataflow! {
    flow F2368 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key) -> dedup keep 9 us;
        n3_made = n2 -> key_by(key: u8 = |r| r.key % 2) -> hopping(23 us, every 7 us, early every 5 us) -> aggregate { a0: u64 = count(where is_even), a1: u64 = count() };
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)])) -> event_time(|r| Timestamp(r.at));
        n4: Rec = n1 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 20)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n5_right: Rec = n3 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n5: Rec = n4 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> tumbling(30 us) -> left_join(n5_right) -> map(|(window, left, right)| paired(window.last(), Some(&left), right.as_ref()));
        output n5: Rec;
    }
}

crate::runs! { run_2368 = F2368 => 5 n5_to, }

dataflow! {
    flow F2369 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> tumbling(48 us) -> aggregate { a0: Vec<Rec> = top(2, by |r| (r.value, r.key)), a1: u64 = approx_distinct(|r| r.value), a2: i64 = min(|r| r.value) };
        n2: Rec = n2_made -> map(|w| made(0, w.window.last(), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n3: Rec = n2 -> try_map(|r| if is_kept(&r, 3) { Ok(r) } else { Err(r) }) else n4_failed: Rec;
        n4: Rec = n4_failed -> filter(|_| true);
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n4 -> route { n5_arm: |r| r.value.rem_euclid(4) == 0, n6_arm: |r| r.value.rem_euclid(4) == 1 } else n7_arm;
        n6: Rec = n6_arm -> inspect(|r| assert!(r.value >= -1009));
        n7: Rec = n7_arm -> inspect(|r| assert!(r.value >= -1009));
        n8: Rec = n7 -> try_map(|r| if is_kept(&r, 3) { Ok(r) } else { Err(r) }) else n9_failed: Rec;
        n9: Rec = n9_failed -> filter(|_| true);
        output n0: Rec;
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_2369 = F2369 => 0 n0_to, 3 n3_to, 5 n5_to, 6 n6_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F2370 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map(|r| changed(r, 2));
        n3_made = n2 -> key_by(key: u8 = |r| r.key % 2) -> session(6 us) allow 3 us -> aggregate { a0: i64 = fold(0, in_any_order, merge add) };
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n4: Rec = n1 -> filter_map(|r| is_kept(&r, 4).then(|| changed(r, 4)));
        n5: Rec = right -> filter(|_| true);
        n6_right: Rec = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n6: Rec = n4 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> join(n6_right, until until) -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, left| if left { until(r).0.max(r.at) } else { r.at }), Some(&left), Some(&right)));
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_2370 = F2370 => 3 n3_to, 5 n5_to, 6 n6_to, }

dataflow! {
    flow F2371 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> filter(|r| is_kept(r, 4));
        n3_made = n0 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: f64 = mean(|r| r.value) } every 35 us keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, tick(w.at, 35), &[d(&w.a0)]));
        n4: Rec = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> latest keep 12 us;
        n5: Rec = n1 -> key_by(key: u8 = |r| r.key) -> latest keep 6 us;
        n6: Rec = n1 -> event_time(|r| Timestamp(r.at), lateness 38 us);
        n7_made = n6 -> key_by(key: u8 = |r| r.key) -> tumbling(11 us) -> aggregate { a0: i64 = min(|r| r.value), a1: Option<i64> = max(|r| r.value, where is_even), a2: u64 = count(where is_even) };
        n7: Rec = n7_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        output n2: Rec;
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_2371 = F2371 => 2 n2_to, 3 n3_to, 4 n4_to, 5 n5_to, 7 n7_to, }

dataflow! {
    flow F2372 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> filter_map(|r| is_kept(&r, 5).then(|| changed(r, 5)));
        n3: Rec = n1 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n4_failed: Rec;
        n4: Rec = n4_failed -> filter(|_| true);
        n5_right: Rec = n1 -> key_by(key: u8 = |r| r.key % 2);
        n5: Rec = n3 -> key_by(key: u8 = |r| r.key % 2) -> join(n5_right, keep forever) -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, _| r.at), Some(&left), Some(&right)));
        n6: Rec = left -> filter(|_| true);
        n7: Rec = n6 -> event_time(|r| Timestamp(r.at), lateness 39 us);
        output n2: Rec;
        output n4: Rec;
        output n5: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_2372 = F2372 => 2 n2_to, 4 n4_to, 5 n5_to, 7 n7_to, }

dataflow! {
    flow F2373 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> flat_map(halves);
        n3: Rec = n1 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 2) { Ok(r) } else { Err("no") } }, ordered, concurrency 2) else n4_failed;
        n4: Rec = n4_failed -> map(|failed| failed.record);
        n5: Rec = n2 -> map(|r| rekeyed(r, 4));
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2373 = F2373 => 3 n3_to, 4 n4_to, 5 n5_to, }

dataflow! {
    flow F2374 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> map(|r| rekeyed(r, 4));
        n3: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> latest keep forever;
        n4: Rec = n0 -> map(|r| changed(r, 4));
        n5_made = n2 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> session(5 us) allow 5 us -> fold(i64 = 0, in_any_order, merge add);
        n5: Rec = n5_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        n6_made = n3 -> key_by(key: u8 = |r| r.key) -> session(6 us) -> fold(i64 = 0, in_any_order, merge add);
        n6: Rec = n6_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        n7_made = n4 -> key_by(key: u8 = |r| r.key) -> hopping(10 us, every 9 us) -> fold(i64 = 0, in_any_order, merge add);
        n7: Rec = n7_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        n8_made = n6 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> tumbling(39 us) -> fold(i64 = 0, in_any_order, merge add);
        n8: Rec = n8_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        output n5: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_2374 = F2374 => 5 n5_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F2375 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n2_arm -> inspect(|r| assert!(r.value >= -1009));
        n0 -> route { n2_arm: |r| r.value.rem_euclid(5) == 0, n3_arm: |r| r.value.rem_euclid(5) == 1 } else n4_arm;
        n3: Rec = n3_arm -> inspect(|r| assert!(r.value >= -1009));
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n5_right: Rec = n2 -> key_by(key: u8 = |r| r.key % 2);
        n5: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> left_join(n5_right, within 0 us) -> map(|(left, right)| paired(time_of(Some(&left), right.as_ref(), |r, _| r.at + 0), Some(&left), right.as_ref()));
        n6: Rec = n3 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, ordered, concurrency 5) else n7_failed;
        n7: Rec = n7_failed -> map(|failed| failed.record);
        n8: Rec = n5 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 3) { Ok(r) } else { Err("no") } }, ordered, concurrency 3) else n9_failed;
        n9: Rec = n9_failed -> map(|failed| failed.record);
        output n1: Rec;
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_2375 = F2375 => 1 n1_to, 4 n4_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F2376 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n3_failed: Rec;
        n3: Rec = n3_failed -> filter(|_| true);
        n4_made = n2 -> key_by(key: u8 = |r| r.key % 2) -> tumbling(21 us) -> aggregate { a0: i64 = first(|r| r.value), a1: i64 = last(|r| r.value) };
        n4: Rec = n4_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n5: Rec = n1 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
    }
}

crate::runs! { run_2376 = F2376 => 3 n3_to, 4 n4_to, 5 n5_to, }

dataflow! {
    flow F2377 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 2) { Ok(r) } else { Err("no") } }, unordered, concurrency 2) else n3_failed;
        n3: Rec = n3_failed -> map(|failed| failed.record);
        n4_right: Rec = n1 -> key_by(key: u8 = |r| r.key);
        n4: Rec = n3 -> key_by(key: u8 = |r| r.key) -> lookup(n4_right) keep forever -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n5: Rec = n2 -> filter(|r| is_kept(r, 2));
        n6: Rec = left -> filter(|_| true);
        n7: Rec = n2 -> flat_map(halves);
        n8: Rec = n6 -> flat_map(halves);
        n9: Rec = n7 -> try_map(|r| if is_kept(&r, 4) { Ok(r) } else { Err(r) }) else n10_failed: Rec;
        n10: Rec = n10_failed -> filter(|_| true);
        output n4: Rec;
        output n5: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_2377 = F2377 => 4 n4_to, 5 n5_to, 8 n8_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F2378 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = merge(n0, n1);
        n3: Rec = n1 -> key_by(key: u8 = |r| r.key % 2) -> dedup keep 15 us;
        n4_right: Rec = n2 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n4: Rec = n3 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> hopping(22 us, every 10 us) -> full_join(n4_right) -> map(|(window, left, right)| paired(window.last(), left.as_ref(), right.as_ref()));
        n5: Rec = right -> filter(|_| true);
        n6_made = n2 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> hopping(26 us, every 18 us) allow 2 us -> aggregate { a0: u64 = approx_distinct(|r| r.value), a1: u64 = approx_distinct(|r| r.value) };
        n6: Rec = n6_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_2378 = F2378 => 4 n4_to, 5 n5_to, 6 n6_to, }

dataflow! {
    flow F2379 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map(|r| later(r, 10)) -> event_time(|r| Timestamp(r.at));
        n3: Rec = n2 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 3) { Ok(r) } else { Err("no") } }, unordered, concurrency 3) else n4_failed;
        n4: Rec = n4_failed -> map(|failed| failed.record);
        n5: Rec = n4 -> map(|r| changed(r, 3));
        n6: Rec = n3 -> filter(|r| is_kept(r, 3));
        output n1: Rec;
        output n5: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_2379 = F2379 => 1 n1_to, 5 n5_to, 6 n6_to, }

#[rustfmt::skip]
pub(crate) const RUNS: &[crate::Run] = &[
    run_2354,
    run_2355,
    run_2356,
    run_2357,
    run_2358,
    run_2359,
    run_2360,
    run_2361,
    run_2362,
    run_2363,
    run_2364,
    run_2365,
    run_2366,
    run_2367,
    run_2368,
    run_2369,
    run_2370,
    run_2371,
    run_2372,
    run_2373,
    run_2374,
    run_2375,
    run_2376,
    run_2377,
    run_2378,
    run_2379,
];
