//! The stable error codes every dialect is derived from.
//!
//! A code never changes its meaning: programs match on it. Each protocol has one table
//! (`api/src/rest/errors.rs`, `api/src/mlflow/errors.rs`) from code to HTTP status and its own code.

use std::fmt;

macro_rules! error_codes {
    ($($variant:ident = $text:literal, $title:literal;)*) => {
        /// What went wrong, in a form that programs may rely on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $title] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text of the code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// One line for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

error_codes! {
    InvalidArgument = "invalid_argument", "A value in the request is not acceptable";
    MalformedBody = "malformed_body", "The request's body could not be read";
    Unauthenticated = "unauthenticated", "No valid credentials were given";
    PermissionDenied = "permission_denied", "The caller may not do this";
    NotFound = "not_found", "There is no such thing, or the caller may not see it";
    RouteNotFound = "route_not_found", "There is no such path";
    MethodNotAllowed = "method_not_allowed", "The path exists, but not with this method";
    AlreadyExists = "already_exists", "The name is taken";
    Conflict = "conflict", "The request does not fit the present state";
    ImmutableContent = "immutable_content", "A version's content cannot be changed";
    PreconditionFailed = "precondition_failed", "The thing has changed since it was read";
    ContentMismatch = "content_mismatch", "The content received is not the content announced";
    PayloadTooLarge = "payload_too_large", "The request is larger than the limit";
    RangeNotSatisfiable = "range_not_satisfiable", "The range asked for lies outside the content";
    UnsupportedMediaType = "unsupported_media_type", "The Content-Type is not one this path reads";
    TooManyRequests = "too_many_requests", "There are more requests in flight than allowed";
    Unsupported = "unsupported", "Lazuli does not do this";
    EnvironmentUnresolvable = "environment_unresolvable", "The environment's packages cannot be resolved";
    ModelError = "model_error", "The deployed model failed on this request";
    Timeout = "timeout", "It took longer than allowed";
    Unavailable = "unavailable", "A part that is needed cannot be reached now";
    StorageFull = "storage_full", "There is no room left on the storage";
    Internal = "internal", "A defect in Lazuli";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
