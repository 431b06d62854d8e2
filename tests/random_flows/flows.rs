//! Written by `tests/support/random_flows.rs`: `PSDF_WRITE=1 cargo test --test random_flows` writes it anew.

use crate::plan::*;
use psdf::{Timestamp, dataflow};

dataflow! {
    flow F0 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map(|r| changed(r, 2));
        n3: Rec = n0 -> event_time(|r| Timestamp(r.at), lateness 40 us);
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n1 -> route { n4_arm: |r| r.value.rem_euclid(5) == 0, n5_arm: |r| r.value.rem_euclid(5) == 1 } else n6_arm;
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n6: Rec = n6_arm -> inspect(|r| assert!(r.value >= -1009));
        n7_made = n2 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: u64 = distinct(|r| r.value) } every 21 us keep forever;
        n7: Rec = n7_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0)]));
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_0 = F0 => 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F1 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> filter(|r| is_kept(r, 5));
        n3_made = n2 -> key_by(key: u8 = |r| r.key) -> hopping(22 us, every 6 us) allow 3 us -> fold(i64 = 0, in_order);
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        n4: Rec = n3 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 4) { Ok(r) } else { Err("no") } }, unordered, concurrency 4) else n5_failed;
        n5: Rec = n5_failed -> map(|failed| failed.record);
        n6: Rec = n0 -> filter(|r| is_kept(r, 2));
        n7_made = n6 -> tumbling(16 us) allow 4 us -> aggregate { a0: u64 = approx_distinct(|r| r.value), a1: i64 = min(|r| r.value) };
        n7: Rec = n7_made -> map(|w| made(0, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n8_made = n5 -> key_by(key: u8 = |r| r.key) -> hopping(40 us, every 20 us) -> aggregate { a0: u64 = distinct(|r| r.value) };
        n8: Rec = n8_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n9: Rec = n6 -> filter_map(|r| is_kept(&r, 5).then(|| changed(r, 5)));
        n10: Rec = n10_arm -> inspect(|r| assert!(r.value >= -1009));
        n1 -> route { n10_arm: |r| r.value.rem_euclid(4) == 0, n11_arm: |r| r.value.rem_euclid(4) == 1 } else n12_arm;
        n11: Rec = n11_arm -> inspect(|r| assert!(r.value >= -1009));
        n12: Rec = n12_arm -> inspect(|r| assert!(r.value >= -1009));
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
        output n11: Rec;
        output n12: Rec;
    }
}

crate::runs! { run_1 = F1 => 3 n3_to, 4 n4_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, 10 n10_to, 11 n11_to, 12 n12_to, }

