//! Keys as numbers: what a host keeps, so that nothing is looked up by name for a call.

use std::{
    collections::HashMap,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use rego::{CallSite, Engine, Key};

/// The call sites of an engine by number. Insert-only: a number that was given out stays good for
/// as long as the engine lives.
///
/// As bits: the engine's tag in the upper half, a place in the table, counted from 1, in the lower.
/// So a key of one engine is stale in all others.
#[derive(Debug)]
pub(crate) struct Keys {
    tag: u32,
    /// The first is the site that all keys share for which there is no room.
    table: Box<[OnceLock<CallSite>]>,
    places: Mutex<HashMap<Box<str>, u32>>,
}

const OVERFLOW: u32 = 0;

impl Keys {
    /// Room for `max` keys.
    pub(crate) fn new(engine: &Engine, max: u32) -> Self {
        static ENGINES: AtomicU32 = AtomicU32::new(1);
        let mut table: Box<[_]> = (0..=max).map(|_| OnceLock::new()).collect();
        if let Some(overflow) = table.first_mut() {
            // No key is empty: this asks for the site of those that are none.
            *overflow = OnceLock::from(engine.site(""));
        }
        // Relaxed: only the number matters.
        let tag = ENGINES.fetch_add(1, Ordering::Relaxed);
        Self { tag, table, places: Mutex::default() }
    }

    #[inline(always)]
    pub(crate) fn get(&self, bits: u64) -> Option<&CallSite> {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves are taken apart")]
        let (tag, number) = ((bits >> 32) as u32, bits as u32);
        if tag != self.tag {
            return None;
        }
        self.table.get(usize::try_from(number.checked_sub(1)?).ok()?)?.get()
    }

    /// The number of a key; the same for the same name, at any time.
    pub(crate) fn intern(&self, engine: &Engine, key: &Key) -> u64 {
        if key.as_str() == rego::OTHER {
            return self.bits(OVERFLOW);
        }
        // Nothing in here is half done when it panics.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(key.as_str()) {
            return self.bits(*place);
        }
        let site = engine.site(key.as_str());
        let next = u32::try_from(places.len()).map_or(u32::MAX, |len| len + 1);
        let slot = usize::try_from(next).ok().and_then(|next| self.table.get(next));
        let Some(slot) = slot.filter(|_| site.key() == key.as_str()) else {
            // One too many: its name is not even remembered.
            return self.bits(OVERFLOW);
        };
        slot.get_or_init(|| site);
        places.insert(key.as_str().into(), next);
        self.bits(next)
    }

    fn bits(&self, place: u32) -> u64 {
        u64::from(self.tag) << 32 | u64::from(place + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(max: u32) -> (Engine, Keys) {
        let engine = Engine::builder().max_keys(max as usize).build().expect("nothing is wrong");
        let keys = Keys::new(&engine, max);
        (engine, keys)
    }

    fn intern(engine: &Engine, keys: &Keys, name: &str) -> u64 {
        keys.intern(engine, &Key::parse(name).expect("a good key"))
    }

    #[test]
    fn a_key_is_the_same_for_every_spelling_of_its_name() {
        let (engine, keys) = keys(4);
        let get = intern(&engine, &keys, "svc.Get");
        assert_eq!(intern(&engine, &keys, " svc.Get "), get);
        assert_ne!(intern(&engine, &keys, "svc.Put"), get);
        assert_eq!(keys.get(get).map(CallSite::key), Some("svc.Get"));
    }

    #[test]
    fn keys_beyond_the_limit_share_one() {
        let (engine, keys) = keys(2);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| intern(&engine, &keys, name));
        assert_ne!(a, b);
        assert_eq!(c, d);
        assert_eq!(keys.get(c).map(CallSite::key), Some(rego::OTHER));
        assert_eq!(intern(&engine, &keys, "a"), a);
    }

    #[test]
    fn the_key_that_others_share_takes_nobodys_place() {
        let (engine, keys) = keys(1);
        let other = intern(&engine, &keys, rego::OTHER);
        let a = intern(&engine, &keys, "a");
        assert_eq!(keys.get(a).map(CallSite::key), Some("a"));
        assert_eq!(intern(&engine, &keys, "b"), other);
    }

    #[test]
    fn forged_keys_and_those_of_other_engines_are_none() {
        let (engine, mine) = keys(2);
        let (_, others) = keys(2);
        let key = intern(&engine, &mine, "a");
        assert!(others.get(key).is_none());
        for forged in [0, 1, key + 1, key & !0xffff_ffff, key | 0xffff_ffff, u64::MAX] {
            assert!(mine.get(forged).is_none(), "{forged:x}");
        }
    }
}
