//! Key → site: insert-only, bounded.