dataflow! {
    flow F2 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> filter_map(|r| is_kept(&r, 2).then(|| changed(r, 2)));
        n3: Rec = n2 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n4: Rec = n3 -> flat_map(halves);
        n5: Rec = n1 -> map(|r| rekeyed(r, 2));
        n6: Rec = n5 -> map(|r| changed(r, 3));
        n7: Rec = n5 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 3) { Ok(r) } else { Err("no") } }, unordered, concurrency 3) else n8_failed;
        n8: Rec = n8_failed -> map(|failed| failed.record);
        n9: Rec = n6 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 7)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n10_right: Rec = n9 -> key_by(key: u8 = |r| r.key % 2);
        n10: Rec = n8 -> key_by(key: u8 = |r| r.key % 2) -> left_join(n10_right, until until) -> map(|(left, right)| paired(time_of(Some(&left), right.as_ref(), |r, left| if left { until(r).0.max(r.at) } else { r.at }), Some(&left), right.as_ref()));
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_2 = F2 => 3 n3_to, 4 n4_to, 6 n6_to, 7 n7_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F3 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> flat_map(halves);
        n3: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, unordered, concurrency 5) else n4_failed;
        n4: Rec = n4_failed -> map(|failed| failed.record);
        n5: Rec = merge(n2, n3);
        n6: Rec = n2 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n7_made = n2 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: Vec<Rec> = top(2, by |r| (r.value, r.key)) } keep forever;
        n7: Rec = n7_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0)]));
        n8_made = n2 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: i64 = first(|r| r.value) } every 14 us keep forever;
        n8: Rec = n8_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0)]));
        n9: Rec = n4 -> filter_map(|r| is_kept(&r, 3).then(|| changed(r, 3)));
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_3 = F3 => 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F4 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map(|r| rekeyed(r, 4));
        n3_right: Rec = n2 -> key_by(key: u8 = |r| r.key % 2);
        n3: Rec = n1 -> key_by(key: u8 = |r| r.key % 2) -> lookup(n3_right) keep 24 us -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n4_made = n0 -> key_by(key: u8 = |r| r.key) -> count_window(1) -> aggregate { a0: i64 = first(|r| r.value), a1: i64 = fold(0, in_any_order, merge add) } keep forever;
        n4: Rec = n4_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n5: Rec = n3 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 14)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n6_made = n2 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { a0: u64 = distinct(|r| r.value), a1: u64 = count(where is_even) } keep forever;
        n6: Rec = n6_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1)]));
        n7: Rec = n2 -> filter_map(|r| is_kept(&r, 3).then(|| changed(r, 3)));
        n8: Rec = merge(n0, n7);
        n9_made = n2 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: Vec<i64> = collect(|r| r.value, where is_even), a1: i64 = min(|r| r.value) } keep 1000 us;
        n9: Rec = n9_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1)]));
        n10_made = n7 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: u64 = count(where is_even), a1: f64 = mean(|r| r.value) } every 28 us keep forever;
        n10: Rec = n10_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1)]));
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_4 = F4 => 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, 8 n8_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F5 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n2_arm -> inspect(|r| assert!(r.value >= -1009));
        n0 -> route { n2_arm: |r| r.value.rem_euclid(3) == 0, n3_arm: |r| r.value.rem_euclid(3) == 1 } else n4_arm;
        n3: Rec = n3_arm -> inspect(|r| assert!(r.value >= -1009));
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n5: Rec = merge(n1, n4);
        n6: Rec = n5 -> filter(|r| is_kept(r, 4));
        n7_made = n2 -> tumbling(25 us) -> aggregate { a0: i64 = last(|r| r.value) };
        n7: Rec = n7_made -> map(|w| made(0, w.window.last(), &[d(&w.a0)]));
        n8_made = n6 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: u64 = count(where is_even), a1: f64 = mean(|r| r.value) } every 21 us keep forever;
        n8: Rec = n8_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1)]));
        output n3: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_5 = F5 => 3 n3_to, 6 n6_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F6 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n3_failed: Rec;
        n3: Rec = n3_failed -> filter(|_| true);
        n4: Rec = merge(n0, n2, n3);
        n5: Rec = right -> filter(|_| true);
        n6: Rec = n1 -> key_by(key: u8 = |r| r.key % 2) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 7)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n7: Rec = n1 -> event_time(|r| Timestamp(r.at), lateness 40 us);
        n8_made = n4 -> key_by(key: u8 = |r| r.key) -> fold(i64 = 0, in_any_order, merge add) keep forever;
        n8: Rec = n8_made -> map(|w| made(w.key, Timestamp(0), &[w.value]));
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_6 = F6 => 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F7 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, unordered, concurrency 5) else n3_failed;
        n3: Rec = n3_failed -> map(|failed| failed.record);
        n4: Rec = n2 -> map(|r| changed(r, 3));
        n5: Rec = n3 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 4) { Ok(r) } else { Err("no") } }, ordered, concurrency 4) else n6_failed;
        n6: Rec = n6_failed -> map(|failed| failed.record);
        n7_right: Rec = n6 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n7: Rec = n5 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> hopping(35 us, every 18 us) -> left_join(n7_right) -> map(|(window, left, right)| paired(window.last(), Some(&left), right.as_ref()));
        n8: Rec = n1 -> event_time(|r| Timestamp(r.at), lateness 40 us);
        n9: Rec = n0 -> event_time(|r| Timestamp(r.at), lateness 37 us);
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_7 = F7 => 3 n3_to, 4 n4_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F8 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = merge(n0, n1);
        n3: Rec = n1 -> map(|r| changed(r, 4));
        n4: Rec = merge(n0, n1);
        n5: Rec = n2 -> flat_map(halves);
        n6: Rec = n4 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 20)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n7: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 4) { Ok(r) } else { Err("no") } }, unordered, concurrency 4) else n8_failed;
        n8: Rec = n8_failed -> map(|failed| failed.record);
        n9: Rec = n3 -> event_time(|r| Timestamp(r.at), lateness 40 us);
        n10: Rec = n9 -> event_time(|r| Timestamp(r.at), lateness 38 us);
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_8 = F8 => 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F9 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map(|r| later(r, 10)) -> event_time(|r| Timestamp(r.at));
        n3: Rec = n1 -> map(|r| later(r, 25)) -> event_time(|r| Timestamp(r.at));
        n4: Rec = n1 -> key_by(key: u8 = |r| r.key) -> latest keep forever;
        n5: Rec = n1 -> filter_map(|r| is_kept(&r, 3).then(|| changed(r, 3)));
        n6_right: Rec = n4 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n6: Rec = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> lookup(n6_right) keep 18 us -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n7: Rec = n5 -> flat_map(halves);
        n8: Rec = n2 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 2)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n9: Rec = n7 -> map(|r| rekeyed(r, 5));
        n10: Rec = n8 -> map(|r| rekeyed(r, 4));
        output n3: Rec;
        output n6: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_9 = F9 => 3 n3_to, 6 n6_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F10 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> event_time(|r| Timestamp(r.at), lateness 37 us);
        n3: Rec = n1 -> map(|r| rekeyed(r, 3));
        n4: Rec = n2 -> map(|r| later(r, 15)) -> event_time(|r| Timestamp(r.at));
        n5_made = n3 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> count_window(3) -> aggregate { a0: i64 = min(|r| r.value), a1: i64 = Spread(|r| r.value) } keep forever;
        n5: Rec = n5_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n6: Rec = n2 -> map(|r| rekeyed(r, 3));
        n7: Rec = n4 -> map(|r| changed(r, 4));
        n8: Rec = n2 -> flat_map(halves);
        n9: Rec = n4 -> filter(|r| is_kept(r, 2));
        n10_right: Rec = n9 -> key_by(key: u8 = |r| r.key);
        n10: Rec = n4 -> key_by(key: u8 = |r| r.key) -> join(n10_right) keep 5 us -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, _| r.at + 5), Some(&left), Some(&right)));
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_10 = F10 => 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F11 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> key_by(key: u8 = |r| r.key) -> hopping(26 us, every 9 us) allow 2 us -> aggregate { a0: Vec<i64> = collect(|r| r.value), a1: u64 = count(where is_even) };
        n2: Rec = n2_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n3: Rec = merge(n0, n1, n2);
        n4: Rec = left -> filter(|_| true);
        n5: Rec = n3 -> map(|r| changed(r, 4));
        n6: Rec = merge(n1, n4, n5);
        n7_made = n1 -> key_by(key: u8 = |r| r.key % 2) -> tumbling(58 us) allow 3 us -> top(2, by |r| (r.value, r.key));
        n7: Rec = n7_made -> flat_map(|w| ranked(w.window.last(), w.key, &w.top));
        n8: Rec = n4 -> filter(|r| is_kept(r, 2));
        n9: Rec = n6 -> flat_map(halves);
        output n3: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_11 = F11 => 3 n3_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F12 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> tumbling(42 us) -> aggregate { a0: i64 = first(|r| r.value) };
        n2: Rec = n2_made -> map(|w| made(0, w.window.last(), &[d(&w.a0)]));
        n3: Rec = left -> filter(|_| true);
        n4: Rec = n3 -> map(|r| rekeyed(r, 3));
        n5_made = n2 -> key_by(key: u8 = |r| r.key) -> aggregate { a0: u64 = approx_distinct(|r| r.value), a1: Option<i64> = max(|r| r.value, where is_even), a2: i64 = sum(|r| r.value) } keep forever;
        n5: Rec = n5_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n6: Rec = n2 -> try_map(|r| if is_kept(&r, 3) { Ok(r) } else { Err(r) }) else n7_failed: Rec;
        n7: Rec = n7_failed -> filter(|_| true);
        n8: Rec = merge(n3, n4, n6);
        n9: Rec = n6 -> filter_map(|r| is_kept(&r, 2).then(|| changed(r, 2)));
        output n0: Rec;
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_12 = F12 => 0 n0_to, 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F13 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> key_by(key: u8 = |r| r.key) -> count_window(4) -> aggregate { a0: Vec<i64> = collect(|r| r.value, where is_even) } keep forever;
        n2: Rec = n2_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n3: Rec = Sums(records = n1).made -> event_time(|r| Timestamp(r.at));
        n4_made = n0 -> key_by(key: u8 = |r| r.key % 2) -> hopping(17 us, every 6 us, early every 4 us) -> top(1, by |r| (r.value, r.key));
        n4: Rec = n4_made -> flat_map(|w| ranked(w.window.last(), w.key, &w.top)) -> event_time(|r| Timestamp(r.at));
        n5: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, unordered, concurrency 5) else n6_failed;
        n6: Rec = n6_failed -> map(|failed| failed.record);
        n7: Rec = n6 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 28)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        output n2: Rec;
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_13 = F13 => 2 n2_to, 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F14 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n0 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { a0: u64 = distinct(|r| r.value), a1: i64 = sum(|r| r.value), a2: i64 = first(|r| r.value) } keep forever;
        n2: Rec = n2_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n3: Rec = n1 -> key_by(key: u8 = |r| r.key) -> dedup keep forever;
        n4: Rec = n0 -> key_by(key: u8 = |r| r.key) -> dedup keep 6 us;
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n1 -> route { n5_arm: |r| r.value.rem_euclid(3) == 0, n6_arm: |r| r.value.rem_euclid(3) == 1 } else n7_arm;
        n6: Rec = n6_arm -> inspect(|r| assert!(r.value >= -1009));
        n7: Rec = n7_arm -> inspect(|r| assert!(r.value >= -1009));
        n8: Rec = n5 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        output n2: Rec;
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_14 = F14 => 2 n2_to, 3 n3_to, 4 n4_to, 6 n6_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F15 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = first(|r| r.value), a1: Vec<Rec> = top(2, by |r| (r.value, r.key)) } every 35 us keep forever;
        n2: Rec = n2_made -> map(|w| made(w.key, tick(w.at, 35), &[d(&w.a0), d(&w.a1)]));
        n3: Rec = n0 -> filter(|r| is_kept(r, 3));
        n4: Rec = n2 -> map(|r| changed(r, 3));
        n5: Rec = n3 -> filter(|r| is_kept(r, 4));
        n6: Rec = n4 -> filter_map(|r| is_kept(&r, 3).then(|| changed(r, 3)));
        n7: Rec = n7_arm -> inspect(|r| assert!(r.value >= -1009));
        n2 -> route { n7_arm: |r| r.value.rem_euclid(4) == 0, n8_arm: |r| r.value.rem_euclid(4) == 1 } else n9_arm;
        n8: Rec = n8_arm -> inspect(|r| assert!(r.value >= -1009));
        n9: Rec = n9_arm -> inspect(|r| assert!(r.value >= -1009));
        n10_made = n8 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = sum(|r| r.value), a1: i64 = fold(0, in_any_order, merge add), a2: i64 = Spread(|r| r.value) } every 28 us keep forever;
        n10: Rec = n10_made -> map(|w| made(w.key, tick(w.at, 28), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n11_made = n6 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = min(|r| r.value), a1: u64 = approx_distinct(|r| r.value) } every 21 us keep forever;
        n11: Rec = n11_made -> map(|w| made(w.key, tick(w.at, 21), &[d(&w.a0), d(&w.a1)]));
        output n1: Rec;
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n9: Rec;
        output n10: Rec;
        output n11: Rec;
    }
}

