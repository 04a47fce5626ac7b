//! Why something failed, for people.

use std::{ffi::c_char, fmt::Display};

use crate::{
    crossing::{Checked, Out, Sized32},
    guard,
    status::rego_status::{
        self, REGO_STATUS_INVALID, REGO_STATUS_NULL, REGO_STATUS_OK, REGO_STATUS_PANIC,
        REGO_STATUS_UNSUPPORTED,
    },
};

/// Why a function failed, for people. Begin with `REGO_ERROR_INIT`; written wherever the function
/// fails, and only there, unless it cannot be written itself: that is what the function answers then.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_error {
    /// `sizeof(rego_error)`.
    pub struct_size: u32,
    /// The status that the function answers.
    pub status: i32,
    /// UTF-8, ended by a NUL, cut where it is too long.
    pub message: [c_char; 248],
}

// SAFETY: because it is numbers without padding, of which the first is its size.
unsafe impl Sized32 for rego_error {
    const FIRST: usize = 256;
}

/// What went wrong, with a text for people.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: rego_status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn invalid(message: &impl Display) -> Self {
        Self::of(REGO_STATUS_INVALID, message)
    }

    pub(crate) fn of(status: rego_status, message: impl Display) -> Self {
        Self { status, message: message.to_string() }
    }

    /// An argument is refused, before it is looked at more closely.
    pub(crate) fn argument(status: rego_status, name: &str) -> Self {
        let why = match status {
            REGO_STATUS_NULL => "is NULL",
            REGO_STATUS_UNSUPPORTED => {
                "has a part that this version does not know, and that is not 0"
            }
            _ => "is not aligned, or has a size that is none",
        };
        Self::of(status, format_args!("{name} {why}"))
    }
}

/// Where the caller wants to read what went wrong, if anywhere.
pub(crate) struct Explained(Option<Out<rego_error>>);

impl Explained {
    /// # Safety
    ///
    /// `to` is NULL, or as its type says.
    pub(crate) unsafe fn new(to: *mut rego_error) -> Checked<Self> {
        if to.is_null() {
            return Ok(Self(None));
        }
        // SAFETY: because the caller promises as much.
        Ok(Self(Some(unsafe { Out::sized(to) }?)))
    }

    /// The body of a function: whatever it fails with is told, a panic as well.
    pub(crate) fn by(self, body: impl FnOnce() -> Result<(), Failure>) -> Checked<()> {
        let panicked = Failure::of(REGO_STATUS_PANIC, "a defect of the library's own");
        guard::value(Err(panicked), body).map_err(|failure| {
            if let Some(mut out) = self.0 {
                out.with(|out| out.tell(&failure));
            }
            failure.status
        })
    }
}

impl rego_error {
    fn tell(&mut self, failure: &Failure) {
        self.status = failure.status as i32;
        let room = self.message.len() - 1;
        let kept = failure.message.floor_char_boundary(room);
        let bytes = failure.message.bytes().take(kept);
        self.message.fill(0);
        for (to, byte) in self.message.iter_mut().zip(bytes) {
            *to = c_char::from_ne_bytes([byte]);
        }
    }
}

const _: () = assert!(REGO_STATUS_OK as i32 == 0);

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn a_panic_is_told_as_any_failure() {
        let mut error = rego_error {
            struct_size: size_of::<rego_error>() as u32,
            status: 0,
            message: [1; 248],
        };
        // SAFETY: because it is a local that begins with its size.
        let told = unsafe { Explained::new(&raw mut error) }.expect("it can be written");
        assert_eq!(told.by(|| panic!("on purpose")), Err(REGO_STATUS_PANIC));
        assert_eq!(error.status, REGO_STATUS_PANIC as i32);
        // SAFETY: because it is ended by a NUL.
        let message = unsafe { CStr::from_ptr(error.message.as_ptr()) };
        assert_eq!(message, c"a defect of the library's own");
    }
}
