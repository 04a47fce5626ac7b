//! `include/rego.h` is what the source says, and compilers of every dialect take it.

#[path = "support/compiler.rs"]
mod compiler;

use std::{fs, path::Path};

use compiler::Compiler;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../include/rego.h");
/// What stands before everything: the chapters.
const CHAPTERS: &str = include_str!("../header/chapters.h");
/// What stands behind the includes: macros.
const MACROS: &str = include_str!("../header/macros.h");

fn generate() -> String {
    let mut config = cbindgen::Config::from_file(Path::new(ROOT).join("cbindgen.toml"))
        .expect("the configuration is in order");
    config.header = Some(CHAPTERS.trim_end().to_owned());
    let [major, minor, patch] = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ];
    let version =
        MACROS.replace("@MAJOR@", major).replace("@MINOR@", minor).replace("@PATCH@", patch);
    config.after_includes = Some(version.trim_end().to_owned());
    let bindings = cbindgen::Builder::new().with_crate(ROOT).with_config(config).generate();
    let mut header = Vec::new();
    bindings.expect("the source can be read").write(&mut header);
    String::from_utf8(header).expect("the source is UTF-8")
}

#[test]
fn the_header_is_up_to_date() {
    let fresh = generate();
    if std::env::var_os("REGO_BLESS").is_some() {
        fs::write(PATH, &fresh).expect("the header can be written");
    }
    let committed = fs::read_to_string(PATH).unwrap_or_default();
    let command = "REGO_BLESS=1 cargo test -p rego-ffi --test header";
    for (number, (is, should)) in (1..).zip(committed.lines().zip(fresh.lines())) {
        assert_eq!(is, should, "include/rego.h:{number} has drifted: {command}");
    }
    assert!(committed == fresh, "include/rego.h is too short or too long: {command}");
}

#[test]
fn every_function_tells_its_thread_safety() {
    let header = generate();
    let mut functions = 0;
    let mut comment = String::new();
    for line in header.lines() {
        if line.starts_with("/**") {
            comment.clear();
        }
        comment.push_str(line);
        if line.starts_with("REGO_API") {
            assert!(comment.contains("Threads: "), "{line}");
            functions += 1;
            comment.clear();
        }
    }
    assert_eq!(functions, header.matches("REGO_NOEXCEPT;").count());
    assert!(functions > 0);
}

#[test]
fn it_is_plain_ascii() {
    let header = generate();
    let line = (1..).zip(header.lines()).find(|(_, line)| !line.is_ascii());
    assert_eq!(line, None);
}

#[test]
fn the_chapters_are_there() {
    for chapter in
        ["LAYERS", "THREADS", "LIFETIMES", "RE-ENTRANCY", "FORK", "UNLOADING", "POINTERS"]
    {
        assert!(CHAPTERS.contains(&format!("\n * {chapter}\n")), "{chapter}");
    }
}

/// A program that includes the header twice; `program` adds a use of every initialiser.
const USER: &str = r#"
#include <rego.h>
#include <rego.h>
rego_begin begin(void);
rego_begin begin(void) { rego_begin it = REGO_BEGIN_INIT; it.flags |= REGO_BEGIN_KEEP; return it; }
rego_completion facts(void);
rego_completion facts(void) {
  rego_completion it = REGO_COMPLETION_INIT;
  it.kind = REGO_COMPLETION_HTTP;
  it.flags = REGO_COMPLETION_NOT_SENT | REGO_COMPLETION_DO_NOT_RETRY;
  return it;
}
rego_str text(void);
rego_str text(void) { return REGO_STR("svc.Get"); }
uint32_t version(void);
uint32_t version(void) { return REGO_VERSION_NUMBER; }
#if REGO_VERSION_NUMBER / 1000000 != REGO_VERSION_MAJOR
#  error "no number"
#endif
int is_done(const rego_action *action);
int is_done(const rego_action *action) {
  switch (action->kind) {
    case REGO_ACTION_DONE: return action->reason == REGO_VERDICT_SUCCESS;
    default: return action->deadline == REGO_TIME_NEVER;
  }
}
int works(rego_engine *engine, rego_str name, rego_key *key);
int works(rego_engine *engine, rego_str name, rego_key *key) {
  rego_status status = rego_key_intern(engine, name, key);
  return status == REGO_STATUS_OK;
}
"#;

/// Every macro of the header's that initialises a struct, with the type of that.
fn initialisers() -> Vec<(&'static str, String)> {
    let macros = MACROS.lines().filter_map(|line| line.strip_prefix("#define ")?.split(' ').next());
    let named = |name: &'static str| Some((name, name.strip_suffix("_INIT")?.to_ascii_lowercase()));
    macros.filter_map(named).collect()
}

/// `USER`, and a function for each of these macros.
fn program(initialisers: &[(&str, String)]) -> String {
    let functions = initialisers.iter().map(|(name, of)| {
        format!("{of} make_{of}(void);\n{of} make_{of}(void) {{ {of} it = {name}; return it; }}\n")
    });
    USER.to_owned() + &functions.collect::<String>()
}

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