crate::runs! { run_15 = F15 => 1 n1_to, 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 9 n9_to, 10 n10_to, 11 n11_to, }

dataflow! {
    flow F16 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n3: Rec = n0 -> map(|r| changed(r, 3));
        n4: Rec = n3 -> map(|r| changed(r, 4));
        n5_made = n2 -> key_by(key: u8 = |r| r.key) -> hopping(17 us, every 9 us) -> aggregate { a0: i64 = last(|r| r.value) };
        n5: Rec = n5_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n6_made = n0 -> key_by(key: u8 = |r| r.key) -> session(10 us) allow 4 us -> aggregate { a0: Option<i64> = max(|r| r.value, where is_even), a1: i64 = first(|r| r.value) };
        n6: Rec = n6_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n7: Rec = n1 -> filter(|r| is_kept(r, 2));
        n8: Rec = n3 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, ordered, concurrency 5) else n9_failed;
        n9: Rec = n9_failed -> map(|failed| failed.record);
        n10: Rec = left -> filter(|_| true);
        n11: Rec = n11_arm -> inspect(|r| assert!(r.value >= -1009));
        n4 -> route { n11_arm: |r| r.value.rem_euclid(5) == 0, n12_arm: |r| r.value.rem_euclid(5) == 1 } else n13_arm;
        n12: Rec = n12_arm -> inspect(|r| assert!(r.value >= -1009));
        n13: Rec = n13_arm -> inspect(|r| assert!(r.value >= -1009));
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
        output n11: Rec;
        output n12: Rec;
        output n13: Rec;
    }
}

