use super::*;
use crate::{Arrivals, Span};

const QUEUES: &str = r#"
    duration = "20s"
    warm_up = "5s"
    arrivals = { rate = 800.0 }
    [service]
    servers = 10
    times = { dist = "lognormal", mean = "5ms", sd = "2ms" }
    stragglers = [{ probability = 0.02, factor = 20.0 }]
"#;

const HEDGED: &str = r#"
    schema = 1
    [defaults]
    idempotent = true
    [defaults.retry]
    attempt_timeout = "500ms"
    [defaults.hedge]
    enabled = true
    trigger = { load = 0.05 }
"#;

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).expect("well-formed")
}

fn hedged() -> Lane {
    Lane::toml("hedged", HEDGED).expect("well-formed")
}

fn run(lane: &Lane, scenario: &Scenario, seed: u64) -> Outcome {
    lane.run(scenario, seed).expect("well-formed")
}

/// All of an outcome that can be told apart.
fn print(outcome: &Outcome) -> String {
    format!("{outcome:?}")
}

#[test]
fn the_same_seed_gives_the_same_outcome_and_another_seed_another() {
    let scenario = scenario(QUEUES);
    let one = print(&run(&hedged(), &scenario, 7));
    assert_eq!(one, print(&run(&hedged(), &scenario, 7)));
    assert_ne!(one, print(&run(&hedged(), &scenario, 8)));
}

#[test]
fn every_lane_has_the_same_luck() {
    let mut scenario = scenario(QUEUES);
    scenario.service.queue = crate::Queue::None;
    let plain = run(&Lane::no_policy(), &scenario, 3);
    let never = HEDGED.replace("{ load = 0.05 }", "\"fixed\"");
    let never = Lane::toml("never", &(never + "delay = \"20s\"\nmax_delay = \"20s\"\n"));
    let never = run(&never.expect("well-formed"), &scenario, 3);
    assert_eq!(plain.latency, never.latency);
}

/// A single queue of Poisson arrivals and memoryless service: the mean time in it is
/// 1 / (capacity - rate), whoever is served first.
#[test]
fn queues_take_as_long_as_theory_says() {
    let mut queue = scenario(
        r#"
        duration = "2000s"
        warm_up = "100s"
        arrivals = { rate = 70.0 }
        [service]
        times = { dist = "exponential", mean = "10ms" }
        "#,
    );
    for kind in [crate::Queue::Fifo, crate::Queue::Shared] {
        queue.service.queue = kind;
        let outcome = run(&Lane::no_policy(), &queue, 1);
        let mean = outcome.latency.mean() / 1e6;
        assert!((mean / (1_000.0 / 30.0) - 1.0).abs() < 0.06, "{kind:?}: {mean} ms");
        assert!((outcome.utilisation() - 0.7).abs() < 0.02, "{}", outcome.utilisation());
    }
}

#[test]
fn a_worker_waits_for_its_answer() {
    let mut closed = scenario(QUEUES);
    closed.arrivals = Arrivals { workers: Some(20), requests: Some(5_000), ..Arrivals::default() };
    closed.warm_up = Span::default();
    let outcome = run(&Lane::no_policy(), &closed, 1);
    assert_eq!((outcome.calls, outcome.good), (5_000, 5_000));
    // Twenty at ten servers, each of which has two on average: some have none.
    assert!((0.5..0.9).contains(&outcome.utilisation()), "{}", outcome.utilisation());
}

#[test]
fn a_request_is_as_slow_as_the_slowest_of_its_calls() {
    let mut wide = scenario(QUEUES);
    wide.fan_out = 100;
    wide.arrivals.rate = Some(20.0);
    wide.service.queue = crate::Queue::None;
    let outcome = run(&Lane::no_policy(), &wide, 1);
    assert_eq!(outcome.calls, 100 * outcome.requests.len());
    // One in fifty is slow: hardly a request of a hundred calls is without one.
    assert!(outcome.request_quantile(0.5) > outcome.quantile(0.97));
}

