//! How the shared library is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    if is("CARGO_CFG_TARGET_OS", "linux") {
        // Before 1.0 every minor version may break its ABI.
        let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,librego.so.{major}.{minor}");
        // Threads of the host's run destructors of this library's thread-locals as they end:
        // unloading it before would leave them nothing to run.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