crate::runs! { run_16 = F16 => 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, 10 n10_to, 11 n11_to, 12 n12_to, 13 n13_to, }

dataflow! {
    flow F17 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 17)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n3_made = n2 -> key_by(key: u8 = |r| r.key) -> tumbling(10 us) -> aggregate { a0: Option<i64> = max(|r| r.value, where is_even) };
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n4: Rec = n3 -> map(|r| rekeyed(r, 3));
        n5: Rec = n4 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 27)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n6_made = n5 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: u64 = distinct(|r| r.value) } every 35 us keep forever;
        n6: Rec = n6_made -> map(|w| made(w.key, tick(w.at, 35), &[d(&w.a0)]));
        n7: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, unordered, concurrency 5) else n8_failed;
        n8: Rec = n8_failed -> map(|failed| failed.record);
        n9: Rec = Sums(records = n0).made -> event_time(|r| Timestamp(r.at));
        output n3: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_17 = F17 => 3 n3_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F18 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> latest keep forever;
        n3: Rec = n1 -> filter_map(|r| is_kept(&r, 4).then(|| changed(r, 4)));
        n4: Rec = left -> filter(|_| true);
        n5: Rec = n4 -> flat_map(halves);
        n6: Rec = n0 -> try_map(|r| if is_kept(&r, 4) { Ok(r) } else { Err(r) }) else n7_failed: Rec;
        n7: Rec = n7_failed -> filter(|_| true);
        n8: Rec = n6 -> event_time(|r| Timestamp(r.at), lateness 39 us);
        n9_right: Rec = n1 -> key_by(key: u8 = |r| r.key);
        n9: Rec = n3 -> key_by(key: u8 = |r| r.key) -> lookup(n9_right) keep 12 us -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n10: Rec = n8 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 10)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        output n2: Rec;
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_18 = F18 => 2 n2_to, 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F19 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n0 -> key_by(key: u8 = |r| r.key);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key) -> left_join(n2_right, until until) -> map(|(left, right)| paired(time_of(Some(&left), right.as_ref(), |r, left| if left { until(r).0.max(r.at) } else { r.at }), Some(&left), right.as_ref()));
        n3_made = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> count_window(4) -> aggregate { a0: Vec<i64> = collect(|r| r.value), a1: i64 = fold(0, in_any_order, merge add) } keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n4: Rec = n2 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, unordered, concurrency 5) else n5_failed;
        n5: Rec = n5_failed -> map(|failed| failed.record);
        n6: Rec = n1 -> try_map(|r| if is_kept(&r, 4) { Ok(r) } else { Err(r) }) else n7_failed: Rec;
        n7: Rec = n7_failed -> filter(|_| true);
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_19 = F19 => 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F20 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_right: Rec = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n2: Rec = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> lookup(n2_right) keep forever -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n3: Rec = n2 -> map(|r| later(r, 25)) -> event_time(|r| Timestamp(r.at));
        n4: Rec = n3 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n5_failed: Rec;
        n5: Rec = n5_failed -> filter(|_| true);
        n6: Rec = merge(n3, n4, n5);
        output n0: Rec;
        output n3: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_20 = F20 => 0 n0_to, 3 n3_to, 6 n6_to, }

dataflow! {
    flow F21 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = Sums(records = n1).made -> event_time(|r| Timestamp(r.at));
        n3: Rec = n2 -> filter(|r| is_kept(r, 3));
        n4_right: Rec = n1 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n4: Rec = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> session(9 us) -> full_join(n4_right) -> map(|(window, left, right)| paired(window.last(), left.as_ref(), right.as_ref()));
        n5: Rec = n0 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n6_failed: Rec;
        n6: Rec = n6_failed -> filter(|_| true);
        n7_made = n3 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = min(|r| r.value), a1: i64 = fold(0, in_any_order, merge add), a2: i64 = Spread(|r| r.value) } every 28 us keep forever;
        n7: Rec = n7_made -> map(|w| made(w.key, tick(w.at, 28), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
    }
}

