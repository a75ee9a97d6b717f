//! The one error of the core: a stable code, words for a person, and what to do next.
//!
//! Each dialect turns it into its own shape with one table. The source is kept for the log and never shown.

use std::borrow::Cow;
use std::fmt;

use lazuli_blob::BlobError;
use lazuli_spec::ErrorCode;
use lazuli_spec::names::NameError;
use lazuli_store::StoreError;

/// What every core method fails with.
#[derive(Debug)]
pub struct Error {
    /// The stable code.
    pub code: ErrorCode,
    /// What was wrong.
    pub message: Cow<'static, str>,
    /// Which field of the request, if one can be named.
    pub field: Option<String>,
    /// What to do next.
    pub hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The core's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a code and words.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            hint: None,
            source: None,
        }
    }

    /// A value that cannot be accepted, and the field it stands in.
    pub fn invalid(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorCode::InvalidArgument, message);
        error.field = Some(field.to_owned());
        error
    }

    /// There is no such thing (or the caller may not see it: the two look the same).
    pub fn not_found(kind: &str, name: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {kind} `{name}`"))
    }

    /// The name is taken.
    pub fn already_exists(kind: &str, name: impl fmt::Display) -> Self {
        Self::new(
            ErrorCode::AlreadyExists,
            format!("the {kind} `{name}` exists already"),
        )
    }

    /// The request does not fit the present state.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Names the field, unless one is named already.
    #[must_use]
    pub fn in_field(mut self, field: &str) -> Self {
        self.field.get_or_insert_with(|| field.to_owned());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::invalid("name", error.0)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let (code, message) = match &error {
            StoreError::NotFound => (ErrorCode::NotFound, "there is no such thing"),
            StoreError::Conflict { .. } => (
                ErrorCode::Conflict,
                "something else has this name or has changed it meanwhile",
            ),
            StoreError::Full(_) => (
                ErrorCode::StorageFull,
                "the database has no room left; nothing was written",
            ),
            StoreError::Busy(_) | StoreError::Unavailable(_) => (
                ErrorCode::Unavailable,
                "the database cannot be reached now; try again",
            ),
            // what no back end can hold, whatever the field: a NUL character, a text of gigabytes
            StoreError::Invalid(reason) => {
                let message = format!("a value of the request cannot be stored: {reason}");
                return Self::new(ErrorCode::InvalidArgument, message).caused_by(error);
            }
            _ => (
                ErrorCode::Internal,
                "the database failed; the server's log has the cause",
            ),
        };
        Self::new(code, message).caused_by(error)
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        let code = blob_code(&error);
        let shown = if matches!(error, BlobError::Corrupt { .. }) {
            Cow::Borrowed(
                "the stored content is damaged and is not given out; restore the storage from a backup, or upload the content anew under another version",
            )
        } else if code == ErrorCode::Internal {
            Cow::Borrowed("the storage failed; the server's log has the cause")
        } else {
            Cow::Owned(error.to_string())
        };
        Self::new(code, shown).caused_by(error)
    }
}

/// What a failure of the storage means to a caller.
fn blob_code(error: &BlobError) -> ErrorCode {
    match error {
        BlobError::InvalidKey { .. } | BlobError::Tree(_) | BlobError::Part { .. } => {
            ErrorCode::InvalidArgument
        }
        BlobError::NotFound(_) => ErrorCode::NotFound,
        BlobError::Obstructed(_) | BlobError::MissingContent(_) => ErrorCode::Conflict,
        BlobError::HashMismatch { .. } | BlobError::SizeMismatch { .. } => {
            ErrorCode::ContentMismatch
        }
        BlobError::TooLarge { .. } => ErrorCode::PayloadTooLarge,
        BlobError::Range { .. } => ErrorCode::RangeNotSatisfiable,
        BlobError::Confined(_) => ErrorCode::PermissionDenied,
        BlobError::Interrupted(_) => ErrorCode::MalformedBody,
        BlobError::Full => ErrorCode::StorageFull,
        BlobError::Open { .. } | BlobError::Backend { .. } => ErrorCode::Unavailable,
        _ => ErrorCode::Internal,
    }
}
