//! Reads the `Authorization` header.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_core::authentication::Credentials;
use lazuli_core::{Error, Result};
use lazuli_spec::ErrorCode;

/// The credentials of a request.
pub(super) fn from_headers(headers: &HeaderMap) -> Result<Credentials> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(refused("no credentials were given"));
    };
    let text = value
        .to_str()
        .map_err(|_| refused("the Authorization header is not text"))?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Bearer(rest.trim().to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return basic(rest.trim());
    }
    Err(refused("only Bearer and Basic credentials are understood"))
}

fn basic(encoded: &str) -> Result<Credentials> {
    let unreadable = || refused("the Basic credentials cannot be read");
    let bytes = STANDARD.decode(encoded).map_err(|_| unreadable())?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    let (name, password) = text.split_once(':').ok_or_else(unreadable)?;
    Ok(Credentials::Basic {
        name: name.to_owned(),
        password: password.to_owned(),
    })
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorCode::Unauthenticated, message)
        .hint("send `Authorization: Bearer <token>`; `eval \"$(lazuli env)\"` sets one for mlflow, `lazuli token create` makes one")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(value: &str) -> Result<Credentials> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        from_headers(&headers)
    }

    #[test]
    fn reads_both_schemes() {
        assert!(matches!(read("Bearer abc"), Ok(Credentials::Bearer(token)) if token == "abc"));
        let basic = read("Basic YWRtaW46czpjcmV0");
        assert!(
            matches!(basic, Ok(Credentials::Basic { name, password }) if name == "admin" && password == "s:cret")
        );
    }

    #[test]
    fn refuses_the_rest_in_words() {
        for value in ["", "Digest x", "Basic !!!", "Basic YWJj"] {
            let refused = read(value).err().unwrap();
            assert_eq!(refused.code, ErrorCode::Unauthenticated, "{value}");
        }
        assert!(from_headers(&HeaderMap::new()).is_err());
    }
}
