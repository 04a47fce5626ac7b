//! Drivers own time and threads: they feed events to the machine and do what it says.
