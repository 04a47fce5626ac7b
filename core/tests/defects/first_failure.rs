//! The first completion wins, though it is a failure and a healthy attempt is in flight.

use super::*;

/// What the defective ones do: whatever comes first out of the channel is the answer.
fn twin(
    attempts: Vec<Box<dyn FnOnce() -> Result<u32, &'static str> + Send>>,
) -> Result<u32, &'static str> {
    let (tell, told) = mpsc::channel();
    for attempt in attempts {
        let tell = tell.clone();
        thread::spawn(move || tell.send(attempt()));
    }
    told.recv().expect("somebody answers")
}

#[test]
fn a_failed_hedge_does_not_win_over_a_healthy_primary() {
    let (failed, wait) = mpsc::channel::<()>();
    let slow = move || {
        let _ = wait.recv();
        Ok(0)
    };
    let fails = || Err("reset");
    assert_eq!(twin(vec![Box::new(slow), Box::new(fails)]), Err("reset"), "the defect");
    drop(failed);

    let site = racing(hedged(ms(1)));
    let (failed, wait) = mpsc::channel::<()>();
    let (failed, wait) = (Mutex::new(failed), Mutex::new(wait));
    let (result, timeline) = site.call().race_with_timeline(move |attempt| {
        if attempt.is_hedge() {
            failed.lock().expect("not poisoned").send(()).expect("the primary waits");
            return Err("reset");
        }
        wait.lock().expect("not poisoned").recv().expect("the hedge fails");
        // The hedge's failure is on its way, and given all the time it wants.
        thread::sleep(ms(20));
        Ok(attempt.number())
    });
    assert_eq!(result, Ok(0), "{timeline}");
    expect(&timeline).verdict(Verdict::Success).attempts(2).hedges(1).answered_by(0);
}
