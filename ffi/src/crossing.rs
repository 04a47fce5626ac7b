//! What comes in through pointers, and what goes out.
//!
//! The caller promises what the head of the header says of pointers: they are NULL or point to
//! what their type says, for as long as the function runs. Everything that can be checked beyond
//! that is checked here.

use std::{
    ffi::c_char,
    mem::{MaybeUninit, align_of, size_of},
    ptr, slice, str,
};

use rego::Nanos;

use crate::status::rego_status::{
    self, REGO_STATUS_INVALID, REGO_STATUS_NULL, REGO_STATUS_UNSUPPORTED,
};

/// A value, or the status to answer.
pub(crate) type Checked<T> = Result<T, rego_status>;

/// Text, borrowed for the duration of the call: UTF-8, and not ended by a NUL. `ptr` may be NULL
/// if `len` is 0. Made from a literal by `REGO_STR`.
///
/// The one struct that is passed by value: it is as small as it will ever be.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rego_str {
    /// Where it begins.
    pub ptr: *const c_char,
    /// How many bytes it has.
    pub len: usize,
}

/// A struct that begins with its own size, as its caller knows it.
///
/// # Safety
///
/// It is `repr(C)`, begins with `struct_size: u32`, has no padding, and any bits are a value of it.
pub(crate) unsafe trait Sized32: Copy {
    /// Its size when it was new. Nobody has ever compiled a smaller one.
    const FIRST: usize;
}

/// A size beyond this is a struct that was never initialised. The header and docs/abi.md promise it.
const HUGE: usize = 4_096;

/// Reads a struct. What an older caller does not have is 0; what a newer one has beyond this must
/// be 0.
///
/// # Safety
///
/// `from` is NULL, or valid for reads of as many bytes as its `struct_size` says.
#[inline]
pub(crate) unsafe fn read<T: Sized32>(from: *const T) -> Checked<T> {
    // SAFETY: because the caller promises as much.
    let size = unsafe { size_at(from) }?;
    if size == size_of::<T>() {
        // SAFETY: because it is there in full, aligned, and any bits are a value.
        return Ok(unsafe { from.read() });
    }
    // SAFETY: because the caller promises as much.
    let (value, tail) = unsafe { read_other(from, size) };
    tail.map(|()| value)
}

/// As [`read`], of a struct with which something is handed over: what is known of it also where its
/// tail is refused, as what it hands over is to be dropped then.
///
/// # Safety
///
/// As [`read`].
pub(crate) unsafe fn read_handed<T: Sized32>(from: *const T) -> Checked<(T, Checked<()>)> {
    // SAFETY: because the caller promises as much.
    let size = unsafe { size_at(from) }?;
    // SAFETY: because the caller promises as much.
    Ok(unsafe { read_other(from, size) })
}

/// # Safety
///
/// As [`read`].
unsafe fn size_at<T: Sized32>(from: *const T) -> Checked<usize> {
    check(from)?;
    // SAFETY: because it begins with its size, and is not NULL and aligned.
    let size = unsafe { from.cast::<u32>().read() };
    let size = usize::try_from(size).map_err(|_| REGO_STATUS_INVALID)?;
    if size < T::FIRST || size > HUGE { Err(REGO_STATUS_INVALID) } else { Ok(size) }
}

/// What is known of it, and whether its tail is as it must be.
///
/// # Safety
///
/// As [`read`]; `from` has been checked.
unsafe fn read_other<T: Sized32>(from: *const T, size: usize) -> (T, Checked<()>) {
    // SAFETY: because the caller promises as much.
    let tail = unsafe { check_tail(from, size) };
    let mut value = MaybeUninit::<T>::zeroed();
    let common = size.min(size_of::<T>());
    // SAFETY: because both are valid for as many bytes, and one is a local.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast(), common) };
    // SAFETY: because any bits are a value, zeros too.
    (unsafe { value.assume_init() }, tail)
}

