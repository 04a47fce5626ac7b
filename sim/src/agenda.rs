//! What happens when: a heap of events, in order of time and, at one time, of their making.

use std::{cmp::Ordering, collections::BinaryHeap};

use rego::Nanos;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The next request of the open loop, or of a worker of the closed one.
    Arrive,
    /// A client's loop wants to be looked at.
    Wake { layer: u32, client: u32 },
    /// A server is through with an attempt, unless its stamp has changed.
    Served { job: u32, stamp: u32 },
    /// The first of the attempts that share a server is through, unless the stamp has changed.
    Shared { layer: u32, server: u32, stamp: u32 },
    /// A layer's servers that stood still go on.
    Resume { layer: u32 },
    /// A quarter of a second is over.
    Tick,
}

/// The heap.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Entry>,
    made: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: Nanos,
    nth: u64,
    event: Event,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Nanos, event: Event) {
        self.made += 1;
        self.heap.push(Entry { at, nth: self.made, event });
    }

    pub(crate) fn next(&mut self) -> Option<(Nanos, Event)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest: the heap gives it first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.nth).cmp(&(self.at, self.nth))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_the_first_made_before_its_equals() {
        let mut agenda = Agenda::default();
        for (millis, job) in [(3, 1), (1, 2), (3, 3), (2, 4)] {
            agenda.add(Nanos::from_millis(millis), Event::Served { job, stamp: 0 });
        }
        let order: Vec<u32> = std::iter::from_fn(|| agenda.next())
            .map(|(_, event)| match event {
                Event::Served { job, .. } => job,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(order, [2, 4, 1, 3]);
    }
}
