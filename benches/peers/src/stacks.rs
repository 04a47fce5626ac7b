//! The whole call: rego's success path beside the stacks that other libraries are put together to.
//!
//! Every stack wraps the same operation. Async ones are polled once, which is all it takes.

use std::{
    future::{Ready, ready},
    hint::black_box,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use backon::{BlockingRetryable, ExponentialBuilder};
use failsafe::{CircuitBreaker, Config};
use hdrhistogram::Histogram;
use layered::{Execute, Service as _, Stack};
use rego_benches::{Lane, call_path::operation};
use seatbelt::{
    RecoveryInfo, ResilienceContext, breaker::Breaker, hedging::Hedging, retry::Retry,
    timeout::Timeout,
};
use tower::{
    Layer, Service,
    hedge::Hedge,
    retry::{
        Policy, Retry as TowerRetry,
        budget::{Budget, TpsBudget},
    },
    timeout::Timeout as TowerTimeout,
};
use tower_resilience::{circuitbreaker::CircuitBreakerLayer, hedge::HedgeLayer};

use crate::poll;

pub(crate) const SEATBELT_RETRY: &str = "seatbelt retry + breaker + timeout";
pub(crate) const SEATBELT_HEDGING: &str = "seatbelt hedging";
pub(crate) const SEATBELT_ALL: &str = "seatbelt retry + breaker + timeout + hedging";
pub(crate) const TOWER_RETRY: &str = "tower timeout + retry with budget";
pub(crate) const TOWER_HEDGE: &str = "tower hedge, armed";
pub(crate) const TOWER_ALL: &str = "tower timeout + retry with budget + hedge";
pub(crate) const RESILIENCE_HEDGE: &str = "tower-resilience hedge";
pub(crate) const RESILIENCE_ALL: &str = "tower-resilience breaker + hedge";
pub(crate) const BACKON: &str = "backon retry";
pub(crate) const FAILSAFE: &str = "failsafe breaker";
pub(crate) const BY_HAND: &str = "by hand: backon + failsafe + TpsBudget + hdrhistogram";

/// Every peer.
pub(crate) fn lanes() -> Vec<Lane> {
    let mut lanes = seatbelt();
    lanes.extend(tower());
    lanes.extend(tower_resilience());
    lanes.extend(by_hand());
    lanes
}

type Answer = Result<u64, String>;

async fn plain(request: u64) -> Answer {
    operation(request).map_err(|error| error.to_string())
}

fn seatbelt() -> Vec<Lane> {
    let runtime = poll::runtime();
    let _context = runtime.enter();
    let clock = tick::Clock::new_tokio();
    let context = ResilienceContext::<u64, Answer>::new(&clock);
    let retry = || {
        Retry::layer("retry", &context)
            .clone_input()
            .recovery_with(|answer: &Answer, _| recovery(answer))
    };
    let breaker = || {
        Breaker::layer("breaker", &context)
            .recovery_with(|answer: &Answer, _| recovery(answer))
            .rejected_input_error(|_, _| String::from("rejected"))
    };
    let timeout = || {
        Timeout::layer("timeout", &context)
            .timeout_error(|_| String::from("too late"))
            .timeout(Duration::from_millis(300))
    };
    let hedging = || {
        Hedging::layer("hedging", &context)
            .clone_input()
            .recovery_with(|answer: &Answer, _| recovery(answer))
            .hedging_delay(Duration::from_millis(100))
    };
    let retrying = (retry(), breaker(), timeout(), Execute::new(plain)).into_service();
    let hedged = (hedging(), Execute::new(plain)).into_service();
    let all = (retry(), breaker(), timeout(), hedging(), Execute::new(plain)).into_service();
    vec![
        lane(SEATBELT_RETRY, move |request| poll::now(retrying.execute(request))),
        lane(SEATBELT_HEDGING, move |request| poll::now(hedged.execute(request))),
        lane(SEATBELT_ALL, move |request| poll::now(all.execute(request))),
    ]
}

fn recovery(answer: &Answer) -> RecoveryInfo {
    if answer.is_ok() { RecoveryInfo::never() } else { RecoveryInfo::retry() }
}

fn tower() -> Vec<Lane> {
    let service = tower::service_fn(|request: u64| ready(operation(request)));
    let timeout = || TowerTimeout::new(service, Duration::from_millis(300));
    let retry = || TowerRetry::new(Budgeted::new(), timeout());
    let (mut retrying, mut hedged, mut all) = (retry(), hedge(service), hedge(retry()));
    // Latencies enough for its percentile, so that the hedge is armed.
    let runtime = poll::runtime();
    vec![
        async_lane(TOWER_RETRY, runtime, move |request| poll::now(retrying.call(request))),
        async_lane(TOWER_HEDGE, runtime, move |request| poll::now(hedged.call(request))),
        async_lane(TOWER_ALL, runtime, move |request| poll::now(all.call(request))),
    ]
}

fn hedge<S>(service: S) -> Hedge<S, Always>
where
    S: Service<u64> + Clone,
    S::Error: Into<tower::BoxError>,
{
    Hedge::new_with_mock_latencies(service, Always, 10, 0.95, Duration::from_secs(60), &[50; 100])
}

/// Hedges everything.
#[derive(Clone)]
struct Always;

impl tower::hedge::Policy<u64> for Always {
    fn clone_request(&self, request: &u64) -> Option<u64> {
        Some(*request)
    }

    fn can_retry(&self, _: &u64) -> bool {
        true
    }
}

/// Retries up to three times, as far as tower's budget goes.
#[derive(Clone)]
struct Budgeted {
    budget: Arc<TpsBudget>,
    left: u32,
}

impl Budgeted {
    fn new() -> Self {
        Self { budget: Arc::new(TpsBudget::new(Duration::from_secs(10), 1, 0.1)), left: 3 }
    }
}

impl<E> Policy<u64, u64, E> for Budgeted {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Self::Future> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        self.budget.withdraw().then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

fn tower_resilience() -> Vec<Lane> {
    let service = tower::service_fn(|request: u64| ready(operation(request).map_err(|_| Broken)));
    let hedge =
        HedgeLayer::builder().delay(Duration::from_millis(100)).max_hedged_attempts(2).build();
    let breaker = CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(100)
        .build()
        .expect("these are fine");
    let mut hedged = hedge.layer(service);
    let mut all = breaker.layer(hedge.layer(service));
    let runtime = poll::runtime();
    vec![
        async_lane(RESILIENCE_HEDGE, runtime, move |request| poll::now(hedged.call(request))),
        async_lane(RESILIENCE_ALL, runtime, move |request| poll::now(all.call(request))),
    ]
}

#[derive(Clone, Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad("broken")
    }
}

