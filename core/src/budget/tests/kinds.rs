use super::*;

#[test]
fn unlimited_allows() {
    let budget = new(&Budget::Unlimited);
    assert_eq!(drain(&budget, 10_000), 10_000);
    assert_eq!(budget.grants(), 10_000);
    assert!(budget.available(ZERO).is_infinite() && budget.bound(ZERO).is_infinite());
}

#[test]
fn a_bucket_grants_burst_and_rate() {
    let budget = new(&Budget::TokenBucket { capacity: 3, refill_per_sec: 2.0 });
    assert_eq!(budget.available(ZERO), 3.0);
    assert_eq!(drain(&budget, 10), 3);
    assert!(pay(&budget, Nanos::from_millis(500)));
    assert_eq!((budget.grants(), budget.denials()), (4, 1));
    assert_eq!(budget.bound(Nanos::from_millis(500)), 4.0);
}

#[test]
fn a_ratio_starts_with_five() {
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    assert_eq!(budget.available(ZERO), 5.0);
    assert_eq!(drain(&budget, 100), 5);
    assert_eq!((budget.grants(), budget.denials(), budget.bound(ZERO)), (5, 1, 5.0));
}

#[test]
fn a_lower_cap_is_obeyed_from_the_start() {
    for cap in 0..5 {
        let definition = Budget::Ratio {
            ratio: 1.0,
            window: Duration::from_secs(10),
            cap,
            min_per_sec: 0.0,
            start: 5,
            funding: Funding::Successes,
        };
        let budget = new(&definition);
        budget.refresh(report(ZERO, 1_000_000), Nanos::from_secs(1));
        assert_eq!(drain(&budget, 100), cap as usize);
    }
}

#[test]
fn every_per_cent_pays_what_it_says() {
    for percent in 1..=100 {
        let budget = new(&ratio(f64::from(percent) / 100.0, 0.0, Funding::Successes));
        let started = drain(&budget, 100);
        let granted: usize = (0..10)
            .map(|_| {
                answers(&budget, 100);
                drain(&budget, 200)
            })
            .sum();
        // At the ceiling of 5 a hundred answers pay for no more than what was moved in time.
        let most = percent as usize * 10;
        assert!(granted <= most, "{percent} %: {granted}");
        assert!(started == 5 && granted >= most.min(50), "{percent} %: {granted}");
    }
}

#[test]
fn fifty_one_to_ninety_nine_per_cent_are_not_a_hundred() {
    for percent in 51..=99 {
        let budget = new(&ratio(f64::from(percent) / 100.0, 0.0, Funding::Successes));
        drain(&budget, 5);
        let granted = (0..1_000)
            .filter(|_| {
                answers(&budget, 1);
                pay(&budget, ZERO)
            })
            .count();
        assert_eq!(granted, percent as usize * 10, "of 1,000 answers");
    }
}

#[test]
fn each_is_paid_by_its_own_event() {
    let by_success = new(&ratio(1.0, 0.0, Funding::Successes));
    let by_request = new(&ratio(1.0, 0.0, Funding::Requests));
    for budget in [&by_success, &by_request] {
        drain(budget, 100);
        (0..3).for_each(|_| budget.begin(shard()));
        answers(budget, 2);
        budget.later_success();
        budget.failure();
        budget.end();
    }
    assert_eq!(drain(&by_success, 100), 2);
    assert_eq!(drain(&by_request, 100), 3);
}

#[test]
fn the_ceiling_follows_the_answers_of_the_window() {
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    answers(&budget, 10_000);
    assert_eq!(budget.available(ZERO), 5.0, "nothing is known of the traffic yet");
    budget.refresh(report(ZERO, 400), Nanos::from_secs(1));
    answers(&budget, 10_000);
    assert!((40.0..41.0).contains(&budget.available(ZERO)), "a tenth of 400");
    budget.refresh(report(Nanos::from_secs(1), 1_000_000), Nanos::from_secs(2));
    answers(&budget, 10_000);
    assert!((100.0..102.0).contains(&budget.available(ZERO)), "the cap");
    budget.refresh(report(Nanos::from_secs(2), 0), Nanos::from_secs(13));
    assert!((5.0..6.0).contains(&budget.available(ZERO)), "cut when the traffic is gone");
    assert!(budget.grants() as f64 <= budget.bound(ZERO));
}

