//! The closed choices of a policy and their names.

use std::fmt;

/// Whether the policy acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// It does.
    #[default]
    Active = 0,
    /// One attempt; what would have been done is recorded.
    Observe = 1,
    /// One plain attempt.
    Off = 2,
}

/// Whether repeating a request is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Idempotent {
    /// Nobody said.
    #[default]
    Unset = 0,
    /// It is.
    Yes = 1,
    /// It is not.
    No = 2,
}

impl Idempotent {
    /// What a call says, or where it says nothing, what its policy does.
    #[inline]
    pub(crate) const fn or(self, policys: Self) -> Self {
        match self {
            Self::Unset => policys,
            said => said,
        }
    }
}

/// How a backoff is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Jitter {
    /// Not at all.
    None = 0,
    /// Uniform in [0, b).
    #[default]
    Full = 1,
    /// Uniform in [b/2, b).
    Equal = 2,
    /// Uniform in [initial, 3 × the previous wait), at most the maximum.
    Decorrelated = 3,
}

/// What decides when a hedge is due.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Trigger {
    /// The policy's delay.
    #[default]
    Fixed,
    /// This quantile of the latency, in (0, 1).
    Quantile(f64),
    /// At most this much extra load, in (0, 1]; the planner picks delay and probability.
    Load(f64),
}

impl Mode {
    /// Every mode there is.
    pub const ALL: [Self; 3] = [Self::Active, Self::Observe, Self::Off];

    /// The name used in policies, records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Observe => "observe",
            Self::Off => "off",
        }
    }

    /// The one of the two that does less.
    #[must_use]
    pub(crate) fn stricter(self, other: Self) -> Self {
        if (self as u8) < (other as u8) { other } else { self }
    }
}

impl std::str::FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.label() == text).ok_or(UnknownMode)
    }
}

/// The text names no [`Mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mode is active, observe or off")
    }
}

impl std::error::Error for UnknownMode {}

impl Idempotent {
    /// Every answer there is.
    pub const ALL: [Self; 3] = [Self::Unset, Self::Yes, Self::No];

    /// The name used in policies and records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

impl From<bool> for Idempotent {
    fn from(idempotent: bool) -> Self {
        if idempotent { Self::Yes } else { Self::No }
    }
}

impl Jitter {
    /// Every jitter there is.
    pub const ALL: [Self; 4] = [Self::None, Self::Full, Self::Equal, Self::Decorrelated];

    /// The name used in policies and records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Full => "full",
            Self::Equal => "equal",
            Self::Decorrelated => "decorrelated",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl fmt::Display for Idempotent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.pad("fixed"),
            Self::Quantile(p) => f.pad(&format!("quantile({p})")),
            Self::Load(x) => f.pad(&format!("load({x})")),
        }
    }
}
