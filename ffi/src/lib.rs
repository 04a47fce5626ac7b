//! The C ABI: `extern "C"` and nothing else. What it does is done by the engine.
//!
//! `include/rego.h` is generated from this source: documentation here is documentation there, and
//! is written for those who read it in C. `REGO_BLESS=1 cargo test -p rego-ffi --test header`
//! writes it.
//!
//! Every exported function has the same shape: pointers are checked and become references or
//! [`Out`](crossing::Out)s, one call into the engine is made, results are written. All of it
//! happens inside [`contained!`](guard), so that no panic crosses the boundary.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![expect(non_camel_case_types, reason = "types are named as they are in C")]
#![expect(
    clippy::missing_safety_doc,
    reason = "what every pointer must be is told once, at the head of the header"
)]

#[macro_use]
mod guard;
mod crossing;
mod keys;
#[cfg(test)]
mod layout;
mod told;

// In the order of the header.
pub mod version;

pub mod status;

pub mod constants;

pub mod userdata;

pub mod classifiers;
pub mod engine;
pub mod error;

pub mod call;
pub mod facts;
pub mod standing;
pub mod step;
pub mod timeline;

pub mod event_loop;

pub mod execute;

pub mod events;
