//! An engine, from construction to release.

use std::{ffi::c_char, sync::Arc};

use rego::{Completion, Context, Engine, Format, Key, manual::Manual};

use crate::{
    classifiers::{Custom, adopt, rego_classifier},
    constants::{rego_key, rego_time},
    crossing::{
        Checked, Out, Sized32, bytes, read_handed, rego_str, shared, text, time, unused, write_text,
    },
    error::{Explained, Failure, rego_error},
    event_loop::check_may_wait,
    execute, guard,
    keys::Keys,
    status::rego_status::{self, REGO_STATUS_INVALID, REGO_STATUS_UNSUPPORTED},
    told::Told,
    version::REGO_ABI_VERSION,
};

/// An engine: policies by key, and what calls of the same key share. Counted references: it lives
/// until it was released as often as it was made and retained. It has no thread.
#[derive(Debug)]
pub struct rego_engine {
    pub(crate) engine: Engine,
    pub(crate) manual: Manual,
    pub(crate) keys: Keys,
    pub(crate) told: Told,
}

/// What an engine is made with. Begin with `REGO_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_options {
    /// `sizeof(rego_options)`.
    pub struct_size: u32,
    /// `REGO_ABI_VERSION`, as this program was compiled with.
    pub abi_version: u32,
    /// What all random draws hang on: the same calls in the same order get the same jitter. 0 for
    /// draws that nobody can foretell, different in every process.
    pub seed: u64,
    /// What time it is.
    pub now: rego_time,
    /// How many calls are in the air at most, fewer than 2^24; further ones pass through. About
    /// 2 KiB each; memory comes as it is needed and stays. 0 for 65,536.
    pub max_live_calls: u32,
    /// How many keys are told apart, at most 65,536; later ones share one, named "other". 0 for
    /// 1,024.
    pub max_keys: u32,
    /// How many events are kept for `rego_events_drain`, at most 2^20, rounded up to a power of
    /// two. 0 for none: then nobody writes any.
    pub max_events: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Classifiers of the host's own: `n_classifiers` pointers. NULL if there are none. With them
    /// their `userdata` becomes the library's, also where the function fails for whatever reason,
    /// unless the options or this array cannot be read: it is crooked, or has more than 1,024. One
    /// that cannot be read itself hands nothing over.
    pub classifiers: *const *const rego_classifier,
    /// How many, at most 1,024.
    pub n_classifiers: usize,
}

// SAFETY: because it is numbers and pointers without padding, of which the first is its size.
unsafe impl Sized32 for rego_options {
    const FIRST: usize = 40 + 2 * size_of::<usize>();
}

/// Makes an engine, which is the caller's to release. `error` may be NULL.
///
/// The variable `REGO_MODE` of the environment sets its mode: `active`, `observe` (one attempt per
/// call, and a record of what would have been done) or `off` (one plain attempt). Any other value is
/// `REGO_STATUS_INVALID`, and `error` says so: an engine that was to stand aside must not run.
///
/// `REGO_STATUS_UNSUPPORTED` if the library's ABI is not that of `abi_version`.
///
/// Threads: any thread, at any time. Allocates.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_engine_new(
    options: *const rego_options,
    engine_out: *mut *mut rego_engine,
    error: *mut rego_error,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let given = unsafe { read_handed(options) }.map(|(options, tail)| {
            // SAFETY: as above.
            (options, tail, unsafe { adopt(options.classifiers, options.n_classifiers) })
        });
        // SAFETY: as above.
        let error = unsafe { Explained::new(error) }?;
        error.by(|| {
            let refused = |status| Failure::argument(status, "options");
            let (options, tail, classifiers) = given.map_err(refused)?;
            tail.map_err(refused)?;
            // SAFETY: as above.
            let engine_out = unsafe { Out::new(engine_out) }
                .map_err(|status| Failure::argument(status, "engine_out"))?;
            let engine = rego_engine::new(&options, classifiers)?;
            engine_out.set(Arc::into_raw(Arc::new(engine)).cast_mut());
            Ok(())
        })
    })
}