/// Beyond what is known here there must be zeros.
///
/// # Safety
///
/// As [`read`]; `size` is its size.
unsafe fn check_tail<T>(from: *const T, size: usize) -> Checked<()> {
    let Some(more) = size.checked_sub(size_of::<T>()) else { return Ok(()) };
    // SAFETY: because it is followed by `more` bytes of the same struct, or ends there.
    let tail = unsafe { from.add(1) }.cast::<u8>();
    // SAFETY: because the caller promises that the whole struct can be read.
    let tail = unsafe { slice::from_raw_parts(tail, more) };
    if tail.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(REGO_STATUS_UNSUPPORTED) }
}

/// A place to write a result to.
#[derive(Debug)]
pub(crate) struct Out<T> {
    to: *mut T,
    /// How much of it its caller knows.
    size: usize,
}

impl<T> Out<T> {
    /// # Safety
    ///
    /// `to` is NULL, or valid for reads and writes until the function returns.
    pub(crate) unsafe fn new(to: *mut T) -> Checked<Self> {
        check(to)?;
        Ok(Self { to, size: size_of::<T>() })
    }

    /// One that begins with its size. What an older caller does not have it is not told; what a newer
    /// one has beyond this must be 0.
    ///
    /// # Safety
    ///
    /// As [`Out::new`], for as many bytes as its `struct_size` says.
    pub(crate) unsafe fn sized(to: *mut T) -> Checked<Self>
    where
        T: Sized32,
    {
        // SAFETY: because the caller promises as much.
        let size = unsafe { size_at(to) }?;
        // SAFETY: because the caller promises as much.
        unsafe { check_tail(to, size) }?;
        Ok(Self { to, size })
    }

    #[inline]
    pub(crate) fn set(self, value: T) {
        // SAFETY: because whoever made this promised it.
        unsafe { self.to.write(value) };
    }

    /// For what is changed in place. Only the size is sure to have been initialised. Where only the
    /// beginning of it is the caller's, the whole is made beside it.
    #[inline]
    pub(crate) fn with<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut beside = MaybeUninit::uninit();
        let is_older = self.size < size_of::<T>();
        let at = if is_older { self.lay_out(&mut beside) } else { self.to };
        // SAFETY: because whoever made this promised it, or it is a local, and any bits are a value.
        let answer = change(unsafe { &mut *at });
        if is_older {
            // SAFETY: because both are valid for as many bytes, and one is a local.
            unsafe { ptr::copy_nonoverlapping(at.cast::<u8>(), self.to.cast(), self.size) };
        }
        answer
    }

    /// What there is of it, and zeros.
    #[cold]
    fn lay_out(&self, beside: &mut MaybeUninit<T>) -> *mut T {
        *beside = MaybeUninit::zeroed();
        let at = beside.as_mut_ptr();
        // SAFETY: because both are valid for as many bytes, and one is the caller's local.
        unsafe { ptr::copy_nonoverlapping(self.to.cast::<u8>(), at.cast(), self.size) };
        at
    }
}

/// An array of the caller's, whose elements may be larger than they are known here, or smaller.
pub(crate) struct Array<T> {
    at: *mut T,
    stride: usize,
    capacity: usize,
    len: usize,
}