#[test]
fn a_site_that_is_known_to_be_called_seldom_saves_up_the_retries_of_one_call() {
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    let second = |from: u64| {
        budget.refresh(report(Nanos::from_secs(from), 1), Nanos::from_secs(from + 1));
        budget.available(ZERO)
    };
    // It is idle before.
    assert!((60..69).all(|from| second(from) == 5.0), "that is not known yet");
    assert_eq!(second(69), 2.0);
    // An attempt that costs more can be saved up for.
    assert!(!budget.withdraw(shard(), 4, ZERO, || Condition::Well).is_allowed());
    assert!(second(70) < 2.2, "and for no more than was paid in");
    answers(&budget, 100);
    assert!(budget.withdraw(shard(), 4, ZERO, || Condition::Well).is_allowed());
}

#[test]
fn two_sites_share_a_ceiling() {
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    for second in 0..5 {
        let (since, now) = (Nanos::from_secs(second), Nanos::from_secs(second + 1));
        budget.refresh(report(since, 100), now);
        budget.refresh(report(since, 60), now);
    }
    answers(&budget, 10_000);
    assert!((80.0..82.0).contains(&budget.available(ZERO)), "a tenth of 800");
}

#[test]
fn a_hedge_budget_is_paid_on_refresh_alone() {
    let definition = Budget::Ratio {
        ratio: 0.05,
        window: Duration::from_secs(10),
        cap: 10,
        min_per_sec: 0.0,
        start: 5,
        funding: Funding::Requests,
    };
    let budget = BudgetState::new("hedge", &definition, Deposits::OnRefresh, ZERO);
    drain(&budget, 5);
    (0..10_000).for_each(|_| budget.begin(shard()));
    answers(&budget, 10_000);
    assert_eq!(drain(&budget, 10), 0);
    let report = Report { since: ZERO, answered: 0, attempts: 100, moved: false };
    budget.refresh(report, Nanos::from_millis(250));
    assert_eq!(drain(&budget, 100), 5, "first attempts pay, answered or not");
}

/// Ten thousand calls a second, a report every quarter: 125 hedges each time, far above the cap.
#[test]
fn a_busy_site_gets_all_the_hedges_its_load_allows() {
    let definition = Budget::Ratio {
        ratio: 0.05,
        window: Duration::from_secs(10),
        cap: 10,
        min_per_sec: 0.0,
        start: 5,
        funding: Funding::Requests,
    };
    let budget = BudgetState::new("hedge", &definition, Deposits::OnRefresh, ZERO);
    drain(&budget, 5);
    let quarter = Nanos::from_millis(250);
    let mut now = ZERO;
    for _ in 0..100 {
        budget.refresh(report(now, 2_500), now + quarter);
        now = now + quarter;
        assert_eq!(drain(&budget, 1_000), 125);
    }
    budget.refresh(report(now, 36_000_000), now + Nanos::from_secs(3_600));
    assert_eq!(drain(&budget, 10_000), 500, "an hour's silence is worth a second");
}

#[test]
fn the_floor_grants_while_healthy() {
    let budget = new(&ratio(0.1, 2.0, Funding::Successes));
    assert_eq!(drain(&budget, 100), 5, "it starts empty");
    let at = Nanos::from_millis(500);
    assert!(!budget.withdraw(shard(), 1, at, || Condition::Unwell).is_allowed());
    assert!(budget.withdraw(shard(), 1, at, || Condition::Well).is_allowed());
    assert!(
        !budget.withdraw(shard(), 1, at, || panic!("there is nothing to ask for")).is_allowed()
    );
    let later = Nanos::from_secs(3_600);
    let saved = (0..100).take_while(|_| pay(&budget, later)).count();
    assert_eq!(saved, 2, "a second's worth");
    assert!(budget.grants() as f64 <= budget.bound(later));
}

