//! Completion → outcome: the built-in classifiers and the registry of named ones.
