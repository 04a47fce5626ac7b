//! A survival curve over buckets: what latency publishes and the planner reads.
