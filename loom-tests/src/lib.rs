//! Models of the shared rooms; all of it is in `tests`, behind `--cfg rego_loom`.
