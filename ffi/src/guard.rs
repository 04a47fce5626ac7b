//! The wall that no panic gets through.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{crossing::Checked, status::rego_status};

/// The body of an exported function. `contained!({ … })` is a block that ends in `Ok(())` or
/// leaves with `?`, and becomes a status; `contained!(or fallback, { … })` is a block with a value.
/// After a panic the status is `REGO_STATUS_PANIC`, the value `fallback`.
macro_rules! contained {
    (or $fallback:expr, $body:block) => {
        $crate::guard::value($fallback, || $body)
    };
    ($body:block) => {
        $crate::guard::status(|| $body)
    };
}

#[inline]
pub(crate) fn status(body: impl FnOnce() -> Checked<()>) -> rego_status {
    value(rego_status::REGO_STATUS_PANIC, || match body() {
        Ok(()) => rego_status::REGO_STATUS_OK,
        Err(status) => status,
    })
}

/// What calls share changes in one step each, so a panic leaves nothing half changed.
#[inline]
pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        let status = contained!({ panic!("on purpose") });
        assert_eq!(status, rego_status::REGO_STATUS_PANIC);
        assert!(contained!(or true, { panic!("on purpose") }));
    }

    #[test]
    fn what_does_not_panic_goes_through() {
        assert_eq!(contained!({ Ok(()) }), rego_status::REGO_STATUS_OK);
        let stale = contained!({ Err(rego_status::REGO_STATUS_STALE) });
        assert_eq!(stale, rego_status::REGO_STATUS_STALE);
        assert_eq!(contained!(or 1, { 2 }), 2);
    }
}
