//! First attempts before their calls begin: for hosts to which a crossing is dear.

use std::slice;

use rego::Nanos;

use crate::{
    constants::{
        rego_key,
        rego_standing_flag::{self, REGO_STANDING_GRANTED, REGO_STANDING_SHARED},
        rego_time,
    },
    crossing::{Checked, Out, Sized32, read, shared, time},
    engine::rego_engine,
    status::rego_status::{self, REGO_STATUS_INVALID, REGO_STATUS_NULL, REGO_STATUS_STALE},
};

/// On what terms first attempts of a key may be made before their calls begin. Start with
/// `REGO_STANDING_INIT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_standing {
    /// `sizeof(rego_standing)`.
    pub struct_size: u32,
    /// Any of `REGO_STANDING_GRANTED`, without which every call is to be begun first, and
    /// `REGO_STANDING_SHARED`.
    pub flags: u32,
    /// Which terms these are; never 0. They stand for as long as this is in `*current`.
    pub edition: u64,
    /// How long an attempt may run, and how long a call may take, its first attempt included;
    /// `REGO_TIME_NEVER` where there is no limit.
    pub attempt_timeout: u64,
    /// See `attempt_timeout`.
    pub overall_timeout: u64,
    /// The edition in force, for as long as the engine lives: a word that the library writes, and
    /// the host reads with an atomic load.
    pub current: *const u64,
    /// 0.
    pub reserved: usize,
}

// SAFETY: because it is numbers and a pointer without padding, of which the first is its size.
unsafe impl Sized32 for rego_standing {
    const FIRST: usize = 32 + 2 * size_of::<usize>();
}

/// Calls that are over. Start with `REGO_SETTLEMENT_INIT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_settlement {
    /// `sizeof(rego_settlement)`.
    pub struct_size: u32,
    /// By how many the calls in the air that were made on standing terms are more than when this was
    /// told last; for the gauge of that name.
    pub in_flight: i32,
    /// What time it is.
    pub now: rego_time,
    /// How long each call took: `n_lengths` of them. NULL if there are none.
    pub lengths: *const u64,
    /// How many.
    pub n_lengths: usize,
}

// SAFETY: because it is numbers and a pointer without padding, of which the first is its size.
unsafe impl Sized32 for rego_settlement {
    const FIRST: usize = 16 + 2 * size_of::<usize>();
}

/// On what terms first attempts of a key may be made before their calls begin: for hosts to which a
/// crossing is dear, as from a language with a runtime of its own. Ask again when `edition` is not
/// what is in `*current` any more: after policies were loaded, say.
///
/// A host makes the first attempt on these terms: until `attempt_timeout` has passed, at most, and
/// within `overall_timeout` and the caller's own deadline. Where the attempt has worked in the call's
/// time, and facts of its own are not to be told (`REGO_COMPLETION_OK`), the call is over, and is
/// handed to `rego_key_settle`, with others. In any other case the call begins now: `rego_call_begin`,
/// with the time at which the attempt was started and the edition of its terms, and at once the finish
/// of the attempt that the step tells. What follows is as of any call. Until then the engine does not
/// know of it: it has no id, it is not counted by `rego_engine_release`, and takes no room of
/// `max_live_calls`. So a call that works takes a small part of a crossing instead of two.
///
/// The library remembers the terms of eight editions. A call that begins when as many others have come
/// into force has the policy of that time.
///
/// It is granted where nobody but the host sees a difference: not where the policy hedges, or stands
/// aside by its mode, events are kept, a budget counts calls as they begin, or a classifier of the
/// host's own judges successes, too.
///
/// Threads: any thread, at any time. Takes a lock, for a moment: for once in each edition.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_key_standing(
    engine: *mut rego_engine,
    key: rego_key,
    now: rego_time,
    standing_out: *mut rego_standing,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let mut standing_out = unsafe { Out::sized(standing_out) }?;
        let now = time(now)?;
        let site = engine.keys.get(key).ok_or(REGO_STATUS_STALE)?;
        engine.told.hear(now);
        let standing = engine.manual.standing(site, now);
        standing_out.with(|out| {
            let flag = |is_set, flag: rego_standing_flag| if is_set { flag as u32 } else { 0 };
            out.flags = flag(standing.granted, REGO_STANDING_GRANTED)
                | flag(standing.shared, REGO_STANDING_SHARED);
            out.edition = standing.edition;
            out.attempt_timeout = standing.attempt_timeout.as_nanos();
            out.overall_timeout = standing.overall_timeout.as_nanos();
            out.current = site.edition_word();
            out.reserved = 0;
        });
        Ok(())
    })
}

/// Takes in calls that were made on standing terms, and whose first attempts worked. What they leave,
/// latencies, metrics and deposits in budgets, is not there before. So hand over those of a key, and of
/// all keys with `REGO_STANDING_SHARED`, before an attempt of the key is finished otherwise than by
/// `REGO_COMPLETION_OK`, and before one of its calls is polled; and those of all keys before policies
/// are loaded and metrics are read. And do not keep them for longer than some milliseconds while calls
/// go on: latencies count from when they are handed over.
///
/// Tell `in_flight` at the same times, where calls of the key are made that may give attempts up: how
/// many of those may run on hangs on how many calls are in the air.
///
/// `REGO_STATUS_INVALID` if there are more than a million, and nothing is taken in.
///
/// Threads: any thread, at any time. Some nanoseconds for each call.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_key_settle(
    engine: *mut rego_engine,
    key: rego_key,
    settlement: *const rego_settlement,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let settlement = unsafe { read(settlement) }?;
        // SAFETY: as above.
        let lengths = unsafe { settlement.lengths() }?;
        let now = time(settlement.now)?;
        let site = engine.keys.get(key).ok_or(REGO_STATUS_STALE)?;
        engine.told.hear(now);
        let lengths = lengths.iter().copied().map(Nanos::from_nanos);
        engine.manual.settle(site, lengths, settlement.in_flight);
        Ok(())
    })
}

/// More than this is a number that was never initialised.
const MANY: usize = 1_000_000;

impl rego_settlement {
    /// # Safety
    ///
    /// As the header demands of what it points to.
    unsafe fn lengths(&self) -> Checked<&[u64]> {
        if self.n_lengths == 0 {
            return Ok(&[]);
        }
        if self.lengths.is_null() {
            return Err(REGO_STATUS_NULL);
        }
        if self.n_lengths > MANY || !self.lengths.is_aligned() {
            return Err(REGO_STATUS_INVALID);
        }
        // SAFETY: because the caller promises as much, and it is aligned and no larger than that.
        Ok(unsafe { slice::from_raw_parts(self.lengths, self.n_lengths) })
    }
}
