//! One call in the air, finished from many threads: state word, baton.