/// Those of C++ besides: a program may include the header by `-I`, and then they are of it as well.
const STRICT_CPP: &[&str] = &[
    "-Wold-style-cast",
    "-Wzero-as-null-pointer-constant",
    "-Wuseless-cast",
    // Not every compiler has all of them.
    "-Wno-unknown-warning-option",
];

#[test]
fn every_dialect_of_c_takes_it() {
    let (cc, program) = (Compiler::c(), program(&initialisers()));
    for dialect in ["c99", "c11", "c17", "c2x"] {
        cc.compile(&[STRICT, &[&format!("-std={dialect}")]].concat(), &program)
            .unwrap_or_else(|errors| panic!("{dialect}: {errors}"));
    }
}

#[test]
fn every_dialect_of_cpp_takes_it() {
    let Some(cpp) = Compiler::cpp() else { return };
    let program = program(&initialisers());
    for dialect in ["c++11", "c++14", "c++17", "c++20", "c++23"] {
        cpp.compile(&[STRICT, STRICT_CPP, &[&format!("-std={dialect}")]].concat(), &program)
            .unwrap_or_else(|errors| panic!("{dialect}: {errors}"));
    }
}

/// The control of the two above: an initialiser that forgets a field, of each.
#[test]
fn an_initialiser_that_is_too_short_is_noticed() {
    let cc = Compiler::c();
    let all = initialisers();
    assert_eq!(all.len(), MACROS.matches("_INIT").count());
    for one in all.chunks(1) {
        let (name, of) = &one[0];
        let short = format!("#undef {name}\n#define {name} {{(uint32_t)sizeof({of})}}\n");
        let wrong = program(one).replacen(&format!("{of} make_"), &format!("{short}{of} make_"), 1);
        let refused = cc.compile(STRICT, &wrong);
        assert!(refused.is_err_and(|e| e.contains("missing-field-initializers")), "{name}");
    }
}

/// What is handed to `rego.hpp` and cannot be, with the reason that it tells.
const REFUSED: &[(&str, &str)] = &[
    ("e.run(k, [] { return 1; });", "an operation is called with a `const rego::attempt &`"),
    (
        "struct { void spawn(rego::task) {} } p; e.call(k, p, op);",
        "a pool has `bool spawn(rego::task)`",
    ),
    (
        "struct { bool spawn(rego::task) { return false; } void schedule(rego::time, rego::task) {} } p; \
         e.call(k, p, op);",
        "a pool that is the timer has `bool schedule(rego::time, rego::task)`",
    ),
    (
        "struct { bool spawn(rego::task) { return false; } \
         bool schedule(rego::time, rego::task &) { return false; } } p; e.call(k, p, op);",
        "a pool that is the timer has `bool schedule(rego::time, rego::task)`",
    ),
];

#[test]
fn the_cpp_front_says_why_it_refuses() {
    let Some(cpp) = Compiler::cpp() else { return };
    let compile = |body: &str| {
        let source = format!(
            "#include <rego.hpp>\nvoid f(rego::engine e, rego::key k);\n\
             void f(rego::engine e, rego::key k) {{\n\
             const auto op = [](const rego::attempt &it) {{ return it.number(); }};\n\
             e.run(k, op).value();\n{body}\n}}\n"
        );
        cpp.compile(&["-std=c++17"], &source)
    };
    for (body, why) in REFUSED {
        let errors = compile(body).expect_err(body);
        assert!(errors.contains(why), "{body}: {errors}");
        // Nothing before that, from deep inside.
        let first = errors.lines().find(|line| line.contains("error:")).unwrap_or_default();
        assert!(first.contains(why), "{body}: {first}");
    }
    // What is said in another way is taken.
    for body in [
        "e.run(k, &rego::attempt::number).value();",
        "struct { bool spawn(rego::task) { return false; } } p; e.call(k, p, op).value();",
        "struct { bool spawn(rego::task) { return false; } \
         bool schedule(rego::time, rego::task) { return false; } } p; \
         e.submit(k, p, &rego::attempt::is_hedge, &rego::outcome<bool>::ok).value();",
        "struct { int spawn(rego::task) { return 0; } int schedule(rego::time, rego::task) { return 0; } } p; \
         e.call(k, p, op).value();",
    ] {
        compile(body).unwrap_or_else(|errors| panic!("{body}: {errors}"));
    }
}

/// The control of them, too, and of the attribute.
#[test]
fn a_status_that_is_thrown_away_is_noticed() {
    let careless = "#include <rego.h>\nvoid f(rego_engine *e, rego_step *s);\n\
                    void f(rego_engine *e, rego_step *s) { rego_call_poll(e, 1, 1, s); }\n";
    let refused = Compiler::c().compile(STRICT, careless);
    assert!(refused.is_err_and(|errors| errors.contains("unused-result")));
}