crate::runs! { run_21 = F21 => 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, 7 n7_to, }

dataflow! {
    flow F22 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = left -> filter(|_| true);
        n3_made = n1 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = last(|r| r.value), a1: Vec<i64> = collect(|r| r.value, where is_even) } every 14 us keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, tick(w.at, 14), &[d(&w.a0), d(&w.a1)]));
        n4: Rec = n0 -> flat_map(halves);
        n5: Rec = n4 -> try_map(|r| if is_kept(&r, 5) { Ok(r) } else { Err(r) }) else n6_failed: Rec;
        n6: Rec = n6_failed -> filter(|_| true);
        n7: Rec = n3 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, ordered, concurrency 5) else n8_failed;
        n8: Rec = n8_failed -> map(|failed| failed.record);
        output n2: Rec;
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_22 = F22 => 2 n2_to, 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F23 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> map(|r| changed(r, 5));
        n3_made = n2 -> key_by(key: u8 = |r| r.key) -> session(11 us) -> aggregate { a0: Vec<Rec> = top(2, by |r| (r.value, r.key)) };
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n4: Rec = n0 -> map(|r| later(r, 10)) -> event_time(|r| Timestamp(r.at));
        n5: Rec = n3 -> try_map(|r| if is_kept(&r, 3) { Ok(r) } else { Err(r) }) else n6_failed: Rec;
        n6: Rec = n6_failed -> filter(|_| true);
        n7_made = n4 -> key_by(key: u8 = |r| r.key) -> hopping(23 us, every 9 us) -> aggregate { a0: Vec<i64> = collect(|r| r.value, where is_even) };
        n7: Rec = n7_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n8_right: Rec = n7 -> key_by(key: u8 = |r| r.key);
        n8: Rec = n5 -> key_by(key: u8 = |r| r.key) -> left_join(n8_right, within 1 us) -> map(|(left, right)| paired(time_of(Some(&left), right.as_ref(), |r, _| r.at + 1), Some(&left), right.as_ref()));
        n9: Rec = n8 -> try_map(|r| if is_kept(&r, 5) { Ok(r) } else { Err(r) }) else n10_failed: Rec;
        n10: Rec = n10_failed -> filter(|_| true);
        output n3: Rec;
        output n6: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_23 = F23 => 3 n3_to, 6 n6_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F24 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> filter(|r| is_kept(r, 5));
        n3: Rec = n2 -> flat_map(halves);
        n4: Rec = n0 -> map(|r| changed(r, 4));
        n5: Rec = n3 -> map(|r| changed(r, 5));
        n6: Rec = n5 -> filter(|r| is_kept(r, 3));
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_24 = F24 => 3 n3_to, 4 n4_to, 6 n6_to, }