/// One more reference to an engine, to be released as well. Answers `engine`; NULL for NULL.
///
/// Threads: any thread, at any time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_engine_retain(engine: *mut rego_engine) -> *mut rego_engine {
    contained!(or engine, {
        if !engine.is_null() {
            // SAFETY: because it comes from `rego_engine_new` and has not been released as often.
            unsafe { Arc::increment_strong_count(engine) };
        }
        engine
    })
}

/// One reference less. Answers how many attempts had been started and not finished at that moment;
/// 0 for NULL.
///
/// With the last reference the engine goes, its calls with it, and all ids become worthless: those
/// who are to finish attempts need a reference. Attempts that the library itself runs hold one, so
/// they come to their end, and the last of them takes the engine with it.
///
/// Threads: any thread, at any time. Goes through all calls in the air.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_engine_release(engine: *mut rego_engine) -> u64 {
    contained!(or 0, {
        if engine.is_null() {
            return 0;
        }
        // SAFETY: because it comes from `rego_engine_new` and has not been released as often.
        let engine = unsafe { Arc::from_raw(engine) };
        engine.manual.unfinished().try_into().unwrap_or(u64::MAX)
    })
}

/// For the child of a fork, before it has a second thread: its parent's calls end without anybody
/// being told, their attempts count as finished, and their ids become stale. What the parent had
/// registered for them is not dropped: it was a copy.
///
/// Answers how many calls there were that another thread of the parent's was driving at the moment
/// of the fork: their ids are good for nothing, and their places stay taken. 0 for NULL.
///
/// A child that goes on with the calls as with its own, which are copies, need not call this.
/// It draws other jitter than its parent in either case.
///
/// Threads: the only one there is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rego_engine_after_fork_child(engine: *mut rego_engine) -> u64 {
    contained!(or 0, {
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) };
        engine.map_or(0, |engine| {
            execute::forget(engine);
            engine.manual.forget().try_into().unwrap_or(u64::MAX)
        })
    })
}

/// Puts policies in force, in place of those loaded before: all of them, or none. TOML, or JSON if
/// the text begins with `{`. Calls in the air keep the policy that they began with; budgets that
/// keep their name and kind keep their balance. `error` may be NULL.
///
/// `REGO_STATUS_INVALID` if anything is wrong with them: `error` tells line, column and field of
/// the first fault. `REGO_STATUS_BUSY` in a `notify`.
///
/// Threads: any thread, at any time. Allocates; waits for other threads that do the same.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_engine_load_policies(
    engine: *mut rego_engine,
    policies: rego_str,
    error: *mut rego_error,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let error = unsafe { Explained::new(error) }?;
        error.by(|| {
            // SAFETY: as above.
            let engine =
                unsafe { shared(engine) }.map_err(|status| Failure::argument(status, "engine"))?;
            // SAFETY: as above.
            let policies = unsafe { bytes(policies) }
                .map_err(|status| Failure::argument(status, "policies"))?;
            check_may_wait()
                .map_err(|status| Failure::of(status, "nobody may wait in a notify"))?;
            engine.load(policies)
        })
    })
}

/// The number of a key, such as "user-service.GetUser": the same for the same name, at any time.
/// Keys are names of call sites, few and known: of those beyond `max_keys` all get the number of
/// the key that they share.
///
/// `REGO_STATUS_INVALID` if it is empty, longer than 256 bytes, or has control characters.
/// `REGO_STATUS_BUSY` in a `notify`.
///
/// Threads: any thread, at any time. May allocate, and wait for other threads that do the
/// same: for the start of a program, not for a call.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_key_intern(
    engine: *mut rego_engine,
    name: rego_str,
    key_out: *mut rego_key,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let name = unsafe { text(name) }?;
        // SAFETY: as above.
        let key_out = unsafe { Out::new(key_out) }?;
        let name = Key::parse(name).map_err(|_| REGO_STATUS_INVALID)?;
        check_may_wait()?;
        key_out.set(engine.keys.intern(&engine.engine, &name));
        Ok(())
    })
}

