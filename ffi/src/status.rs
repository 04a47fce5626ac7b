//! What a function answers.

use std::ffi::{CStr, c_char};

/// What a function answers: 0, or why it did nothing. How a call ended is never among them: that
/// is told by `REGO_ACTION_DONE`.
///
/// New ones are added at the end; none changes its number.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rego_status {
    /// It is done.
    REGO_STATUS_OK = 0,
    /// A pointer that must not be NULL is.
    REGO_STATUS_NULL = -1,
    /// An argument that is wrong in every version: a `struct_size` too small or beyond 4,096, a
    /// pointer that is not aligned, text that is not UTF-8, a number out of its range, a policy that
    /// is wrong.
    REGO_STATUS_INVALID = -2,
    /// An argument that a newer version may understand: an unknown flag, kind or ABI version, a
    /// reserved field or an unknown tail of a struct that is not 0.
    REGO_STATUS_UNSUPPORTED = -3,
    /// The id names nothing, or nothing any more.
    REGO_STATUS_STALE = -5,
    /// Not now: another thread has what only one may have, or this thread is in a callback in which
    /// nobody may wait.
    REGO_STATUS_BUSY = -6,
    /// The host took none of the work: its executor refused it.
    REGO_STATUS_CAPACITY = -7,
    /// A defect of the library's own, contained. The engine goes on.
    REGO_STATUS_PANIC = -100,
}

/// The name of a status, such as "REGO_STATUS_STALE"; of a number that is none, "unknown". Lives
/// as long as the library.
///
/// Threads: any thread, at any time; async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn rego_status_name(status: i32) -> *const c_char {
    contained!(or c"unknown".as_ptr(), { name(status).as_ptr() })
}

const fn name(status: i32) -> &'static CStr {
    match status {
        0 => c"REGO_STATUS_OK",
        -1 => c"REGO_STATUS_NULL",
        -2 => c"REGO_STATUS_INVALID",
        -3 => c"REGO_STATUS_UNSUPPORTED",
        -5 => c"REGO_STATUS_STALE",
        -6 => c"REGO_STATUS_BUSY",
        -7 => c"REGO_STATUS_CAPACITY",
        -100 => c"REGO_STATUS_PANIC",
        _ => c"unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rego_status::*;

    #[test]
    fn every_status_is_named_as_in_the_header() {
        let all = [
            REGO_STATUS_OK,
            REGO_STATUS_NULL,
            REGO_STATUS_INVALID,
            REGO_STATUS_UNSUPPORTED,
            REGO_STATUS_STALE,
            REGO_STATUS_BUSY,
            REGO_STATUS_CAPACITY,
            REGO_STATUS_PANIC,
        ];
        for status in all {
            assert_eq!(name(status as i32).to_str(), Ok(format!("{status:?}").as_str()));
        }
        assert_eq!(name(i32::MIN), c"unknown");
    }
}