dataflow! {
    flow F25 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> filter_map(|r| is_kept(&r, 3).then(|| changed(r, 3)));
        n3_made = n2 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> aggregate { at: i64 = max(|r| r.at), a0: u64 = distinct(|r| r.value), a1: u64 = count(), a2: u64 = distinct(|r| r.value) } every 28 us keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, tick(w.at, 28), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n3 -> route { n4_arm: |r| r.value.rem_euclid(2) == 0, n5_arm: |r| r.value.rem_euclid(2) == 1 } else n6_arm;
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n6: Rec = n6_arm -> inspect(|r| assert!(r.value >= -1009));
        n7: Rec = Sums(records = n1).made -> event_time(|r| Timestamp(r.at));
        n8: Rec = n7 -> map(|r| changed(r, 4));
        n9_made = n5 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: f64 = mean(|r| r.value), a1: u64 = count(where is_even), a2: u64 = count(where is_even) } every 35 us keep forever;
        n9: Rec = n9_made -> map(|w| made(w.key, tick(w.at, 35), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_25 = F25 => 3 n3_to, 4 n4_to, 6 n6_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F26 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n1 -> flat_map(halves);
        n3: Rec = left -> filter(|_| true);
        n4_right: Rec = n0 -> key_by(key: u8 = |r| r.key);
        n4: Rec = n0 -> key_by(key: u8 = |r| r.key) -> lookup(n4_right) keep 12 us -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n5: Rec = right -> filter(|_| true);
        n6_made = n2 -> key_by(key: u8 = |r| r.key) -> session(12 us) -> aggregate { a0: u64 = count(), a1: i64 = min(|r| r.value), a2: i64 = min(|r| r.value) };
        n6: Rec = n6_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n7: Rec = n6 -> flat_map(halves);
        n8: Rec = n4 -> filter(|r| is_kept(r, 5));
        n9: Rec = n8 -> map(|r| later(r, 20)) -> event_time(|r| Timestamp(r.at));
        n10: Rec = Sums(records = n0).made -> event_time(|r| Timestamp(r.at));
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_26 = F26 => 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F27 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map(|r| rekeyed(r, 4));
        n3_made = n1 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: u64 = distinct(|r| r.value), a1: i64 = min(|r| r.value) } every 28 us keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, tick(w.at, 28), &[d(&w.a0), d(&w.a1)]));
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n2 -> route { n4_arm: |r| r.value.rem_euclid(3) == 0, n5_arm: |r| r.value.rem_euclid(3) == 1 } else n6_arm;
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n6: Rec = n6_arm -> inspect(|r| assert!(r.value >= -1009));
        n7: Rec = Sums(records = n5).made -> event_time(|r| Timestamp(r.at));
        n8: Rec = n6 -> flat_map(halves);
        n9: Rec = n8 -> event_time(|r| Timestamp(r.at), lateness 40 us);
        n10: Rec = n7 -> map(|r| rekeyed(r, 3));
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_27 = F27 => 3 n3_to, 4 n4_to, 6 n6_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F28 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n2_arm -> inspect(|r| assert!(r.value >= -1009));
        n0 -> route { n2_arm: |r| r.value.rem_euclid(3) == 0, n3_arm: |r| r.value.rem_euclid(3) == 1 } else n4_arm;
        n3: Rec = n3_arm -> inspect(|r| assert!(r.value >= -1009));
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n5: Rec = n2 -> flat_map(halves);
        n6: Rec = n3 -> try_map(|r| if is_kept(&r, 3) { Ok(r) } else { Err(r) }) else n7_failed: Rec;
        n7: Rec = n7_failed -> filter(|_| true);
        n8_right: Rec = n6 -> key_by(key: u8 = |r| r.key);
        n8: Rec = n5 -> key_by(key: u8 = |r| r.key) -> left_join(n8_right, within 7 us) -> map(|(left, right)| paired(time_of(Some(&left), right.as_ref(), |r, _| r.at + 7), Some(&left), right.as_ref()));
        n9: Rec = merge(n1, n6);
        n10: Rec = n4 -> filter_map(|r| is_kept(&r, 2).then(|| changed(r, 2)));
        output n3: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_28 = F28 => 3 n3_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F29 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n3_failed: Rec;
        n3: Rec = n3_failed -> filter(|_| true);
        n4_made = n3 -> key_by(key: u8 = |r| r.key % 2) -> tumbling(40 us) -> top(3, by |r| (r.value, r.key));
        n4: Rec = n4_made -> flat_map(|w| ranked(w.window.last(), w.key, &w.top));
        n5: Rec = n2 -> map(|r| rekeyed(r, 2));
        n6: Rec = left -> filter(|_| true);
        n7: Rec = n5 -> try_map(|r| if is_kept(&r, 4) { Ok(r) } else { Err(r) }) else n8_failed: Rec;
        n8: Rec = n8_failed -> filter(|_| true);
        output n1: Rec;
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_29 = F29 => 1 n1_to, 3 n3_to, 4 n4_to, 6 n6_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F30 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, unordered, concurrency 5) else n3_failed;
        n3: Rec = n3_failed -> map(|failed| failed.record);
        n4_right: Rec = n3 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n4: Rec = n2 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> join(n4_right, keep forever) -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, _| r.at), Some(&left), Some(&right)));
        n5_made = n4 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> tumbling(47 us) -> fold(i64 = 0, in_any_order, merge add);
        n5: Rec = n5_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        n6: Rec = n1 -> flat_map(halves);
        n7: Rec = n7_arm -> inspect(|r| assert!(r.value >= -1009));
        n5 -> route { n7_arm: |r| r.value.rem_euclid(3) == 0, n8_arm: |r| r.value.rem_euclid(3) == 1 } else n9_arm;
        n8: Rec = n8_arm -> inspect(|r| assert!(r.value >= -1009));
        n9: Rec = n9_arm -> inspect(|r| assert!(r.value >= -1009));
        output n3: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
    }
}

crate::runs! { run_30 = F30 => 3 n3_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, }

dataflow! {
    flow F31 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = merge(n0, n1);
        n3: Rec = n2 -> map(|r| changed(r, 2));
        n4: Rec = right -> filter(|_| true);
        n5_made = n0 -> key_by(key: u8 = |r| r.key % 2) -> count_window(4) -> aggregate { a0: i64 = Spread(|r| r.value) } keep forever;
        n5: Rec = n5_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n6: Rec = n0 -> map(|r| changed(r, 2));
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_31 = F31 => 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, }

dataflow! {
    flow F32 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> map(|r| later(r, 25)) -> event_time(|r| Timestamp(r.at));
        n3: Rec = n0 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n4_right: Rec = n3 -> key_by(key: u8 = |r| r.key);
        n4: Rec = n2 -> key_by(key: u8 = |r| r.key) -> full_join(n4_right) keep 3 us -> map(|(left, right)| paired(time_of(left.as_ref(), right.as_ref(), |r, _| r.at + 3), left.as_ref(), right.as_ref()));
        n5: Rec = n2 -> filter(|r| is_kept(r, 2));
        n6: Rec = right -> filter(|_| true);
        n7: Rec = n4 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 5) { Ok(r) } else { Err("no") } }, unordered, concurrency 5) else n8_failed;
        n8: Rec = n8_failed -> map(|failed| failed.record);
        output n1: Rec;
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_32 = F32 => 1 n1_to, 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, }

dataflow! {
    flow F33 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> event_time(|r| Timestamp(r.at), lateness 40 us);
        n3: Rec = n3_arm -> inspect(|r| assert!(r.value >= -1009));
        n2 -> route { n3_arm: |r| r.value.rem_euclid(3) == 0, n4_arm: |r| r.value.rem_euclid(3) == 1 } else n5_arm;
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n6: Rec = n5 -> flat_map(halves);
        output n1: Rec;
        output n3: Rec;
        output n4: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_33 = F33 => 1 n1_to, 3 n3_to, 4 n4_to, 6 n6_to, }

