//! `Slab<T>`: generation-stamped slots.