/// Writes all metrics as OpenMetrics text, in the way of `snprintf`: what fits of it and a NUL into
/// `buffer`, and how long all of it is, without the NUL, into `len_out`. `buffer` may be NULL if
/// `capacity` is 0. Leave some room: it grows from call to call.
///
/// Threads: any thread, at any time. Allocates; up to 50 microseconds for each key.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rego_metrics_write(
    engine: *const rego_engine,
    buffer: *mut c_char,
    capacity: usize,
    len_out: *mut usize,
) -> rego_status {
    contained!({
        // SAFETY: because pointers are as the header demands.
        let engine = unsafe { shared(engine) }?;
        // SAFETY: as above.
        let len_out = unsafe { Out::new(len_out) }?;
        // SAFETY: as above.
        unsafe { write_text(&guard::add_to(engine.engine.metrics()), buffer, capacity, len_out) }
    })
}

const MAX_LIVE_CALLS: u32 = (1 << 24) - 1;
const MAX_KEYS: u32 = 1 << 16;
const DEFAULT_KEYS: u32 = 1_024;
const MAX_EVENTS: u32 = 1 << 20;

impl rego_engine {
    fn new(
        options: &rego_options,
        classifiers: Checked<Vec<Checked<Custom>>>,
    ) -> Result<Self, Failure> {
        if options.abi_version != REGO_ABI_VERSION {
            let theirs = options.abi_version;
            let message =
                format!("ABI {theirs} was asked for, this library has {REGO_ABI_VERSION}");
            return Err(Failure { status: REGO_STATUS_UNSUPPORTED, message });
        }
        unused(options.reserved)
            .map_err(|status| Failure::of(status, "options.reserved is not 0"))?;
        let now =
            time(options.now).map_err(|status| Failure::of(status, "options.now is no time"))?;
        let told = Told::new(now.as_nanos());
        let mut builder = Engine::builder().clock(told.clock());
        if options.seed != 0 {
            builder = builder.seed(options.seed);
        }
        let limit = |name, given, max| {
            (given <= max).then_some(given).ok_or_else(|| {
                Failure::invalid(&format!("options.{name} is {given}, and at most {max}"))
            })
        };
        match limit("max_live_calls", options.max_live_calls, MAX_LIVE_CALLS)? {
            0 => {}
            calls => builder = builder.max_flights(number(calls)),
        }
        match limit("max_events", options.max_events, MAX_EVENTS)? {
            0 => {}
            events => builder = builder.event_ring(number(events)),
        }
        let keys = match limit("max_keys", options.max_keys, MAX_KEYS)? {
            0 => DEFAULT_KEYS,
            keys => keys,
        };
        let refused = |status: rego_status| {
            Failure::of(status, format_args!("options.classifiers, or one of them: {status:?}"))
        };
        for custom in classifiers.map_err(refused)? {
            let Custom { name, classifier } = custom.map_err(refused)?;
            let classify =
                move |facts: &Completion, context: &Context| classifier.classify(facts, context);
            builder = builder.classifier(&name.map_err(refused)?, classify);
        }
        let engine =
            builder.max_keys(number(keys)).build().map_err(|error| Failure::invalid(&error))?;
        let (manual, keys) = (engine.manual(), Keys::new(&engine, keys));
        Ok(Self { engine, manual, keys, told })
    }

    fn load(&self, text: &[u8]) -> Result<(), Failure> {
        // A JSON document is an object; no TOML document begins like one.
        let first = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii_start();
        let format = if first.starts_with(b"{") { Format::Json } else { Format::Toml };
        let loaded = self.engine.load_text(text, format, "policies");
        loaded.map_err(|error| Failure::invalid(&error))
    }
}

/// A `u32` fits wherever this library runs.
fn number(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

const _: () = {
    const fn any_thread<T: Send + Sync>() {}
    any_thread::<rego_engine>();
};
