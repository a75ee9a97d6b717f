//! OTLP, the protocol in which OpenTelemetry's exporters (and MLflow's client) send spans: bytes in, plain types out.
//!
//! Both encodings that the protocol has over HTTP are read, protobuf and JSON, compressed or not. What a stranger may send is
//! bounded while it is read: the size after decompression, the number of spans, the number of values and how deep they nest;
//! so a request costs memory in proportion to these limits, not to its ingenuity. Nothing here panics on any input.

mod compression;
mod json;
mod protobuf;
mod values;
mod wire;

pub use compression::decompress;
pub use values::AnyValue;

/// Largest request after decompression, in bytes.
pub const MOST_BYTES: usize = 64 << 20;
/// Largest request in JSON, which takes more memory while it is read.
pub const MOST_JSON_BYTES: usize = 16 << 20;
/// Most spans in one request.
pub const MOST_SPANS: usize = 50_000;
/// Most attributes, events, links and elements of lists in one request.
pub const MOST_VALUES: usize = 1_000_000;
/// How deep lists and maps may nest.
pub const MOST_DEPTH: usize = 64;

/// A request of `ExportTraceServiceRequest`: spans, by the resource that sent them. The scopes between are not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Export {
    /// The resources.
    pub resources: Vec<ResourceSpans>,
}

/// The spans of one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceSpans {
    /// What describes the resource.
    pub attributes: Vec<Attribute>,
    /// Its spans.
    pub spans: Vec<OtlpSpan>,
}

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attribute {
    /// The name.
    pub key: String,
    /// The value.
    pub value: AnyValue,
}

/// A span as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OtlpSpan {
    /// The trace: 16 bytes.
    pub trace_id: Vec<u8>,
    /// The span: 8 bytes.
    pub span_id: Vec<u8>,
    /// The span above; empty for a root.
    pub parent_span_id: Vec<u8>,
    /// Its name.
    pub name: String,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
    /// When it ended; 0 while it runs.
    pub end_ns: u64,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// What happened in it.
    pub events: Vec<Event>,
    /// Spans it is connected with.
    pub links: Vec<Link>,
    /// How it ended.
    pub status: Status,
}

/// Something that happened in a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// What.
    pub name: String,
    /// More about it.
    pub attributes: Vec<Attribute>,
}

/// A connection with a span, often of another trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The other trace.
    pub trace_id: Vec<u8>,
    /// The other span.
    pub span_id: Vec<u8>,
    /// More about it.
    pub attributes: Vec<Attribute>,
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Well or not.
    pub code: StatusCode,
    /// What went wrong.
    pub message: String,
}

/// Well or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusCode {
    /// Nobody said.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// Not well.
    Error,
}

impl StatusCode {
    /// The word in columns and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "UNSET",
            Self::Ok => "OK",
            Self::Error => "ERROR",
        }
    }

    /// The protocol's name of the value.
    pub const fn long(self) -> &'static str {
        match self {
            Self::Unset => "STATUS_CODE_UNSET",
            Self::Ok => "STATUS_CODE_OK",
            Self::Error => "STATUS_CODE_ERROR",
        }
    }

    const fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    /// It is not what its type says, or there is nothing in it.
    #[error("{0}")]
    Malformed(String),
    /// It is larger than a limit.
    #[error("{0}")]
    TooLarge(String),
    /// A span cannot be stored.
    #[error("{0}")]
    Span(String),
}

impl OtlpError {
    fn malformed() -> Self {
        Self::Malformed("Invalid OpenTelemetry format".to_owned())
    }
}

impl Export {
    /// Reads a request in protobuf.
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, OtlpError> {
        protobuf::export(bytes)?.not_empty()
    }

    /// Reads a request in JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, OtlpError> {
        json::export(bytes)?.not_empty()
    }

    fn not_empty(self) -> Result<Self, OtlpError> {
        if self.resources.is_empty() {
            let message = "Invalid OpenTelemetry format - no spans found";
            return Err(OtlpError::Malformed(message.to_owned()));
        }
        Ok(self)
    }
}

/// What of a request's limits is left.
#[derive(Debug)]
struct Budget {
    spans: usize,
    values: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            spans: MOST_SPANS,
            values: MOST_VALUES,
        }
    }
}

impl Budget {
    fn span(&mut self) -> Result<(), OtlpError> {
        self.spans = self.spans.checked_sub(1).ok_or_else(|| {
            OtlpError::TooLarge(format!(
                "The request holds more than {MOST_SPANS} spans. Please split it up and try again."
            ))
        })?;
        self.value()
    }

    fn value(&mut self) -> Result<(), OtlpError> {
        self.values = self.values.checked_sub(1).ok_or_else(|| {
            OtlpError::TooLarge(format!(
                "The request holds more than {MOST_VALUES} values. Please split it up and try again."
            ))
        })?;
        Ok(())
    }

    /// One more level of lists and maps.
    fn deeper(depth: usize) -> Result<usize, OtlpError> {
        if depth >= MOST_DEPTH {
            let message = format!("Values are nested deeper than {MOST_DEPTH} levels.");
            return Err(OtlpError::TooLarge(message));
        }
        Ok(depth + 1)
    }
}

#[cfg(test)]
mod tests;
