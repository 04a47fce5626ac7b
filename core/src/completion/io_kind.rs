//! I/O error kinds with numbers that stay.

use std::io::ErrorKind;

macro_rules! io_kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $label:literal;)*) => {
        /// The kind of an I/O error: `std::io::ErrorKind` with numbers and labels that stay.
        ///
        /// ```
        /// use rego::IoKind;
        ///
        /// let kind = IoKind::from(std::io::ErrorKind::ConnectionReset);
        /// assert_eq!(kind.label(), "connection_reset");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the names are those of `std::io::ErrorKind`")]
        pub enum IoKind { $($(#[$doc])* $name = $number,)* }

        impl IoKind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name used in records and metrics.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }

        impl From<ErrorKind> for IoKind {
            fn from(kind: ErrorKind) -> Self {
                io_kinds!(@match kind, $($name,)*)
            }
        }
    };
    (@match $kind:ident, Other, $($name:ident,)*) => {
        match $kind { $(ErrorKind::$name => Self::$name,)* _ => Self::Other }
    };
}

io_kinds! {
    /// Any kind that has no name here.
    Other = 0, "other";
    NotFound = 1, "not_found";
    PermissionDenied = 2, "permission_denied";
    ConnectionRefused = 3, "connection_refused";
    ConnectionReset = 4, "connection_reset";
    HostUnreachable = 5, "host_unreachable";
    NetworkUnreachable = 6, "network_unreachable";
    ConnectionAborted = 7, "connection_aborted";
    NotConnected = 8, "not_connected";
    AddrInUse = 9, "addr_in_use";
    AddrNotAvailable = 10, "addr_not_available";
    NetworkDown = 11, "network_down";
    BrokenPipe = 12, "broken_pipe";
    AlreadyExists = 13, "already_exists";
    WouldBlock = 14, "would_block";
    InvalidInput = 15, "invalid_input";
    InvalidData = 16, "invalid_data";
    TimedOut = 17, "timed_out";
    WriteZero = 18, "write_zero";
    StorageFull = 19, "storage_full";
    ResourceBusy = 20, "resource_busy";
    Deadlock = 21, "deadlock";
    Unsupported = 22, "unsupported";
    UnexpectedEof = 23, "unexpected_eof";
    OutOfMemory = 24, "out_of_memory";
    Interrupted = 25, "interrupted";
}