#[test]
fn what_successes_paid_in_is_not_spent_while_nothing_succeeds() {
    let budget = new(&ratio(0.1, 1.0, Funding::Successes));
    let at = Nanos::from_secs(9);
    assert!(!budget.withdraw(shard(), 1, at, || Condition::Silent).is_allowed());
    assert_eq!(budget.available(at), 5.0, "and it is kept");
    assert!(budget.withdraw(shard(), 1, at, || Condition::Unwell).is_allowed());
}

#[test]
fn health_is_not_asked_while_requests_have_paid_in() {
    let budget = new(&ratio(0.1, 1.0, Funding::Requests));
    let unasked = || panic!("health is for the floor");
    for _ in 0..5 {
        assert!(budget.withdraw(shard(), 1, Nanos::from_secs(9), unasked).is_allowed());
    }
}

#[test]
fn every_cost_is_paid_in_full() {
    for cost in 1..=1_000_u32 {
        let budget = new(&ratio(1.0, 0.0, Funding::Successes));
        budget.refresh(report(ZERO, 1_000_000), Nanos::from_secs(1));
        answers(&budget, 200);
        let left = budget.available(ZERO);
        let granted = (0..1_000)
            .take_while(|_| budget.withdraw(shard(), cost, ZERO, || Condition::Well).is_allowed())
            .count() as f64;
        assert!(granted * f64::from(cost) <= left, "{cost}");
        assert_eq!(budget.available(ZERO), left - granted * f64::from(cost), "{cost}");
        assert!(granted >= (f64::from(100 / cost)), "{cost}: {granted}");
    }
}

#[test]
fn numbers_out_of_all_range_are_survived() {
    for wild in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
        let definition = Budget::Ratio {
            ratio: wild,
            window: Duration::MAX,
            cap: u32::MAX,
            min_per_sec: wild,
            start: 5,
            funding: Funding::Successes,
        };
        let budget = new(&definition);
        answers(&budget, 10);
        budget.refresh(report(ZERO, u64::MAX), Nanos::NEVER);
        answers(&budget, 10);
        budget.refresh(report(Nanos::NEVER, u64::MAX), ZERO);
        assert!(budget.withdraw(shard(), 2, ZERO, || Condition::Well).is_allowed(), "{wild}");
        let granted = drain(&budget, 1_000) as f64 + 2.0;
        assert!(granted <= budget.bound(Nanos::NEVER), "{wild}");
    }
}

#[test]
fn in_flight_allows_a_share_of_the_calls_or_the_least() {
    let budget = new(&Budget::InFlight { ratio: 0.29, min: 2 });
    let reserve = || budget.reserve(shard()).is_allowed();
    assert_eq!((0..10).take_while(|_| reserve()).count(), 2);
    (0..100).for_each(|_| budget.begin(shard()));
    assert_eq!((0..100).take_while(|_| reserve()).count(), 27, "29 in all, no more, no less");
    (0..100).for_each(|_| budget.end());
    assert!(!reserve());
    (0..28).for_each(|_| budget.release());
    assert!(reserve());
    assert!(!reserve());
    assert_eq!((budget.grants(), budget.denials()), (30, 4));
    assert!(pay(&budget, ZERO), "there is nothing to pay");
    assert_eq!(budget.grants(), 30);
}

#[test]
fn concurrency_allows_so_many_at_once() {
    let budget = new(&Budget::Concurrency { max: 3 });
    (0..100).for_each(|_| budget.begin(shard()));
    assert_eq!((0..10).take_while(|_| budget.reserve(shard()).is_allowed()).count(), 3);
    assert_eq!(budget.available(ZERO), 0.0);
    budget.release();
    assert_eq!(budget.available(ZERO), 1.0);
    assert!(budget.reserve(shard()).is_allowed());
    assert!(budget.bound(ZERO).is_infinite());
}

