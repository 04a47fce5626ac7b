//! Where policies come from and how they change.
