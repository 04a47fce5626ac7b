use super::*;

/// A struct as this version knows it: the third field came later.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Now {
    struct_size: u32,
    old: u32,
    new: u32,
}

// SAFETY: because it is three numbers, of which the first is its size.
unsafe impl Sized32 for Now {
    const FIRST: usize = 8;
}

/// What callers pass: the struct of this version, and some of what may follow.
type Memory = [u32; 5];

fn pass(memory: &Memory) -> Checked<Now> {
    // SAFETY: because no test says a size beyond its memory, unless it is huge.
    unsafe { read(memory.as_ptr().cast()) }
}

#[test]
fn a_struct_of_this_version_is_read() {
    assert_eq!(pass(&[12, 1, 2, 9, 9]), Ok(Now { struct_size: 12, old: 1, new: 2 }));
}

#[test]
fn an_older_struct_is_accepted_and_what_it_lacks_is_zero() {
    assert_eq!(pass(&[8, 1, 2, 9, 9]), Ok(Now { struct_size: 8, old: 1, new: 0 }));
}

#[test]
fn a_newer_struct_is_accepted_if_its_news_are_zero() {
    assert_eq!(pass(&[20, 1, 2, 0, 0]), Ok(Now { struct_size: 20, old: 1, new: 2 }));
    assert_eq!(pass(&[20, 1, 2, 0, 9]), Err(REGO_STATUS_UNSUPPORTED));
    assert_eq!(pass(&[16, 1, 2, 9, 9]), Err(REGO_STATUS_UNSUPPORTED));
    assert_eq!(pass(&[16, 1, 2, 0, 9]), Ok(Now { struct_size: 16, old: 1, new: 2 }));
}

#[test]
fn a_size_that_no_version_had_is_refused() {
    for size in [0, 1, 7, 4_097, u32::MAX] {
        assert_eq!(pass(&[size, 1, 2, 0, 0]), Err(REGO_STATUS_INVALID), "{size}");
    }
}

#[test]
fn null_and_crooked_pointers_are_refused() {
    // SAFETY: because NULL is what is to be refused.
    assert_eq!(unsafe { read::<Now>(ptr::null()) }, Err(REGO_STATUS_NULL));
    let memory: Memory = [12, 1, 2, 0, 0];
    let crooked = memory.as_ptr().cast::<u8>().wrapping_add(1).cast::<Now>();
    // SAFETY: because it is refused before it is read.
    assert_eq!(unsafe { read(crooked) }, Err(REGO_STATUS_INVALID));
}

#[test]
fn a_result_needs_room_for_what_was_always_there() {
    let size = |size: u32, tail: u32| {
        let mut memory: Memory = [size, 0, 0, tail, 0];
        // SAFETY: because the memory is as large as the sizes below say.
        unsafe { Out::sized(memory.as_mut_ptr().cast::<Now>()) }.map(drop)
    };
    assert_eq!(size(4, 0), Err(REGO_STATUS_INVALID));
    assert_eq!(size(8, 9), Ok(()));
    assert_eq!(size(12, 9), Ok(()));
    assert_eq!(size(16, 0), Ok(()));
    assert_eq!(size(16, 9), Err(REGO_STATUS_UNSUPPORTED));
}

#[test]
fn an_older_caller_is_told_what_it_knows() {
    let mut memory: Memory = [8, 1, 77, 77, 77];
    // SAFETY: because the memory is larger than the size says.
    let mut out = unsafe { Out::sized(memory.as_mut_ptr().cast::<Now>()) }.expect("as it was once");
    let was = out.with(|now| std::mem::replace(now, Now { struct_size: 8, old: 5, new: 6 }));
    assert_eq!(was, Now { struct_size: 8, old: 1, new: 0 });
    assert_eq!(memory, [8, 5, 77, 77, 77]);
}

#[test]
fn elements_are_as_large_as_their_array_says() {
    let told = |stride: usize| {
        let mut memory = [77_u32; 8];
        let at = memory.as_mut_ptr().cast::<Now>();
        // SAFETY: because two elements of each stride below fit.
        let mut array = unsafe { Array::new(at, (stride, Now::FIRST), 2) }?;
        while array.room() > 0 {
            array.push(Now { struct_size: 12, old: 5, new: 6 });
        }
        Ok(memory)
    };
    assert_eq!(told(8), Ok([8, 5, 8, 5, 77, 77, 77, 77]));
    assert_eq!(told(12), Ok([12, 5, 6, 12, 5, 6, 77, 77]));
    assert_eq!(told(16), Ok([12, 5, 6, 0, 12, 5, 6, 0]));
    assert_eq!(told(4), Err(REGO_STATUS_INVALID));
}

fn text_of(ptr: *const u8, len: usize) -> Checked<String> {
    // SAFETY: because each test says as many bytes as there are, or what is refused unread.
    unsafe { text(rego_str { ptr: ptr.cast(), len }) }.map(str::to_owned)
}

#[test]
fn text_is_utf8_and_may_be_nowhere_if_it_is_empty() {
    assert_eq!(text_of(ptr::null(), 0).as_deref(), Ok(""));
    assert_eq!(text_of(ptr::null(), 1), Err(REGO_STATUS_NULL));
    assert_eq!(text_of("é".as_ptr(), 2).as_deref(), Ok("é"));
    assert_eq!(text_of("é".as_ptr(), 1), Err(REGO_STATUS_INVALID));
    assert_eq!(text_of("x".as_ptr(), usize::MAX), Err(REGO_STATUS_INVALID));
}

#[test]
fn text_goes_out_in_whole_characters_with_its_nul() {
    let write = |capacity: usize| {
        let mut buffer = [b'#'; 6];
        let mut len = 0;
        // SAFETY: because `len` outlives it.
        let out = unsafe { Out::new(&raw mut len) }.expect("not NULL");
        // SAFETY: because no capacity below is beyond the buffer.
        let written = unsafe { write_text("aé", buffer.as_mut_ptr().cast(), capacity, out) };
        assert_eq!(written, Ok(()));
        assert_eq!(len, 3);
        buffer
    };
    assert_eq!(&write(0), b"######");
    assert_eq!(&write(1), b"\0#####");
    assert_eq!(&write(3), b"a\0####");
    assert_eq!(&write(4), b"a\xc3\xa9\0##");
}
