//! The clock that hosts mean when they name none.

/// Nanoseconds of CLOCK_MONOTONIC.
#[cfg(unix)]
pub(super) fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: because it is there to be written to. It cannot fail: every Unix has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanos.unwrap_or(0))
}

/// Nanoseconds since the first question.
#[cfg(not(unix))]
pub(super) fn monotonic() -> u64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let since = FIRST.get_or_init(std::time::Instant::now).elapsed();
    since.as_nanos().try_into().unwrap_or(u64::MAX - 1)
}
