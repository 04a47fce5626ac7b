//! Rego beside other libraries, in one process: `rego-peers [goals] [--json] [--writes N]`.
//!
//! All lanes of a group are measured in turn, and what is compared are ratios within a turn.
//! Without `goals` every figure of every lane is printed, with it the goals alone.

mod allocations;
mod exact;
mod lateness;
mod outstanding;
mod parts;
mod poll;
mod stacks;
mod timers;
mod virtual_time;

use rego_benches::{
    Group, Measured, Row, TURNS, call_path, contention, race, table, timers as wheel, to_json,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let writes = arguments.iter().skip_while(|argument| *argument != "--writes").nth(1);
    let mut rows = all(writes.and_then(|count| count.parse().ok()));
    if has("goals") {
        // For people, what a goal is to be compared with as well.
        rows.retain(|row| row.bound.is_some() || !has("--json") && row.id != "lane");
    }
    if has("--json") {
        println!("{}", to_json(&rows));
        return;
    }
    for Row { id, what, value, bound } in &rows {
        let (bound, ok) = bound.map_or((String::new(), ""), |bound| {
            (format!("≤ {bound:.3}"), if *value <= bound { "ok" } else { "MISSED" })
        });
        println!("{id:<5} {value:>12.3} {bound:<11} {ok:<6} {what}");
    }
}

/// Every figure, in the order of the goals. `writes` is how many shared words a success changed
/// when it was counted, which takes another build.
fn all(writes: Option<f64>) -> Vec<Row> {
    let mut rows = allocations::rows();
    rows.extend(measured(&(success_path as fn() -> Group)));
    rows.extend(race::GROUPS.iter().flat_map(measured));
    let counted = |writes| Row::goal("G4", "shared words that a success changes", writes, 1.0);
    rows.extend(writes.map(counted));
    rows.extend(measured(&contention::GROUPS[0]));
    let groups: [fn() -> Group; 5] =
        [parts::paying, parts::recording, timers::hot, timers::a_million, timers::expiry];
    rows.extend(groups.iter().flat_map(measured));
    eprintln!("… lateness, virtual time, conservation");
    rows.extend(lateness::of_waits());
    rows.extend(virtual_time::rows());
    rows.extend(exact::conservation(100_000_000));
    rows.extend(measured(&(outstanding::group as fn() -> Group)));
    rows.extend(wheel::lateness());
    rows.extend(lateness::of_timers());
    rows
}

/// A group is made when its turn comes, so that nothing of the others is about.
fn measured(group: &fn() -> Group) -> Vec<Row> {
    let group = group();
    eprintln!("… {}", group.name);
    table(group)
}

fn success_path() -> Group {
    let mut lanes = call_path::lanes();
    lanes.push(race::armed());
    lanes.extend(stacks::lanes());
    Group { name: "success path", lanes, rows: beside_peers, turns: TURNS }
}

fn beside_peers(measured: &Measured) -> Vec<Row> {
    let mut rows = call_path::goals(measured);
    let mut beside = |id, lane: &str, peer: &str, bound: Option<f64>| {
        let what = format!("{lane} / {peer}");
        rows.push(Row { id, what, value: measured.ratio(lane, peer), bound });
    };
    let run = call_path::RUN_TSC;
    beside("G3a", run, stacks::SEATBELT_RETRY, Some(1.0 / 2.5));
    for peer in [stacks::SEATBELT_ALL, stacks::TOWER_ALL, stacks::RESILIENCE_ALL] {
        beside("G3b", run, peer, Some(1.0 / 6.0));
        // Fairer still: rego with its hedge armed, too.
        beside("lane", race::ARMED, peer, None);
    }
    beside("G3c", run, stacks::BY_HAND, Some(1.0 / 4.0));
    rows
}
