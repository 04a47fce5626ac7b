//! What callbacks of the host's are handed, and the end of it.

use std::ffi::c_void;

/// The last that is heard of a `userdata`: called once, when no other callback that was registered
/// with it is running or will be, on whichever thread that comes about; also where the registration
/// fails. NULL if there is nothing to do.
pub type rego_drop_fn = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// A `userdata` that is the library's until this is dropped.
#[derive(Debug)]
pub(crate) struct Userdata {
    at: *mut c_void,
    drop: rego_drop_fn,
}

// SAFETY: because the host promises that its callbacks may be called by any thread, which is all
// that is done with it.
unsafe impl Send for Userdata {}
// SAFETY: because of the same.
unsafe impl Sync for Userdata {}

impl Userdata {
    /// # Safety
    ///
    /// `drop` may be called once, with `at`.
    pub(crate) const unsafe fn new(at: *mut c_void, drop: rego_drop_fn) -> Self {
        Self { at, drop }
    }

    #[inline]
    pub(crate) const fn get(&self) -> *mut c_void {
        self.at
    }
}

impl Drop for Userdata {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: because whoever made this promised it.
            unsafe { drop(self.at) };
        }
    }
}
