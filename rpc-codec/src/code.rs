//! Small closed sets of words that travel as numbers.

use std::fmt;

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident, unknown = $unknown:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $name {
            /// What a number on the wire stands for; one that is not known yet is taken for
            #[doc = concat!("`", stringify!($unknown), "`.")]
            pub fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    _ => Self::$unknown,
                }
            }

            /// Its number on the wire.
            pub fn number(self) -> u32 {
                self as u32
            }
        }
    };
}

numbered! {
    /// How a call ended: the codes of gRPC, by their numbers.
    Code, unknown = Unknown {
        /// An answer.
        Ok = 0,
        /// The caller went away.
        Cancelled = 1,
        /// Something failed that has no better name.
        Unknown = 2,
        /// What was sent makes no sense, whatever the state of the system.
        InvalidArgument = 3,
        /// Time ran out.
        DeadlineExceeded = 4,
        /// The thing asked for is not there.
        NotFound = 5,
        /// The thing to be made is there already.
        AlreadyExists = 6,
        /// The caller is known and may not.
        PermissionDenied = 7,
        /// A limit, a quota or a queue is full.
        ResourceExhausted = 8,
        /// The system is not in the state that the call needs.
        FailedPrecondition = 9,
        /// A conflict with another call.
        Aborted = 10,
        /// Past the end of what there is.
        OutOfRange = 11,
        /// There is no such method here.
        Unimplemented = 12,
        /// An invariant is broken.
        Internal = 13,
        /// Not now.
        Unavailable = 14,
        /// Data is lost or corrupt.
        DataLoss = 15,
        /// The caller is not known.
        Unauthenticated = 16,
    }
}

impl Code {
    /// Its name in words: `not found`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::InvalidArgument => "invalid argument",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::PermissionDenied => "permission denied",
            Self::ResourceExhausted => "resource exhausted",
            Self::FailedPrecondition => "failed precondition",
            Self::Aborted => "aborted",
            Self::OutOfRange => "out of range",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data loss",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

numbered! {
    /// How much a call matters.
    #[derive(Default)]
    Priority, unknown = Normal {
        /// As most calls do.
        #[default]
        Normal = 0,
        /// The last to be refused.
        Critical = 1,
        /// May be refused when there is much to do.
        Sheddable = 2,
        /// The first to be refused.
        Bulk = 3,
    }
}

numbered! {
    /// Whether a call's handler has run.
    #[derive(Default)]
    Executed, unknown = Maybe {
        /// Nobody can tell.
        #[default]
        Maybe = 0,
        /// It provably has not.
        No = 1,
        /// It has.
        Yes = 2,
    }
}

numbered! {
    /// Which side of the server speaks.
    #[derive(Default)]
    Origin, unknown = Handler {
        /// The method's own code.
        #[default]
        Handler = 0,
        /// What stands before it: admission, routing, decoding.
        Framework = 1,
    }
}

/// What a server says of its load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls that run.
    pub in_flight: u32,
    /// How busy it is, in thousandths.
    pub utilization_permille: u32,
}
