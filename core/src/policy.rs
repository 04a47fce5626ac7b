//! Numbers that cannot be wrong: draft → policy, and the documents they come from.
