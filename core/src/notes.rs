//! What happened, in order: bounded notes and the timeline made of them.
