//! Which library this is.

use std::ffi::c_char;

/// The version of the ABI that this header describes. It changes when something that was there
/// changes its meaning or goes; what is only added changes nothing.
pub const REGO_ABI_VERSION: u32 = 1;

/// The version of the ABI that the library has, to compare with `REGO_ABI_VERSION`.
///
/// Threads: any thread, at any time; async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn rego_abi_version() -> u32 {
    contained!(or 0, { REGO_ABI_VERSION })
}

/// The version of the library, such as "0.1.0". Lives as long as the library.
///
/// Threads: any thread, at any time; async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn rego_version() -> *const c_char {
    contained!(or c"".as_ptr(), { VERSION.as_ptr().cast() })
}

/// With the NUL that C looks for.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
