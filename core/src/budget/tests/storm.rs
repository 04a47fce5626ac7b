//! Retry storms, in a tiny simulation: time is a number, every call is served at once.

use super::*;

/// A site with the default retry budget, calling at a steady pace.
struct Client {
    budget: BudgetState,
    health: Health,
    successes: u64,
    /// Of any attempt.
    answered: u64,
    attempts: u64,
    calls: u64,
    /// When it last reported, and the successes and calls of then.
    reported: (Nanos, u64, u64),
}

const EVERY: Nanos = Nanos::from_millis(100);
const RETRIES: u32 = 3;

impl Client {
    fn new(definition: &Budget) -> Self {
        Self {
            budget: new(definition),
            health: Health::new(),
            successes: 0,
            answered: 0,
            attempts: 0,
            calls: 0,
            reported: (ZERO, 0, 0),
        }
    }

    /// One call; whether any of its attempts succeeded.
    fn call(&mut self, now: Nanos, mut server: impl FnMut() -> bool) -> bool {
        self.calls += 1;
        self.attempts += 1;
        self.budget.begin(shard());
        if server() {
            self.successes += 1;
            self.answered += 1;
            self.budget.deposit(shard());
            return true;
        }
        self.health.failed();
        self.refresh_if_due(now);
        for _ in 0..RETRIES {
            let condition = || self.health.condition();
            if !self.budget.withdraw(shard(), 1, now, condition).is_allowed() {
                return false;
            }
            self.attempts += 1;
            if server() {
                self.answered += 1;
                return true;
            }
        }
        false
    }

    /// What a site does from time to time.
    fn refresh_if_due(&mut self, now: Nanos) {
        let (since, successes, calls) = self.reported;
        if now - since < EVERY {
            return;
        }
        let report = Report {
            since,
            answered: self.successes - successes,
            attempts: self.calls - calls,
            moved: false,
        };
        self.health.judge(self.successes, self.answered, now);
        self.budget.refresh(report, now);
        self.reported = (now, self.successes, self.calls);
    }

    fn extra(&self) -> u64 {
        self.attempts - self.calls
    }
}

/// `seconds` of `per_sec` calls.
fn run(
    client: &mut Client,
    from: Nanos,
    seconds: u64,
    per_sec: u64,
    mut server: impl FnMut() -> bool,
) {
    for call in 0..seconds * per_sec {
        let now = from + Nanos::from_nanos(call * 1_000_000_000 / per_sec);
        client.call(now, &mut server);
        assert!(client.extra() as f64 <= client.budget.bound(now), "the published bound");
        client.refresh_if_due(now);
    }
}

/// Load ≤ 1 + (ceiling + floor × time) / requests, where nothing ever succeeds.
#[test]
fn an_outage_from_the_start_makes_no_storm() {
    let mut client = Client::new(&ratio(0.1, 1.0, Funding::Successes));
    run(&mut client, ZERO, 60, 100, || false);
    assert_eq!(client.calls, 6_000);
    assert!(client.extra() <= 5 + 60, "ceiling and floor: {}", client.extra());
    assert_eq!(client.extra(), 5, "and the floor is shut while nothing succeeds");
}

#[test]
fn an_outage_after_good_times_spends_the_balance_and_no_more() {
    let mut client = Client::new(&ratio(0.1, 1.0, Funding::Successes));
    run(&mut client, ZERO, 60, 100, || true);
    assert_eq!(client.extra(), 0);
    run(&mut client, Nanos::from_secs(60), 60, 100, || false);
    assert!(
        client.extra() <= 100 + 2,
        "the cap, and a floor until it is known: {}",
        client.extra()
    );
    let before = client.extra();
    run(&mut client, Nanos::from_secs(120), 60, 100, || false);
    assert_eq!(client.extra(), before, "an outage funds nothing");
}

#[test]
fn funding_by_requests_keeps_a_storm_alive() {
    let mut client = Client::new(&ratio(0.1, 0.0, Funding::Requests));
    run(&mut client, ZERO, 60, 100, || false);
    let extra = client.extra();
    assert!((600..=605).contains(&extra), "a tenth of the requests, for ever: {extra}");
}

#[test]
fn three_layers_do_not_multiply() {
    let definition = ratio(0.1, 1.0, Funding::Successes);
    let mut layers: [Client; 3] = std::array::from_fn(|_| Client::new(&definition));
    let [top, middle, bottom] = &mut layers;
    let mut served = 0_u64;
    run(top, ZERO, 60, 100, || {
        let now = Nanos::from_millis(10 * served);
        middle.call(now, || {
            bottom.call(now, || {
                served += 1;
                false
            })
        })
    });
    let load = served as f64 / 6_000.0;
    assert!(load <= 1.01, "64 × without a budget: {load}");
}

#[test]
fn a_fleet_adds_up_to_its_clients() {
    let definition = ratio(0.1, 1.0, Funding::Successes);
    let extra: u64 = (0..28)
        .map(|_| {
            let mut client = Client::new(&definition);
            run(&mut client, ZERO, 20, 10, || true);
            run(&mut client, Nanos::from_secs(20), 30, 10, || false);
            client.extra()
        })
        .sum();
    // 280 requests a second for 30 s. A client's ceiling is a tenth of its 100 answers in 10 s.
    assert!(extra <= 28 * (10 + 2 + 2), "{extra} on top of 8,400");
}

#[test]
fn a_seldom_called_healthy_site_may_still_retry() {
    let mut client = Client::new(&ratio(0.1, 1.0, Funding::Successes));
    let mut attempt = 0_u64;
    // A call a second; every fifth first attempt fails, every retry succeeds.
    let mut succeeded = 0;
    for second in 0..1_000 {
        let mut first = true;
        let answered = client.call(Nanos::from_secs(second), || {
            attempt += 1;
            !std::mem::take(&mut first) || second % 5 != 0
        });
        succeeded += u64::from(answered);
    }
    assert_eq!(succeeded, 1_000, "a tenth of 800 answers alone would not pay for 200 retries");
}

#[test]
fn a_fifth_of_failures_is_retried_at_the_ratio() {
    let mut client = Client::new(&ratio(0.1, 0.0, Funding::Successes));
    let mut attempt = 0_u64;
    run(&mut client, ZERO, 100, 100, || {
        attempt += 1;
        !attempt.is_multiple_of(5)
    });
    let funded = client.successes as f64 * 0.1 + 5.0;
    assert!(client.extra() as f64 <= funded);
    assert!(client.extra() as f64 >= funded * 0.98, "{} of {funded}", client.extra());
}
