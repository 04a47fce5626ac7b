//! The front door: key → site → driver → verdict.
