//! The facts of how one attempt ended.