#[test]
fn what_is_paid_needs_no_place() {
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    assert_eq!((0..100).take_while(|_| budget.reserve(shard()).is_allowed()).count(), 100);
    budget.release();
    assert_eq!((budget.grants(), budget.available(ZERO)), (0, 5.0));
}

#[test]
fn a_throttle_allows_above_half() {
    let budget = new(&Budget::Throttle { max_tokens: 10, token_ratio: 0.1 });
    (0..4).for_each(|_| budget.failure());
    assert!(pay(&budget, ZERO), "6 of 10");
    budget.failure();
    assert!(!pay(&budget, ZERO), "exactly half is not above it");
    answers(&budget, 1);
    assert!(pay(&budget, ZERO), "5.1");
    (0..1_000).for_each(|_| budget.failure());
    answers(&budget, 49);
    budget.later_success();
    assert!(!pay(&budget, ZERO), "it does not go below 0; 50 successes are 5");
    budget.later_success();
    assert!(pay(&budget, ZERO));
    answers(&budget, 1_000);
    (0..5).for_each(|_| budget.failure());
    assert!(!pay(&budget, ZERO), "it does not go above 10");
}

#[test]
fn a_reload_keeps_the_balance_of_its_kind() {
    let budget = new(&ratio(0.1, 0.0, Funding::Successes));
    assert_eq!(drain(&budget, 3), 3);
    let other = ratio(0.5, 1.0, Funding::Requests);
    assert!(budget.reconfigure(&other, ZERO));
    assert_eq!((budget.name(), budget.definition()), ("test", other));
    assert_eq!(drain(&budget, 100), 2);
    (0..2).for_each(|_| budget.begin(shard()));
    answers(&budget, 100);
    assert_eq!(drain(&budget, 100), 1, "requests pay now, a half each");
    assert!(pay(&budget, Nanos::from_secs(1)), "the new floor");

    let bucket = new(&Budget::TokenBucket { capacity: 10, refill_per_sec: 0.0 });
    assert_eq!(drain(&bucket, 7), 7);
    let larger = Budget::TokenBucket { capacity: 100, refill_per_sec: 1.0 };
    assert!(bucket.reconfigure(&larger, ZERO));
    assert_eq!(drain(&bucket, 100), 3);
    assert!(bucket.grants() as f64 <= bucket.bound(ZERO));

    let places = new(&Budget::Concurrency { max: 3 });
    (0..3).for_each(|_| assert!(places.reserve(shard()).is_allowed()));
    assert!(places.reconfigure(&Budget::Concurrency { max: 2 }, ZERO));
    places.release();
    assert!(!places.reserve(shard()).is_allowed(), "two are still there");
    places.release();
    assert!(places.reserve(shard()).is_allowed());

    let throttle = new(&Budget::Throttle { max_tokens: 10, token_ratio: 0.1 });
    (0..7).for_each(|_| throttle.failure());
    assert!(throttle.reconfigure(&Budget::Throttle { max_tokens: 5, token_ratio: 0.1 }, ZERO));
    assert!(pay(&throttle, ZERO), "3 of 5");
}

#[test]
fn a_reload_of_another_kind_changes_nothing() {
    let kinds = [
        Budget::Unlimited,
        Budget::TokenBucket { capacity: 1, refill_per_sec: 1.0 },
        ratio(0.1, 1.0, Funding::Successes),
        Budget::InFlight { ratio: 0.1, min: 1 },
        Budget::Concurrency { max: 1 },
        Budget::Throttle { max_tokens: 1, token_ratio: 0.1 },
    ];
    for from in &kinds {
        let budget = new(from);
        for to in &kinds {
            assert_eq!(budget.reconfigure(to, ZERO), from == to);
            assert_eq!(budget.definition(), *from);
        }
    }
}
