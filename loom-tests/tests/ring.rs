//! `observe/ring`: what is kept comes out once and in order, what is not is counted. That a place
//! has one owner at a time, loom sees at its cell.
#![cfg(rego_loom)]
#![allow(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::{sync::Arc, thread};
use loom_tests::explore;
use rego::rooms::ring::Ring;

fn rest(ring: &Ring<u32>) -> impl Iterator<Item = u32> {
    std::iter::from_fn(|| ring.pop())
}

#[test]
fn what_is_kept_comes_out_once_and_in_order() {
    explore("two push into a ring of two, one pops", || {
        let ring = Arc::new(Ring::new(2));
        assert!(ring.push(0));
        let pushers = [10, 20].map(|first| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                [first, first + 1].into_iter().filter(|value| ring.push(*value)).collect::<Vec<_>>()
            })
        });
        let popper = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || [ring.pop(), ring.pop()])
        };
        let mut kept = vec![0];
        for pusher in pushers {
            kept.extend(pusher.join().unwrap());
        }
        let popped = popper.join().unwrap().into_iter().flatten();
        let mut came: Vec<_> = popped.chain(rest(&ring)).collect();
        assert_eq!(kept.len() as u64 + ring.dropped(), 5);
        for first in [10, 20] {
            let of_one = |value: &&u32| (first..first + 2).contains(*value);
            assert!(came.iter().filter(of_one).is_sorted());
        }
        came.sort_unstable();
        assert_eq!(came, kept);
    });
}

#[test]
fn two_that_pop_share_what_there_is() {
    explore("one pushes round a ring of two, two pop", || {
        let ring = Arc::new(Ring::new(2));
        let pusher = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..3).filter(|value| ring.push(*value)).collect::<Vec<_>>())
        };
        let poppers = [(); 2].map(|()| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || ring.pop())
        });
        let popped = poppers.map(|popper| popper.join().unwrap());
        let kept = pusher.join().unwrap();
        let mut came: Vec<_> = popped.into_iter().flatten().chain(rest(&ring)).collect();
        came.sort_unstable();
        assert_eq!(came, kept);
    });
}