#[test]
fn what_is_given_up_leaves_its_server_or_wastes_it() {
    let mut queues = scenario(QUEUES);
    let gone = run(&hedged(), &queues, 2);
    queues.service.cancel = false;
    let stays = run(&hedged(), &queues, 2);
    assert!(gone.hedges > 100 && gone.won_by_hedge > 50);
    assert!(stays.wasted > gone.wasted, "{} {}", stays.wasted, gone.wasted);
}

#[test]
fn outages_fail_lose_or_delay_what_arrives() {
    let faulty = |fault: &str| {
        let text = format!("{QUEUES}\n[[faults]]\nfrom = \"10s\"\nto = \"12s\"\nkind = {fault}\n");
        run(&Lane::no_policy(), &scenario(&text), 1)
    };
    let errors = faulty("\"errors\"");
    assert!((errors.success() - 13.0 / 15.0).abs() < 0.01, "{}", errors.success());
    let lost = faulty("\"lost\"");
    assert!((lost.success() - 13.0 / 15.0).abs() < 0.01, "{}", lost.success());
    assert_eq!(lost.late, lost.calls - lost.good);
    let stopped = faulty("\"stopped\"");
    assert_eq!(stopped.good, stopped.calls);
    assert!(stopped.quantile(0.99) > Nanos::from_secs(1));
    let slow = faulty("\"slow\"\nfactor = 3.0");
    assert!(slow.quantile(0.95) > errors.quantile(0.95).mul_f64(2.0));
}

#[test]
fn an_expired_attempt_is_not_begun_where_servers_drop_it() {
    let text = |drop: bool| {
        format!(
            r#"
            duration = "60s"
            deadline = "1s"
            arrivals = {{ rate = 280.0 }}
            [service]
            times = {{ dist = "constant", value = "3333us" }}
            cancel = false
            drop_expired = {drop}
            [[faults]]
            kind = "stopped"
            from = "10s"
            to = "20s"
            "#
        )
    };
    let dropped = run(&Lane::no_policy(), &scenario(&text(true)), 1);
    let served = run(&Lane::no_policy(), &scenario(&text(false)), 1);
    assert!(dropped.series[25].good > 250 && served.series[25].good == 0);
}

#[test]
fn services_behind_are_called_with_what_is_left_of_the_deadline() {
    let behind = r#"
        duration = "20s"
        deadline = "100ms"
        arrivals = { rate = 50.0 }
        [service]
        times = { dist = "constant", value = "2ms" }
        [[behind]]
        servers = 4
        times = { dist = "constant", value = "3ms" }
        [[behind]]
        servers = 4
        times = { dist = "constant", value = "4ms" }
    "#;
    let well = run(&Lane::no_policy(), &scenario(behind), 1);
    assert_eq!(well.good, well.calls);
    assert!(well.quantile(0.1) >= Nanos::from_millis(9));
    let lost = format!("{behind}\n[[faults]]\nkind = \"lost\"\nlayer = 2\nshare = 0.5\n");
    let lost = run(&Lane::no_policy(), &scenario(&lost), 1);
    assert!((lost.success() - 0.5).abs() < 0.06, "{}", lost.success());
    assert_eq!(lost.late, lost.calls - lost.good);
    let failing = format!("{behind}failures = 0.3\n");
    let failing = run(&hedged(), &scenario(&failing), 1);
    assert!(failing.retries > 0 && failing.load() <= 1.12);
}

/// The engine's own figures are those that its world has counted.
#[test]
fn the_engine_counts_what_its_world_counts() {
    let scenario = scenario(&QUEUES.replace("warm_up = \"5s\"", ""));
    let world = World::new(&scenario, &hedged(), 5).expect("well-formed");
    let mut metrics = String::new();
    let outcome = world.run_and(|world| {
        let Client::Rego(rego) = &world.layers[0].clients[0] else { panic!("an engine") };
        metrics = rego.metrics();
    });
    let value = |name: &str| -> u64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines
            .map(|line| {
                line.rsplit(' ')
                    .next()
                    .and_then(|text| text.parse::<f64>().ok())
                    .unwrap_or_else(|| panic!("{line}")) as u64
            })
            .sum()
    };
    assert_eq!(value("rego_calls_total{"), outcome.calls, "{metrics}");
    assert_eq!(value("rego_attempts_total{"), outcome.attempts);
    assert!(outcome.hedges > 500);
}
