//! What is exported, what it looks like, and what becomes of it when it is unloaded.

use std::{fs, path::PathBuf};

use super::{noticed, noticed_as};
use crate::{
    shell::{Failure, Root},
    test::build_library,
};

const STATIC: &[&str] = &["target/debug/librego.a", "-lpthread", "-ldl", "-lm"];
const SHARED: &[&str] = &["-Ltarget/debug", "-lrego", "-Wl,-rpath,$ORIGIN/../debug"];

/// A program that names every function is linked, both ways.
pub(super) fn every_symbol(root: &Root) -> Result<(), Failure> {
    build_library(root)?;
    let names = declared(root)?;
    let program = |more: &str| {
        let table: String = names.iter().map(|name| format!("  (any)&{name},\n")).collect();
        format!(
            "#include <rego.h>\ntypedef void (*any)(void);\nvoid rego_no_such_function(void);\n\
             int main(void) {{\n  static any volatile table[] = {{\n{table}{more}  }};\n  \
             for (unsigned i = 0; i < sizeof table / sizeof *table; i++)\n    \
             if (table[i] == 0) return 1;\n  return 0;\n}}\n"
        )
    };
    let file = scratch(root, "every.c", &program(""))?;
    let wrong = scratch(root, "none.c", &program("  (any)&rego_no_such_function,\n"))?;
    for (name, library) in [("static", STATIC), ("shared", SHARED)] {
        let out = format!("target/abi/every-{name}");
        compile(root, &file, &out, library)?;
        root.program(&format!("./{out}"), &[]).go()?;
        noticed("a function that does not exist", compile(root, &wrong, &out, library))?;
    }
    println!("{} functions", names.len());
    Ok(())
}

/// The header's own types and functions against those of the baseline.
pub(super) fn baseline(root: &Root) -> Result<(), Failure> {
    let committed = root.join("ffi/abi/rego.abi");
    let header = read(root, "include/rego.h")?;
    let now = dump(root, "now", &header)?;
    if std::env::var_os("REGO_BLESS").is_some() {
        fs::copy(root.join(&now), &committed)
            .map_err(|error| Failure::Failed(format!("cannot write the baseline: {error}")))?;
    }
    diff(root, &now)?;
    let field = "  uint32_t n_actions;";
    let changed = header.replace(field, "  uint64_t n_actions;");
    if changed == header {
        return Err(Failure::Failed(format!("the control finds no `{field}` in the header")));
    }
    let wrong = dump(root, "wrong", &changed)?;
    noticed("a field that grows", diff(root, &wrong))?;
    // However it is broken into lines.
    let function = "rego_status rego_call_end(";
    let Some((before, (_, after))) = header
        .split_once(function)
        .and_then(|(before, rest)| Some((before, rest.split_once(')')?)))
    else {
        return Err(Failure::Failed("the control finds no rego_call_end".to_owned()));
    };
    let changed = format!("{before}int16_t rego_call_end(struct rego_engine *engine){after}");
    let wrong = dump(root, "wrong", &changed)?;
    noticed("a function that loses an argument", diff(root, &wrong))
}

fn diff(root: &Root, now: &str) -> Result<(), Failure> {
    // What is only added breaks nobody.
    let arguments = ["--no-added-syms", "--no-architecture", "ffi/abi/rego.abi", now];
    root.program("abidiff", &arguments).go()
}

/// The header as a library that does nothing, with all that debuggers know, and that as text.
fn dump(root: &Root, name: &str, header: &str) -> Result<String, Failure> {
    let source = scratch(root, &format!("{name}.c"), &with_bodies(header))?;
    let (library, text) = (format!("target/abi/{name}.so"), format!("target/abi/{name}.abi"));
    let flags = ["-g", "-O0", "-w", "-shared", "-fPIC", "-fno-eliminate-unused-debug-types"];
    root.program("cc", &[&flags[..], &["-o", &library, &source]].concat()).go()?;
    let dump = ["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file", &text];
    root.program("abidw", &[&dump[..], &[&library]].concat()).go()?;
    Ok(text)
}

/// Every declaration becomes a definition.
fn with_bodies(header: &str) -> String {
    header.replace("REGO_NOEXCEPT;", "{ __builtin_trap(); }").replace("REGO_API\n", "\n")
}

/// A thread that used the library ends after it was unloaded.
pub(super) fn unload(root: &Root) -> Result<(), Failure> {
    build_library(root)?;
    let probe = "target/abi/unload";
    scratch(root, "unload.txt", "")?;
    compile(root, "ffi/tests/abi/unload.c", probe, &["-ldl", "-pthread"])?;
    root.program(&format!("./{probe}"), &["target/debug/librego.so"]).go()?;
    // The same code without `-z nodelete`.
    let wrong = linked(root, "unloadable", &[])?;
    let control = root.program(&format!("./{probe}"), &[&wrong]);
    noticed_as("a library that goes", control, "it is gone")?;
    // glibc keeps a library for as long as a thread has something of it to destroy. Without that help
    // the one still stays, and the other goes.
    let keyed = ["-Wall", "-Wextra", "-Werror", "-fPIC", "ffi/tests/abi/keyed.c"];
    let right = linked(root, "keyed", &[&keyed[..], &["-Wl,-z,nodelete"]].concat())?;
    root.program(&format!("./{probe}"), &[&right, "thread"]).go()?;
    let wrong = linked(root, "keyed-unloadable", &keyed)?;
    let control = root.program(&format!("./{probe}"), &[&wrong, "thread"]);
    noticed_as("a library that goes before its threads", control, "now the thread ends")
}

/// The library's code as a shared library of another kind.
fn linked(root: &Root, name: &str, more: &[&str]) -> Result<String, Failure> {
    let out = format!("target/abi/{name}.so");
    let whole = ["-Wl,--whole-archive", "target/debug/librego.a", "-Wl,--no-whole-archive"];
    let libraries = ["-lpthread", "-ldl", "-lm", "-lgcc_s"];
    let link = [&["-shared", "-o", &out], more, &whole[..], &libraries].concat();
    root.program("cc", &link).go()?;
    Ok(out)
}

fn declared(root: &Root) -> Result<Vec<String>, Failure> {
    let header = read(root, "include/rego.h")?;
    let declarations = header.split("\nREGO_API").skip(1);
    let names = declarations.filter_map(|after| {
        let before = after.split('(').next()?;
        before.rsplit([' ', '*', '\n']).next().map(str::to_owned)
    });
    Ok(names.collect())
}

fn compile(root: &Root, source: &str, out: &str, more: &[&str]) -> Result<(), Failure> {
    let flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-o", out, source];
    root.program("cc", &[&flags[..], more].concat()).go()
}

fn read(root: &Root, path: &str) -> Result<String, Failure> {
    fs::read_to_string(root.join(path))
        .map_err(|error| Failure::Failed(format!("cannot read {path}: {error}")))
}

/// A file below `target/abi`.
pub(super) fn scratch(root: &Root, name: &str, text: &str) -> Result<String, Failure> {
    let folder: PathBuf = root.join("target/abi");
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(name), text));
    written.map_err(|error| Failure::Failed(format!("cannot write {name}: {error}")))?;
    Ok(format!("target/abi/{name}"))
}
