//! What the C ABI costs: a call that succeeds at once, begun and finished from C through the shared
//! library, beside the same two events in Rust.
//!
//! `cargo xtask bench boundary [--json]` builds the library first. A goal that is missed fails it, but
//! not with `--json`, where the row says so.

use std::{
    error::Error,
    ffi::{CString, c_int, c_void},
    hint::black_box,
    path::Path,
    process::Command,
};

use rego::{
    Completion, Engine, Nanos,
    manual::{Action, Begin},
};
use rego_benches::{Lane, Row, measure, met, to_json};

const RUST: &str = "begin and finish, Rust";
const C: &str = "begin and finish, C through the shared library";
const TURNS: usize = 401;

/// How much dearer C may be: this often, or this many ns, whichever is more.
const TIMES: f64 = 1.15;
const MORE: f64 = 10.0;

fn main() -> Result<(), Box<dyn Error>> {
    let c = Boundary::load()?;
    let engine = Engine::builder().clock(rego::ManualClock::default()).build()?;
    let (manual, site) = (engine.manual(), engine.site("user-service.GetUser"));
    let in_rust = move |n: u64| {
        for now in (1..=n).map(Nanos::from_nanos) {
            let (_, step) = manual.begin(&site, black_box(Begin::new(now)));
            let Some(Action::Start { attempt, .. }) = step.actions().next() else {
                unreachable!("a call begins with an attempt")
            };
            let step = manual.finish(attempt, now, &black_box(Completion::ok()), 0);
            black_box(step.expect("it was started")).verdict().expect("it worked");
        }
    };
    let in_c = move |n: u64| assert_eq!((c.calls)(n), 0, "all calls end well");
    let measured = measure(vec![Lane::new(RUST, in_rust), Lane::new(C, in_c)], TURNS);
    let bound = TIMES.max(1.0 + MORE / measured.nanos(RUST));
    let mut rows =
        vec![Row::goal("G11", "C beside Rust, begin and finish", measured.ratio(C, RUST), bound)];
    rows.extend(measured.rows());
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", to_json(&rows));
        return Ok(());
    }
    for Row { id, what, value, bound } in &rows {
        let bound = bound.map_or(String::new(), |bound| format!("  at most {bound:.2}"));
        println!("{id:<5} {value:>8.2}  {what}{bound}");
    }
    Ok(met(&rows)?)
}

/// `boundary.c`, compiled and loaded.
struct Boundary {
    calls: extern "C" fn(u64) -> u64,
}

impl Boundary {
    fn load() -> Result<Self, Box<dyn Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let built = root.join("target/release");
        let object = built.join("boundary.so");
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let status = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-Wall", "-Werror", "-o", &path(&object)])
            .args([path(&root.join("benches/boundary.c")), format!("-I{}/include", path(&root))])
            .args([format!("-L{}", path(&built)), "-lrego".to_owned()])
            .arg(format!("-Wl,-rpath,{}", path(&built)))
            .status()?;
        if !status.success() {
            return Err("boundary.c cannot be compiled; try `cargo xtask bench boundary`".into());
        }
        let name = CString::new(path(&object))?;
        // SAFETY: because the name is a C string, and what it loads initialises nothing.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() {
            return Err("boundary.so cannot be loaded".into());
        }
        let find = |name: &std::ffi::CStr| -> Result<*mut c_void, Box<dyn Error>> {
            // SAFETY: because the library was just loaded, and is never unloaded.
            let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
            if found.is_null() {
                Err("boundary.so is not what it should be".into())
            } else {
                Ok(found)
            }
        };
        // SAFETY: because `boundary.c` has a function of this name and type.
        let set_up: extern "C" fn(u32) -> c_int =
            unsafe { std::mem::transmute(find(c"boundary_set_up")?) };
        // SAFETY: because of the same.
        let calls: extern "C" fn(u64) -> u64 =
            unsafe { std::mem::transmute(find(c"boundary_calls")?) };
        if set_up(0) != 0 {
            return Err("the C side has no engine".into());
        }
        Ok(Self { calls })
    }
}