dataflow! {
    flow F34 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> key_by(key: u8 = |r| r.key) -> tumbling(25 us) allow 5 us -> top(1, by |r| (r.value, r.key));
        n2: Rec = n2_made -> flat_map(|w| ranked(w.window.last(), w.key, &w.top));
        n3: Rec = n0 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n4: Rec = n3 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n5_made = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> count_window(3) -> aggregate { a0: u64 = count(), a1: f64 = mean(|r| r.value) } keep forever;
        n5: Rec = n5_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n6: Rec = merge(n0, n5);
        n7: Rec = n4 -> map(|r| changed(r, 3));
        n8_right: Rec = n7 -> key_by(key: u8 = |r| r.key, even: bool = is_even);
        n8: Rec = n2 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> lookup(n8_right) keep 30 us -> map(|(left, right)| paired(Timestamp(left.at), Some(&left), right.as_ref()));
        n9: Rec = merge(n2, n6, n8);
        n10: Rec = n0 -> map(|r| later(r, 20)) -> event_time(|r| Timestamp(r.at));
        n11: Rec = n10 -> map(|r| rekeyed(r, 5));
        output n3: Rec;
        output n6: Rec;
        output n9: Rec;
        output n11: Rec;
    }
}

crate::runs! { run_34 = F34 => 3 n3_to, 6 n6_to, 9 n9_to, 11 n11_to, }

dataflow! {
    flow F35 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> hopping(22 us, every 8 us) allow 3 us -> fold(i64 = 0, in_any_order, merge add);
        n2: Rec = n2_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        n3_right: Rec = n2 -> key_by(key: u8 = |r| r.key);
        n3: Rec = n2 -> key_by(key: u8 = |r| r.key) -> hopping(25 us, every 17 us) -> join(n3_right) -> map(|(window, left, right)| paired(window.last(), Some(&left), Some(&right)));
        n4: Rec = n1 -> filter(|r| is_kept(r, 5));
        n5: Rec = n1 -> map(|r| later(r, 20)) -> event_time(|r| Timestamp(r.at));
        n6_made = n3 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { a0: f64 = mean(|r| r.value) } keep forever;
        n6: Rec = n6_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0)]));
        n7_made = n4 -> tumbling(24 us) -> fold(i64 = 0, in_any_order, merge add);
        n7: Rec = n7_made -> map(|w| made(0, w.window.last(), &[w.value]));
        n8_made = n4 -> key_by(key: u8 = |r| r.key) -> count_window(2) -> aggregate { a0: Vec<Rec> = top(2, by |r| (r.value, r.key)), a1: i64 = last(|r| r.value) } keep forever;
        n8: Rec = n8_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1)]));
        n9: Rec = n4 -> try_map(|r| if is_kept(&r, 4) { Ok(r) } else { Err(r) }) else n10_failed: Rec;
        n10: Rec = n10_failed -> filter(|_| true);
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n7: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
    }
}

crate::runs! { run_35 = F35 => 3 n3_to, 5 n5_to, 6 n6_to, 7 n7_to, 8 n8_to, 9 n9_to, 10 n10_to, }

dataflow! {
    flow F36 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n1 -> key_by(key: u8 = |r| r.key) -> count_window(4) -> aggregate { a0: u64 = count(where is_even), a1: i64 = Spread(|r| r.value), a2: i64 = first(|r| r.value) } keep forever;
        n2: Rec = n2_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n3: Rec = n2 -> map_async(|r| async move { tokio::task::yield_now().await; if is_kept(&r, 3) { Ok(r) } else { Err("no") } }, unordered, concurrency 3) else n4_failed;
        n4: Rec = n4_failed -> map(|failed| failed.record);
        n5: Rec = n4 -> filter(|r| is_kept(r, 2));
        n6: Rec = Sums(records = n1).made -> event_time(|r| Timestamp(r.at));
        n7: Rec = n0 -> key_by(key: u8 = |r| r.key) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 18)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n8: Rec = n5 -> map(|r| changed(r, 3));
        n9: Rec = n7 -> map(|r| changed(r, 5));
        n10: Rec = right -> filter(|_| true);
        n11: Rec = n6 -> map(|r| changed(r, 5));
        output n3: Rec;
        output n6: Rec;
        output n8: Rec;
        output n9: Rec;
        output n10: Rec;
        output n11: Rec;
    }
}

crate::runs! { run_36 = F36 => 3 n3_to, 6 n6_to, 8 n8_to, 9 n9_to, 10 n10_to, 11 n11_to, }

