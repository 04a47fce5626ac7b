//! Nanoseconds: a point on an engine's clock, or the length between two points.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// Nanoseconds: a point on an engine's clock, or the length between two points.
///
/// Arithmetic saturates: nothing wraps, and [`Nanos::NEVER`] plus anything is never.
///
/// ```
/// use rego::Nanos;
///
/// assert_eq!(Nanos::from_millis(1) + Nanos::from_micros(500), Nanos::from_micros(1_500));
/// assert_eq!(Nanos::ZERO - Nanos::from_millis(1), Nanos::ZERO);
/// assert_eq!(Nanos::NEVER + Nanos::from_millis(1), Nanos::NEVER);
/// assert_eq!(Nanos::from_micros(1_500).to_string(), "1.5ms");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Nanos(u64);

impl Nanos {
    /// No time at all; the clock's own beginning.
    pub const ZERO: Self = Self(0);
    /// A point that does not come; a length without end.
    pub const NEVER: Self = Self(u64::MAX);

    /// This many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// This many microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// This many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// This many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// The number of nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// In seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people and for exposition")]
    pub const fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// As a [`Duration`].
    #[must_use]
    pub const fn to_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Whether this is [`Nanos::NEVER`].
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }

    /// This length a number of times over; saturates, and a negative or undefined factor counts
    /// as 0.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float to integer casts saturate, and 53 bits are 104 days to the nanosecond"
    )]
    pub fn mul_f64(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as u64)
    }
}

impl Add for Nanos {
    type Output = Self;

    #[inline]
    fn add(self, length: Self) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub for Nanos {
    type Output = Self;

    #[inline]
    fn sub(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for Nanos {
    /// Saturates at [`Nanos::NEVER`], after 584 years.
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        nanos.to_duration()
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return f.pad("never");
        }
        f.pad(&format!("{:?}", self.to_duration()))
    }
}

impl fmt::Debug for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
