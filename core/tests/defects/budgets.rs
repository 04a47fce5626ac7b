//! Budgets: 51 to 99 % mean 100 %; two threads pass one check; a refund lifts the balance over its
//! cap.

use super::*;

#[test]
fn three_quarters_are_not_the_whole() {
    const EACH: u32 = 1_000;
    let (builder, clock) = testing::engine();
    let budget = Budget::ratio(0.75).min_per_sec(0.0).cap(1_000);
    let policy = Policy::builder().max_attempts(2).retry_budget("b").initial_backoff(ms(1));
    let site = build(builder.budget("b", budget), policy);
    let mut extra = 0;
    for _ in 0..EACH {
        clock.advance(Nanos::from_millis(1));
        assert!(site.run(|_| Ok::<_, io::Error>(())).is_ok());
        let _ = site.run(|attempt| {
            extra += u32::from(attempt.number() > 0);
            Err::<(), _>("down")
        });
    }
    // The start of 5 besides.
    let bound = EACH * 75 / 100 + 5;
    assert!(extra <= bound, "{extra} extra attempts for {EACH} successes at 75 %");
    assert!(extra > bound - 50, "{extra} extra attempts: a budget that is there is spent");
}

#[test]
fn concurrent_retries_are_never_more_than_the_reservation_allows() {
    let most = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let builder = Engine::builder().budget("two", Budget::concurrency(2));
    let policy = Policy::builder()
        .max_attempts(3)
        .retry_budget("two")
        .initial_backoff(Duration::from_micros(10))
        .max_backoff(Duration::from_micros(10));
    let site = build(builder, policy);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let _ = site.run(|attempt| {
                        if attempt.number() > 0 {
                            let now = most.0.fetch_add(1, Ordering::SeqCst) + 1;
                            most.1.fetch_max(now, Ordering::SeqCst);
                            thread::yield_now();
                            most.0.fetch_sub(1, Ordering::SeqCst);
                        }
                        Err::<(), _>("down")
                    });
                }
            });
        }
    });
    let most = most.1.load(Ordering::SeqCst);
    assert!((1..=2).contains(&most), "{most} retries at once");
}
