//! Answers that are bytes: whole or a range, streamed, never shown by a browser as a page of ours.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lazuli_core::content::{BlobRead, ByteRange};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What a request for bytes asks beside their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Which part.
    pub(crate) range: Option<ByteRange>,
    /// The client has it already.
    pub(crate) not_modified: bool,
}

impl Wanted {
    /// Reads `Range`, `If-Range` and `If-None-Match`. What cannot be read, and several ranges at once, mean the whole.
    pub(crate) fn read(headers: &HeaderMap, etag: &str) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let quoted = format!("\"{etag}\"");
        let same = |list: &str| {
            list.split(',')
                .any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == quoted)
        };
        let fresh = text(IF_RANGE).is_none_or(|one| one.trim() == quoted);
        Self {
            range: text(RANGE).filter(|_| fresh).and_then(parse_range),
            not_modified: text(IF_NONE_MATCH).is_some_and(same),
        }
    }
}

/// One `bytes=` range.
pub(crate) fn parse_range(text: &str) -> Option<ByteRange> {
    let (start, end) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = (start.trim(), end.trim());
    match (start.is_empty(), end.is_empty()) {
        (true, _) => Some(ByteRange::Last(end.parse().ok()?)),
        (false, true) => Some(ByteRange::From(start.parse().ok()?)),
        (false, false) => {
            let (start, last): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
            // an end before the start is no range at all
            (start <= last).then(|| ByteRange::Between(start, last.saturating_add(1)))
        }
    }
}

/// The answer that says that what the client has is current.
pub(crate) fn not_modified(etag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    put(response.headers_mut(), ETAG, &format!("\"{etag}\""));
    response
}

/// Streams what was opened; `partial` when a range was asked for.
pub(crate) fn respond(read: BlobRead, etag: &str, file_name: &str, partial: bool) -> Response {
    let status = if partial {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    put(&mut headers, ETAG, &format!("\"{etag}\""));
    put(
        &mut headers,
        CONTENT_LENGTH,
        &(read.range.end - read.range.start).to_string(),
    );
    put(&mut headers, CONTENT_DISPOSITION, &attachment(file_name));
    if partial {
        let shown = format!(
            "bytes {}-{}/{}",
            read.range.start,
            read.range.end.saturating_sub(1),
            read.meta.size
        );
        put(&mut headers, CONTENT_RANGE, &shown);
    }
    (status, headers, Body::from_stream(read.stream)).into_response()
}

/// To be saved under this name, in the way that RFC 6266 has for it; old clients are given what ASCII has of it.
fn attachment(file_name: &str) -> String {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !file_name.is_empty() && file_name.bytes().all(is_token) {
        return format!("attachment; filename={file_name}");
    }
    let printable = |c: &char| c.is_ascii() && !c.is_ascii_control();
    let mut plain = String::new();
    for c in file_name.chars().filter(printable) {
        if matches!(c, '"' | '\\') {
            plain.push('\\');
        }
        plain.push(c);
    }
    if file_name.is_ascii() {
        return format!("attachment; filename=\"{plain}\"");
    }
    if plain.trim().is_empty() {
        "download".clone_into(&mut plain);
    }
    let whole = utf8_percent_encode(file_name, NON_ALPHANUMERIC);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_http_s() {
        assert_eq!(parse_range("bytes=0-0"), Some(ByteRange::Between(0, 1)));
        assert_eq!(parse_range("bytes=5-"), Some(ByteRange::From(5)));
        assert_eq!(parse_range("bytes=-5"), Some(ByteRange::Last(5)));
        for other in [
            "bytes=5-4",
            "bytes=-",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=0-1",
            "",
        ] {
            assert_eq!(parse_range(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_sent_so_that_every_client_reads_them() {
        for (name, expected) in [
            ("a+b.txt", "attachment; filename=a+b.txt"),
            ("a b.txt", r#"attachment; filename="a b.txt""#),
            (r#"a"b\.txt"#, r#"attachment; filename="a\"b\\.txt""#),
            (
                "\u{e9}t\u{e9}.txt",
                r#"attachment; filename="t.txt"; filename*=UTF-8''%C3%A9t%C3%A9%2Etxt"#,
            ),
            (
                "\u{65e5}",
                r#"attachment; filename="download"; filename*=UTF-8''%E6%97%A5"#,
            ),
            ("", r#"attachment; filename="""#),
        ] {
            assert_eq!(attachment(name), expected);
        }
    }

    #[test]
    fn a_range_of_another_version_means_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        assert!(Wanted::read(&headers, "a").range.is_some());
        headers.insert(IF_RANGE, HeaderValue::from_static("\"b\""));
        assert_eq!(Wanted::read(&headers, "a").range, None);
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"x\", W/\"a\""));
        assert!(Wanted::read(&headers, "a").not_modified);
        assert!(!Wanted::read(&headers, "c").not_modified);
    }
}
