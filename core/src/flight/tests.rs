mod toy;

use std::{
    sync::{Barrier, atomic::AtomicU32, mpsc},
    thread,
};

use proptest::prelude::*;

use super::*;
use crate::sync::Cell;

fn you(drive: Drive<'_>) -> Hold<'_> {
    match drive {
        Drive::You(hold) => hold,
        other => panic!("nobody holds the flight, and yet {other:?}"),
    }
}

#[test]
fn one_attempt_from_begin_to_freed() {
    let flight = Flight::new();
    let mut hold = flight.begin_shown();
    let generation = hold.generation();
    let ticket = hold.launch().unwrap();
    hold.let_go().unwrap();
    assert!(!flight.is_over(generation));

    flight.claim(generation, ticket).unwrap();
    let mut hold = you(flight.ready(generation, ticket));
    assert_eq!(hold.take(), Some(News::Ready(ticket)));
    assert_eq!(hold.take(), None);
    assert_eq!(hold.end().unwrap(), Exit::Freed);
    assert!(flight.is_over(generation));
    assert_eq!(flight.begin_shown().generation(), generation.next());
}

#[test]
fn a_flight_that_nobody_has_seen_is_its_beginners() {
    let flight = Flight::new();
    let mut hold = flight.begin();
    let generation = hold.generation();
    let (first, second) = (hold.launch().unwrap(), hold.launch().unwrap());
    // Whoever guesses at it finds nothing.
    assert_eq!(flight.claim(generation, first), Err(Stale));
    assert_eq!(flight.cancel(generation), Cancel::Late);
    assert!(matches!(flight.poll(generation), Drive::Late));
    assert!(flight.is_over(generation));
    assert!(hold.take_back(first) && !hold.take_back(first));
    assert_eq!(hold.seated().collect::<Vec<_>>(), [first, second]);
    let mut hold = hold.let_go().expect_err("there is news");
    assert_eq!(hold.take(), Some(News::Ready(first)));
    assert_eq!((hold.take(), hold.is_cancelled()), (None, false));
    assert_eq!(hold.seated().collect::<Vec<_>>(), [second]);
    hold.let_go().unwrap();
    assert!(!flight.is_over(generation));
    assert_eq!(flight.claim(generation, first), Err(Stale), "it was taken back");
    assert_eq!(flight.claim(generation, second), Ok(()));

    let flight = Flight::new();
    assert_eq!(flight.begin().end().unwrap(), Exit::Freed);
    assert_eq!(flight.begin().generation(), Generation::FIRST.next());
}

#[test]
fn a_finisher_that_meets_nobody_hears_of_its_own_result() {
    let flight = Flight::new();
    let mut hold = flight.begin_shown();
    let generation = hold.generation();
    let tickets = [(); 3].map(|()| hold.launch().unwrap());
    let [first, second, third] = tickets;
    assert!(matches!(flight.arrive(generation, first).unwrap(), Arrival::Claimed));
    assert_eq!(hold.take(), None, "it is not written yet");
    hold.let_go().unwrap();
    let Arrival::Driving(mut hold) = flight.arrive(generation, second).unwrap() else {
        panic!("nobody drives")
    };
    assert_eq!(flight.arrive(generation, second).unwrap_err(), Stale);
    assert_eq!(flight.arrive(generation.next(), third).unwrap_err(), Stale);
    assert!(matches!(flight.ready(generation, first), Drive::Elsewhere));
    assert_eq!(hold.take(), Some(News::Ready(first)), "the oldest comes first");
    assert_eq!(hold.take(), Some(News::Ready(second)));
    assert_eq!(hold.take(), None);
    assert_eq!(flight.arrive(generation, second).unwrap_err(), Stale, "taken, and not freed yet");
    assert_eq!(hold.end().unwrap(), Exit::Occupied);
    assert!(matches!(flight.arrive(generation, third).unwrap(), Arrival::Claimed), "late");
    assert!(matches!(flight.ready(generation, third), Drive::Late));
    assert_eq!(flight.retire(generation, third), Exit::Freed);
}

#[test]
fn what_is_stale_changes_nothing() {
    let flight = Flight::new();
    let mut hold = flight.begin_shown();
    let old = hold.generation();
    let ticket = hold.launch().unwrap();
    assert_eq!(flight.claim(old.next(), ticket), Err(Stale), "a generation to come");
    assert_eq!(flight.claim(old, Ticket::truncated(1)), Err(Stale), "never launched");
    assert_eq!(flight.claim(old, ticket), Ok(()));
    assert_eq!(flight.claim(old, ticket), Err(Stale), "a second finisher");
    assert!(matches!(flight.ready(old, ticket), Drive::Elsewhere));
    assert_eq!(flight.claim(old, ticket), Err(Stale), "published");
    assert_eq!(hold.take(), Some(News::Ready(ticket)));
    assert_eq!(flight.claim(old, ticket), Err(Stale), "taken");
    assert_eq!(hold.end().unwrap(), Exit::Freed);

    let mut hold = flight.begin_shown();
    let again = hold.launch().unwrap();
    assert_eq!(again, ticket);
    let before = format!("{flight:?}");
    assert_eq!(flight.claim(old, ticket), Err(Stale));
    assert!(matches!(flight.knock_time(old), Drive::Late));
    assert!(matches!(flight.poll(old), Drive::Late));
    assert_eq!(flight.cancel(old), Cancel::Late);
    assert!(flight.is_over(old));
    assert_eq!(format!("{flight:?}"), before);
}

#[test]
fn a_holder_cannot_let_go_of_news() {
    let flight = Flight::new();
    let mut hold = flight.begin_shown();
    let generation = hold.generation();
    let (first, second) = (hold.launch().unwrap(), hold.launch().unwrap());
    assert!(matches!(flight.knock_time(generation), Drive::Elsewhere));
    assert_eq!(flight.cancel(generation), Cancel::Elsewhere);
    assert!(matches!(flight.ready(generation, second), Drive::Elsewhere));
    assert!(matches!(flight.ready(generation, first), Drive::Elsewhere));
    let mut taken = Vec::new();
    loop {
        match hold.let_go() {
            Ok(()) => break,
            Err(held) => hold = held,
        }
        taken.extend(hold.take());
    }
    assert_eq!(taken, [News::Ready(first), News::Ready(second), News::Cancel, News::Time]);
    assert_eq!(flight.cancel(generation), Cancel::Next);
    let mut hold = you(flight.poll(generation));
    assert_eq!(hold.take(), Some(News::Cancel));
}

#[test]
fn a_result_that_came_in_is_not_lost_at_the_end() {
    let flight = Flight::new();
    let mut hold = flight.begin_shown();
    let generation = hold.generation();
    let (first, second) = (hold.launch().unwrap(), hold.launch().unwrap());
    assert!(matches!(flight.ready(generation, first), Drive::Elsewhere));
    let mut hold = hold.end().expect_err("a result is there");
    assert_eq!(hold.take(), Some(News::Ready(first)));
    assert_eq!(hold.end().unwrap(), Exit::Occupied);
    assert!(flight.is_over(generation));
    flight.claim(generation, second).unwrap();
    assert!(matches!(flight.ready(generation, second), Drive::Late));
    assert_eq!(flight.retire(generation, second), Exit::Freed);
    assert_eq!(flight.claim(generation, second), Err(Stale));
}

#[test]
fn a_seat_has_one_attempt_and_the_last_alone() {
    let flight = Flight::new();
    let mut hold = flight.begin_shown();
    let generation = hold.generation();
    let tickets: Vec<Ticket> = (0..SEATS).map(|_| hold.launch().unwrap()).collect();
    assert_eq!(hold.launch(), Err(Full));
    // Others leave; the oldest keeps its seat, and the next in turn is its own.
    assert!(matches!(flight.ready(generation, tickets[1]), Drive::Elsewhere));
    assert_eq!(hold.take(), Some(News::Ready(tickets[1])));
    assert_eq!(hold.launch(), Err(Full));
    assert!(matches!(flight.ready(generation, tickets[0]), Drive::Elsewhere));
    assert_eq!(hold.take(), Some(News::Ready(tickets[0])));
    let next = hold.launch().unwrap();
    assert_eq!((usize::from(next.get()), next.seat()), (SEATS, 0));
    assert_eq!(flight.claim(generation, tickets[0]), Err(Stale), "its seat is another's now");
    assert_eq!(flight.claim(generation, next), Ok(()));
}

#[test]
fn launches_are_counted_to_the_end() {
    let flight = Flight::new();
    let mut hold = flight.begin_shown();
    let generation = hold.generation();
    for number in 0..LAUNCHES {
        let ticket = hold.launch().unwrap();
        assert_eq!(ticket.get(), number);
        assert!(matches!(flight.ready(generation, ticket), Drive::Elsewhere));
        assert_eq!(hold.take(), Some(News::Ready(ticket)));
    }
    assert_eq!(hold.launch(), Err(Full));
    assert_eq!(hold.end().unwrap(), Exit::Freed);
}

#[test]
fn generations_come_round_to_one_and_never_to_zero() {
    let last = Generation::truncated(u32::MAX);
    assert_eq!(last.next(), Generation::FIRST);
    let flight = Flight { word: AtomicU64::new(Word::vacant(last).bits()) };
    assert_eq!(flight.begin_shown().end().unwrap(), Exit::Freed);
    assert_eq!(flight.begin_shown().generation(), Generation::FIRST);
}

proptest! {
    #[test]
    fn ids_survive_the_host(slot in 0..FlightId::SLOTS, bits in 1u32..1 << 30, number in 0..LAUNCHES) {
        let flight = FlightId::new(slot, Generation::truncated(bits));
        let attempt = flight.attempt(Ticket::truncated(number));
        prop_assert_eq!(FlightId::from_bits(flight.to_bits()), Some(flight));
        prop_assert_eq!(AttemptRef::from_bits(attempt.to_bits()), Some(attempt));
        prop_assert_eq!(FlightId::from_bits(attempt.to_bits()), None);
        prop_assert_eq!(AttemptRef::from_bits(flight.to_bits()), None);
        prop_assert_ne!(flight.to_bits(), 0);
    }

    #[test]
    fn forged_ids_are_refused_or_found_stale(bits: u64) {
        let flight = Flight::new();
        if let Some(id) = AttemptRef::from_bits(bits) {
            prop_assert_eq!(id.to_bits(), bits);
            prop_assert_eq!(flight.claim(id.flight().generation(), id.ticket()), Err(Stale));
        }
        if let Some(id) = FlightId::from_bits(bits) {
            prop_assert_eq!(id.to_bits(), bits);
            prop_assert_eq!(flight.cancel(id.generation()), Cancel::Late);
        }
    }
}