impl std::error::Error for Broken {}

fn by_hand() -> Vec<Lane> {
    let breaker = Config::new().build();
    let (guard, budget) = (Config::new().build(), TpsBudget::new(Duration::from_secs(10), 1, 0.1));
    let histogram = Mutex::new(Histogram::<u64>::new(2).expect("two digits"));
    vec![
        lane(BACKON, |request| (|| operation(request)).retry(ExponentialBuilder::default()).call()),
        lane(FAILSAFE, move |request| breaker.call(|| operation(request))),
        lane(BY_HAND, move |request| {
            let started = Instant::now();
            let call = || guard.call(|| operation(request));
            let may = |_: &_| budget.withdraw();
            let answer = call.retry(ExponentialBuilder::default()).when(may).call();
            if answer.is_ok() {
                budget.deposit();
                let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                histogram.lock().expect("nobody panics").saturating_record(nanos);
            }
            answer
        }),
    ]
}

fn lane<R>(name: &'static str, mut call: impl FnMut(u64) -> R + 'static) -> Lane {
    Lane::new(name, move |times| {
        for request in 0..times {
            let _ = black_box(call(request));
        }
    })
}

/// A lane whose futures find timers.
fn async_lane<R>(
    name: &'static str,
    runtime: &'static tokio::runtime::Runtime,
    mut call: impl FnMut(u64) -> R + 'static,
) -> Lane {
    Lane::new(name, move |times| {
        let _context = runtime.enter();
        for request in 0..times {
            let _ = black_box(call(request));
        }
    })
}