dataflow! {
    flow F37 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n0 -> key_by(key: u8 = |r| r.key % 2) -> aggregate { a0: Option<i64> = max(|r| r.value, where is_even), a1: Vec<i64> = collect(|r| r.value, where is_even), a2: i64 = first(|r| r.value) } every 21 us keep 1000 us;
        n2: Rec = n2_made -> map(|w| made(w.key, Timestamp(0), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n3_made = n0 -> key_by(key: u8 = |r| r.key) -> count_window(4) -> aggregate { a0: u64 = approx_distinct(|r| r.value) } keep forever;
        n3: Rec = n3_made -> map(|w| made(w.key, w.window.last(), &[d(&w.a0)]));
        n4: Rec = n1 -> filter_map(|r| is_kept(&r, 2).then(|| changed(r, 2)));
        n5: Rec = n3 -> flat_map(halves);
        n6: Rec = n5 -> map(|r| rekeyed(r, 4));
        n7: Rec = n4 -> map(|r| rekeyed(r, 2));
        n8: Rec = n7 -> event_time(|r| Timestamp(r.at), lateness 37 us);
        n9_made = n1 -> key_by(key: u8 = |r| r.key % 2) -> count_window(2) -> fold(i64 = 0, in_any_order, merge add) keep forever;
        n9: Rec = n9_made -> map(|w| made(w.key, w.window.last(), &[w.value]));
        n10_right: Rec = n8 -> key_by(key: u8 = |r| r.key);
        n10: Rec = n1 -> key_by(key: u8 = |r| r.key) -> join(n10_right, keep forever) -> map(|(left, right)| paired(time_of(Some(&left), Some(&right), |r, _| r.at), Some(&left), Some(&right)));
        n11: Rec = merge(n1, n4, n6);
        output n2: Rec;
        output n3: Rec;
        output n6: Rec;
        output n9: Rec;
        output n10: Rec;
        output n11: Rec;
    }
}

crate::runs! { run_37 = F37 => 2 n2_to, 3 n3_to, 6 n6_to, 9 n9_to, 10 n10_to, 11 n11_to, }

dataflow! {
    flow F38 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2_made = n0 -> key_by(key: u8 = |r| r.key, even: bool = is_even) -> aggregate { at: i64 = max(|r| r.at), a0: Vec<i64> = collect(|r| r.value), a1: f64 = mean(|r| r.value), a2: Vec<Rec> = top(2, by |r| (r.value, r.key)) } every 21 us keep forever;
        n2: Rec = n2_made -> map(|w| made(w.key, tick(w.at, 21), &[d(&w.a0), d(&w.a1), d(&w.a2)]));
        n3: Rec = n3_arm -> inspect(|r| assert!(r.value >= -1009));
        n1 -> route { n3_arm: |r| r.value.rem_euclid(5) == 0, n4_arm: |r| r.value.rem_euclid(5) == 1 } else n5_arm;
        n4: Rec = n4_arm -> inspect(|r| assert!(r.value >= -1009));
        n5: Rec = n5_arm -> inspect(|r| assert!(r.value >= -1009));
        n6: Rec = left -> filter(|_| true);
        output n2: Rec;
        output n3: Rec;
        output n4: Rec;
        output n5: Rec;
        output n6: Rec;
    }
}

crate::runs! { run_38 = F38 => 2 n2_to, 3 n3_to, 4 n4_to, 5 n5_to, 6 n6_to, }

dataflow! {
    flow F39 {
        input left: Rec;
        input right: Rec;
        n0: Rec = left -> event_time(|r| Timestamp(r.at), lateness 20 us);
        n1: Rec = right -> event_time(|r| Timestamp(r.at), lateness 35 us);
        n2: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> stateful(Rec) { state { sum: i64 = 0 } keep forever; |state, r, out| { in_order(&mut state.sum, &r); out.emit(Rec { value: state.sum, ..r }) } };
        n3: Rec = Sums(records = n1).made -> event_time(|r| Timestamp(r.at));
        n4: Rec = n0 -> key_by(key: u8 = |r| r.key % 2) -> stateful(Rec) { state { seen: Vec<(i64, i64)> = Vec::new() } keep forever; |state, r, out| { state.seen.push((r.at, r.value)); out.set_timer(Timestamp(r.at + 16)) } on timer |state, at, out| { let key = *out.key(); out.emit(made(key, at, &[before(&state.seen, at)])) } };
        n5: Rec = n4 -> try_map(|r| if is_kept(&r, 2) { Ok(r) } else { Err(r) }) else n6_failed: Rec;
        n6: Rec = n6_failed -> filter(|_| true);
        n7: Rec = n6 -> filter_map(|r| is_kept(&r, 5).then(|| changed(r, 5)));
        n8_made = n7 -> key_by(key: u8 = |r| r.key) -> aggregate { at: i64 = max(|r| r.at), a0: i64 = Spread(|r| r.value), a1: u64 = count(where is_even) } every 28 us keep forever;
        n8: Rec = n8_made -> map(|w| made(w.key, tick(w.at, 28), &[d(&w.a0), d(&w.a1)]));
        output n2: Rec;
        output n3: Rec;
        output n5: Rec;
        output n6: Rec;
        output n8: Rec;
    }
}

crate::runs! { run_39 = F39 => 2 n2_to, 3 n3_to, 5 n5_to, 6 n6_to, 8 n8_to, }

pub(crate) const RUNS: &[crate::Run] = &[
    run_0,
    run_1,
    run_2,
    run_3,
    run_4,
    run_5,
    run_6,
    run_7,
    run_8,
    run_9,
    run_10,
    run_11,
    run_12,
    run_13,
    run_14,
    run_15,
    run_16,
    run_17,
    run_18,
    run_19,
    run_20,
    run_21,
    run_22,
    run_23,
    run_24,
    run_25,
    run_26,
    run_27,
    run_28,
    run_29,
    run_30,
    run_31,
    run_32,
    run_33,
    run_34,
    run_35,
    run_36,
    run_37,
    run_38,
    run_39,
];
