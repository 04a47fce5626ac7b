//! The wall that no panic gets through.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

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
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        // Relaxed: only the number matters.
        CONTAINED.fetch_add(1, Ordering::Relaxed);
        fallback
    })
}

/// How many panics have come to the wall. Of the process: where a panic came from no engine is known
/// any more.
static CONTAINED: AtomicU64 = AtomicU64::new(0);

/// An engine's metrics, with those of the wall.
pub(crate) fn add_to(mut metrics: String) -> String {
    const END: &str = "# EOF\n";
    // Relaxed: as above.
    let contained = CONTAINED.load(Ordering::Relaxed);
    let end = metrics.trim_end_matches(END).len();
    metrics.truncate(end);
    metrics.push_str("# TYPE rego_boundary_panics counter\n");
    metrics.push_str(
        "# HELP rego_boundary_panics Defects that became REGO_STATUS_PANIC, in this process.\n",
    );
    metrics.push_str(&format!("rego_boundary_panics_total {contained}\n{END}"));
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        let before = CONTAINED.load(Ordering::Relaxed);
        let status = contained!({ panic!("on purpose") });
        assert_eq!(status, rego_status::REGO_STATUS_PANIC);
        let after = CONTAINED.load(Ordering::Relaxed);
        assert!(after > before);
        let text = add_to("a 1\n# EOF\n".to_owned());
        let (families, count) = text.split_once("rego_boundary_panics_total ").expect("told");
        assert!(families.starts_with("a 1\n# TYPE") && count.ends_with("\n# EOF\n"), "{text}");
        assert!(count.lines().next().and_then(|n| n.parse().ok()) >= Some(after), "{text}");
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
