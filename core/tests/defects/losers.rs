//! Losers run on after the call, with nobody telling them; or the winner is cancelled with them.

use super::*;

#[test]
fn losers_are_asked_to_stop_and_the_winner_is_not() {
    let site = racing(hedged(ms(1)));
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let (result, timeline) = site.call().race_with_timeline(move |attempt| {
        let tell = tell.lock().expect("not poisoned").clone();
        let (number, hedge) = (attempt.number(), attempt.is_hedge());
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let hook = attempt.on_cancel(move || {
            let _ = tell.send(number);
            stop.store(true, Ordering::SeqCst);
        });
        // Not until it is asked, but until the hook has run: one whose guard is dropped between
        // the two is taken back.
        while !hedge && !stopped.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        // The winner's body: it is used after the call, and its hook with it.
        Ok::<_, io::Error>((number, hook))
    });
    let (winner, hook) = result.expect("the hedge answers");
    assert_eq!(winner, 1);
    assert_eq!(told.recv(), Ok(0), "the loser is told");
    expect(&timeline).cancelled(0, CancelReason::LostRace);
    while site.abandoned() > 0 {
        thread::yield_now();
    }
    drop(hook);
    assert!(told.try_recv().is_err(), "the winner is not");
}
