//! A panic in a callback ends the program, or leaves a lock poisoned for all calls to come.

use super::*;

#[test]
fn a_panic_of_one_call_does_not_touch_the_next() {
    let workers = rego::Workers::new(8);
    let builder = Engine::builder().executor(workers.clone());
    let site = build(builder, Policy::builder().max_attempts(2).initial_backoff(ms(1)));
    thread::scope(|scope| {
        let donated = workers.worker();
        scope.spawn(move || donated.run());
        for _ in 0..20 {
            let panic = std::panic::catch_unwind(|| {
                site.race(|_| -> Result<(), ()> {
                    std::panic::resume_unwind(Box::new("the operation's own"))
                })
            });
            let payload = panic.expect_err("it goes on at the caller");
            assert_eq!(payload.downcast_ref(), Some(&"the operation's own"));
            assert_eq!(site.race(|_| Ok::<_, io::Error>(7)).expect("the next call"), 7);
        }
        workers.close();
    });
    assert_eq!((site.in_flight(), site.abandoned()), (0, 0));
}
