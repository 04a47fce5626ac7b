//! The trait through which drivers tell whoever listens.
