//! Attempts as exact integers: millionths, so that no ratio is ever rounded to a whole.

/// One attempt of cost 1.
pub(super) const TOKEN: u64 = 1_000_000;

/// This many attempts, to the nearest millionth. Negative or undefined counts as none; saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate"
)]
pub(super) fn from_f64(attempts: f64) -> u64 {
    (attempts * TOKEN as f64).round() as u64
}

/// This many whole attempts: 2^32 of them fit easily.
pub(super) const fn whole(attempts: u32) -> u64 {
    attempts as u64 * TOKEN
}

/// Back to attempts, for people and metrics.
pub(super) const fn to_f64(tokens: u64) -> f64 {
    tokens as f64 / TOKEN as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_per_cent_is_kept() {
        for percent in 0..=100_u64 {
            assert_eq!(from_f64(percent as f64 / 100.0), percent * TOKEN / 100, "{percent} %");
        }
    }

    #[test]
    fn what_is_no_number_of_attempts_is_none() {
        assert_eq!(from_f64(-1.0), 0);
        assert_eq!(from_f64(f64::NAN), 0);
        assert_eq!(from_f64(f64::NEG_INFINITY), 0);
        assert_eq!(from_f64(f64::INFINITY), u64::MAX);
        assert_eq!(whole(u32::MAX) / TOKEN, u64::from(u32::MAX));
    }
}