impl<T> Array<T> {
    /// # Safety
    ///
    /// `at` is NULL, or valid for writes of `capacity` elements of `stride` bytes, until this is
    /// dropped. An element of which there ever was a smaller one, `first` bytes long, begins with its
    /// size, a `u32`.
    pub(crate) unsafe fn new(
        at: *mut T,
        (stride, first): (usize, usize),
        capacity: usize,
    ) -> Checked<Self> {
        if at.is_null() && capacity > 0 {
            return Err(REGO_STATUS_NULL);
        }
        let crooked = !(at.addr() | stride).is_multiple_of(align_of::<T>());
        let huge = capacity.checked_mul(stride).is_none_or(|bytes| bytes > isize::MAX as usize);
        if crooked || huge || !(first..=HUGE).contains(&stride) {
            return Err(REGO_STATUS_INVALID);
        }
        Ok(Self { at, stride, capacity, len: 0 })
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn room(&self) -> usize {
        self.capacity - self.len
    }

    pub(crate) fn push(&mut self, value: T) {
        debug_assert!(self.room() > 0, "asked before");
        // SAFETY: because it is within the array.
        let place = unsafe { self.at.byte_add(self.len * self.stride) }.cast::<u8>();
        let told = self.stride.min(size_of::<T>());
        // SAFETY: because an element has at least this size, and the caller lets it be written.
        unsafe { ptr::copy_nonoverlapping((&raw const value).cast(), place, told) };
        // SAFETY: because it is within the element, or at its end.
        let rest = unsafe { place.add(told) };
        // SAFETY: because so many bytes of the element are left.
        unsafe { ptr::write_bytes(rest, 0, self.stride - told) };
        if told < size_of::<T>() {
            #[expect(clippy::cast_possible_truncation, reason = "it is less than the size")]
            // SAFETY: because an older element begins with its size, and is aligned.
            unsafe {
                place.cast::<u32>().write(told as u32);
            }
        }
        self.len += 1;
    }
}

/// A shared reference to what an opaque pointer points to.
///
/// # Safety
///
/// `at` is NULL, or points to a `T` that lives for `'a`.
#[inline]
pub(crate) unsafe fn shared<'a, T>(at: *const T) -> Checked<&'a T> {
    check(at)?;
    // SAFETY: because the caller promises as much.
    Ok(unsafe { &*at })
}

/// # Safety
///
/// `text` is as its type says, for `'a`.
pub(crate) unsafe fn text<'a>(text: rego_str) -> Checked<&'a str> {
    // SAFETY: because the caller promises as much.
    str::from_utf8(unsafe { bytes(text) }?).map_err(|_| REGO_STATUS_INVALID)
}

/// What should be a text.
///
/// # Safety
///
/// As [`text`].
pub(crate) unsafe fn bytes<'a>(text: rego_str) -> Checked<&'a [u8]> {
    if text.len == 0 {
        return Ok(&[]);
    }
    if text.ptr.is_null() {
        return Err(REGO_STATUS_NULL);
    }
    if isize::try_from(text.len).is_err() {
        return Err(REGO_STATUS_INVALID);
    }
    // SAFETY: because the caller promises as much, and no object is larger.
    Ok(unsafe { slice::from_raw_parts(text.ptr.cast::<u8>(), text.len) })
}

/// Writes `text` and a NUL, as far as there is room, in the way of `snprintf`: never half a
/// character, and the NUL always, if there is room for one.
///
/// # Safety
///
/// `buffer` is NULL, or valid for writes of `capacity` bytes.
pub(crate) unsafe fn write_text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    len: Out<usize>,
) -> Checked<()> {
    if let Some(room) = capacity.checked_sub(1) {
        check(buffer)?;
        let kept = text.floor_char_boundary(room);
        let buffer = buffer.cast::<u8>();
        // SAFETY: because `kept` is less than the capacity, and nobody else has the buffer.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), buffer, kept) };
        // SAFETY: because `kept` is less than the capacity.
        let end = unsafe { buffer.add(kept) };
        // SAFETY: as above.
        unsafe { end.write(0) };
    }
    len.set(text.len());
    Ok(())
}

/// A time that something happens at. `REGO_TIME_NEVER` is none.
#[inline]
pub(crate) fn time(now: u64) -> Checked<Nanos> {
    if now == u64::MAX { Err(REGO_STATUS_INVALID) } else { Ok(Nanos::from_nanos(now)) }
}

/// What has no meaning yet must be 0.
#[inline]
pub(crate) fn unused(bits: u32) -> Checked<()> {
    if bits == 0 { Ok(()) } else { Err(REGO_STATUS_UNSUPPORTED) }
}

#[inline]
fn check<T>(pointer: *const T) -> Checked<()> {
    if pointer.is_null() {
        Err(REGO_STATUS_NULL)
    } else if !pointer.addr().is_multiple_of(align_of::<T>()) {
        Err(REGO_STATUS_INVALID)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
