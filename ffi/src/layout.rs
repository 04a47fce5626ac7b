//! The structs in memory: what Rust lays out is what C compilers make of the header.

#[path = "../tests/support/compiler.rs"]
mod compiler;

use std::{
    fmt::Write,
    mem::{align_of, offset_of, size_of},
};

use compiler::Compiler;

use crate::{
    call::rego_begin,
    classifiers::{rego_classifier, rego_context},
    crossing::{Sized32, rego_str},
    engine::rego_options,
    error::rego_error,
    events::rego_event,
    execute::{rego_attempt_info, rego_executor, rego_result, rego_work},
    facts::{rego_completion, rego_outcome},
    standing::{rego_settlement, rego_standing},
    step::{rego_action, rego_step},
    timeline::{rego_attempt_record, rego_timeline},
};

/// Assertions, for a C compiler, that a struct has this size, this alignment and these fields where
/// Rust has them, and nothing in between.
macro_rules! assert_layout {
    ($text:ident, $($name:ident { $($field:ident),+ $(,)? })+) => {$(
        let (size, align) = (size_of::<$name>(), align_of::<$name>());
        let name = stringify!($name);
        writeln!($text, "CHECK(sizeof({name}) == {size}, \"{name}\");")?;
        writeln!($text, "CHECK(ALIGN({name}) == {align}, \"{name}\");")?;
        let mut fields = 0;
        $(
            let (field, offset) = (stringify!($field), offset_of!($name, $field));
            writeln!($text, "CHECK(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");")?;
            let bytes = size_of_field(|it: &$name| &it.$field);
            writeln!($text, "CHECK(sizeof((({name} *)0)->{field}) == {bytes}, \"{field}\");")?;
            assert_eq!(offset, fields, "there is padding before {name}.{field}");
            fields += bytes;
        )+
        assert_eq!(size, fields, "{name} has a field that is not here, or padding at its end");
    )+};
}

fn assertions() -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    assert_layout! { text,
        rego_str { ptr, len }
        rego_error { struct_size, status, message }
        rego_options {
            struct_size, abi_version, seed, now, max_live_calls, max_keys, max_events, reserved,
            classifiers, n_classifiers,
        }
        rego_begin { struct_size, flags, now, deadline, cookie, idempotent, priority, edition }
        rego_standing {
            struct_size, flags, edition, attempt_timeout, overall_timeout, current, reserved,
        }
        rego_settlement { struct_size, in_flight, now, lengths, n_lengths }
        rego_completion { struct_size, kind, code, flags, method, reserved, retry_after, result }
        rego_outcome { struct_size, kind, failure, reserved, backoff, result }
        rego_action {
            kind, reason, call, cookie, attempt, deadline, result, retry_after, number,
            retry_index, hedge_index, reserved,
        }
        rego_step { struct_size, n_actions, flags, reserved, wake_at, actions }
        rego_classifier { struct_size, reserved, name, userdata, classify, drop }
        rego_context { struct_size, idempotent, attempt, reserved }
        rego_timeline {
            struct_size, verdict, policy_source, answer, attempts, notes_dropped, started,
            first_started, ended, reserved, key, policy_id, policy_version,
        }
        rego_attempt_record {
            struct_size, number, kind, retry_index, hedge_index, outcome, failure, completion,
            code, cancelled, budget, budget_cost, late, reserved, queued, started, ended, backoff,
        }
        rego_attempt_info {
            struct_size, number, kind, retry_index, hedge_index, reserved, attempt, call, deadline,
        }
        rego_result {
            struct_size, verdict, attempts, answer, completion, code, result, retry_after, call,
        }
        rego_work {
            struct_size, flags, idempotent, priority, userdata, attempt, on_cancel, discard,
            on_begin, on_done, drop,
        }
        rego_executor { struct_size, reserved, userdata, spawn, schedule, now, drop }
        rego_event {
            struct_size, kind, call, at, time, attempt, reason, detail, count, completion, code,
            key,
        }
    }
    Ok(text)
}

const fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

#[test]
fn c_and_cpp_lay_structs_out_as_rust_does() {
    let assertions = assertions().expect("strings take all that is written");
    let c = "#define CHECK(yes, what) _Static_assert(yes, what)\n#define ALIGN _Alignof\n";
    let cpp = "#define CHECK(yes, what) static_assert(yes, what)\n#define ALIGN alignof\n";
    for (compiler, definitions) in [(Some(Compiler::c()), c), (Compiler::cpp(), cpp)] {
        let Some(compiler) = compiler else { continue };
        let source = format!("#include <rego.h>\n{definitions}{assertions}");
        compiler.compile(&[], &source).unwrap_or_else(|errors| panic!("{errors}"));
        // The control: a struct that differs is noticed.
        let wrong = format!("{source}CHECK(sizeof(rego_begin) == 41, \"control\");\n");
        assert!(compiler.compile(&[], &wrong).is_err_and(|errors| errors.contains("control")));
    }
}

#[test]
fn what_is_read_has_its_first_size_while_there_is_one_version() {
    const fn first<T: Sized32>() -> (usize, usize) {
        (T::FIRST, size_of::<T>())
    }
    for (first, now) in [
        first::<rego_options>(),
        first::<rego_error>(),
        first::<rego_begin>(),
        first::<rego_standing>(),
        first::<rego_settlement>(),
        first::<rego_completion>(),
        first::<rego_outcome>(),
        first::<rego_step>(),
        first::<rego_classifier>(),
        first::<rego_timeline>(),
        first::<rego_result>(),
        first::<rego_work>(),
        first::<rego_executor>(),
    ] {
        assert_eq!(first, now);
    }
}
