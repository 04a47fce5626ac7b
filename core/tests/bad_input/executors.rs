use super::*;

/// Runs a race on a thread of its own and gives up on it after a while: what hangs fails.
fn race_in_time<T: Send + 'static>(race: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(race()));
    told.recv_timeout(Duration::from_secs(60)).expect("the call hangs, or panicked")
}

#[test]
fn one_that_panics_refuses() {
    let calls = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&calls);
    let executor = move |task: Task| {
        // The first attempt goes to a thread of its own; launching the next one panics there.
        if seen.fetch_add(1, Ordering::SeqCst) > 0 {
            resume_unwind(Box::new("a bad executor"));
        }
        testing::threads(task)
    };
    let engine = build(Engine::builder().policy("svc.Get", policy()).executor(executor));
    let answer = race_in_time(move || {
        let caller = thread::current().id();
        engine.race("svc.Get", move |attempt| match attempt.number() {
            0 => Err("retried"),
            _ => Ok(thread::current().id() == caller),
        })
    });
    assert_eq!(answer, Ok(true), "the refused retry ran on its caller's thread");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn one_that_loses_tasks_costs_the_call_its_deadline_and_no_more() {
    // Kept where nobody looks: forgotten, it would be memory that nothing points to.
    static LOST: Mutex<Vec<Task>> = Mutex::new(Vec::new());
    let lose = |task: Task| {
        LOST.lock().unwrap().push(task);
        Ok(())
    };
    let hasty = Policy::builder().overall_timeout(ms(20)).build().expect("a policy of a test");
    let engine = build(Engine::builder().policy("svc.Get", hasty).executor(lose));
    let site = engine.site("svc.Get");
    let error = race_in_time(move || engine.race("svc.Get", works)).expect_err("lost");
    assert_eq!((error.verdict, error.attempts), (Verdict::DeadlineExceeded, 1));
    assert_eq!(site.in_flight(), 0);
}

#[test]
fn one_that_refuses_now_and_then_changes_no_answer() {
    let turn = AtomicU32::new(0);
    let moody = move |task: Task| match turn.fetch_add(1, Ordering::SeqCst) % 3 {
        0 => Err(Rejected),
        1 => testing::threads(task),
        // Dropped, which is a refusal, and told to be accepted.
        _ => {
            drop(task);
            Ok(())
        }
    };
    let engine = build(Engine::builder().policy("svc.Get", policy()).executor(moody));
    for _ in 0..30 {
        let engine = engine.clone();
        let answer = race_in_time(move || {
            engine.race("svc.Get", |attempt| if attempt.number() < 2 { Err(()) } else { Ok(7) })
        });
        assert_eq!(answer.expect("the third attempt works"), 7);
    }
}

#[test]
fn workers_that_are_closed_refuse_and_all_go_home() {
    let workers = Workers::new(2);
    let donated: Vec<_> = (0..8)
        .map(|_| {
            let worker = workers.worker();
            thread::spawn(move || worker.run())
        })
        .collect();
    let engine = build(Engine::builder().executor(workers.clone()));
    // Close while calls keep the queue full.
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let engine = engine.clone();
            thread::spawn(move || (0..200).all(|_| matches!(engine.race("svc.Get", works), Ok(0))))
        })
        .collect();
    workers.close();
    race_in_time(move || donated.into_iter().for_each(|worker| worker.join().expect("home")));
    for caller in callers {
        assert!(race_in_time(move || caller.join().expect("no panic")), "every call answers");
    }
    assert_eq!(workers.execute(task_of(&engine)), Err(Rejected));
}

/// A task to try an executor with.
fn task_of(_: &Engine) -> Task {
    let (give, take) = mpsc::channel();
    let give = Mutex::new(give);
    let keep =
        move |task: Task| give.lock().expect("not poisoned").send(task).map_err(|_| Rejected);
    let hasty = Policy::builder().overall_timeout(ms(1)).build().expect("a policy of a test");
    let engine = build(Engine::builder().policy("svc.Task", hasty).executor(keep));
    assert!(engine.race("svc.Task", works).is_err(), "nobody runs it");
    take.recv().expect("it was handed over")
}
