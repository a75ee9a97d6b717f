//! The scoring address: checks the key, chooses a deployment, passes the request to its pool. Everything it needs is in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::Serving;
use crate::answers::{refusal, scored};
use crate::pool::ScoreRequest;
use crate::table::{NoChoice, Route};

/// The largest request body.
pub const MAX_BODY: usize = 64 << 20;

/// Names a deployment past the shares of traffic, and says in the answer which one it was.
const DEPLOYMENT: &str = "azureml-model-deployment";
/// What a model must not see.
const PRIVATE: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The routes of the gateway. They authenticate with an endpoint's own keys, so they stand beside the API's.
pub fn routes(serving: &Serving) -> Vec<(Method, &'static str, MethodRouter)> {
    const SCORE: &str = "/endpoints/{endpoint}/score";
    const SWAGGER: &str = "/endpoints/{endpoint}/swagger.json";
    let routes = [
        (Method::GET, SCORE, get(score)),
        (Method::POST, SCORE, post(score)),
        (Method::GET, SWAGGER, get(swagger)),
    ];
    routes
        .map(|(method, path, route)| (method, path, route.with_state(serving.clone())))
        .into()
}

/// The same as a router of their own.
pub fn router(serving: &Serving) -> Router {
    routes(serving)
        .into_iter()
        .fold(Router::new(), |router, (_, path, route)| {
            router.route(path, route)
        })
}

async fn score(
    State(serving): State<Serving>,
    endpoint: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let endpoint = name(endpoint);
    let route = match admit(&serving, &endpoint, request.headers()) {
        Ok(route) => route,
        Err(refused) => return *refused,
    };
    let named = request
        .headers()
        .get(DEPLOYMENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let request = match read(request).await {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    // chosen after the body is here: a slow upload must not hold on to a pool that is being replaced
    let (live, pool) = match route.choose(named.as_deref(), serving.ids()) {
        Ok(chosen) => chosen,
        Err(reason) => return no_choice(&endpoint, named.as_deref(), &reason),
    };
    if named.is_none()
        && let Some((mirror, mirror_pool)) = route.mirrored(serving.ids())
    {
        let copy = request.clone();
        mirror.counters.mirrored();
        // nobody waits for a mirror; its failures are its own
        tokio::spawn(async move { mirror_pool.score(copy).await });
    }
    let mut response = scored(pool.score(request).await);
    live.counters
        .answered(response.status().as_u16(), started.elapsed());
    if let Ok(name) = HeaderValue::try_from(live.name.as_str()) {
        response.headers_mut().insert(DEPLOYMENT, name);
    }
    response
}

/// The endpoint, if the caller holds one of its keys. A wrong name and a wrong key look the same.
fn admit(
    serving: &Serving,
    endpoint: &str,
    headers: &HeaderMap,
) -> Result<Arc<Route>, Box<Response>> {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| {
            let (scheme, key) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
    let route = serving.route(endpoint);
    match (bearer, route) {
        (Some(key), Some(route)) if route.opens(key) => Ok(route),
        (Some(_), _) => Err(Box::new(unauthorized(&format!(
            "there is no endpoint `{endpoint}`, or this is not one of its keys"
        )))),
        (None, _) => Err(Box::new(unauthorized(
            "send one of the endpoint's keys: `Authorization: Bearer <key>`",
        ))),
    }
}

fn unauthorized(detail: &str) -> Response {
    let mut response = refusal(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
    response
        .headers_mut()
        .insert("www-authenticate", HeaderValue::from_static("Bearer"));
    response
}

fn no_choice(endpoint: &str, named: Option<&str>, reason: &NoChoice) -> Response {
    let (status, code, detail) = match (reason, named) {
        (NoChoice::None, Some(name)) => (
            StatusCode::NOT_FOUND,
            "not_found",
            format!("the endpoint `{endpoint}` has no deployment `{name}`"),
        ),
        (NoChoice::None, None) => (
            StatusCode::NOT_FOUND,
            "not_found",
            format!("no deployment of the endpoint `{endpoint}` takes traffic"),
        ),
        (NoChoice::NotReady, _) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            format!("the deployment of the endpoint `{endpoint}` is not ready; its state says why"),
        ),
    };
    refusal(status, code, &detail)
}

async fn read(request: Request) -> Result<ScoreRequest, Box<Response>> {
    let (parts, body) = request.into_parts();
    let headers: BTreeMap<String, String> = parts
        .headers
        .iter()
        .filter(|(name, _)| !PRIVATE.contains(&name.as_str()))
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let path = parts
        .uri
        .query()
        .map_or_else(|| "/score".to_owned(), |query| format!("/score?{query}"));
    Ok(ScoreRequest {
        method: parts.method.to_string(),
        path,
        headers,
        body: whole(body, &parts.headers).await?,
    })
}

async fn whole(body: Body, headers: &HeaderMap) -> Result<Bytes, Box<Response>> {
    let too_large = || {
        Box::new(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            &format!("a request holds at most {MAX_BODY} bytes"),
        ))
    };
    let announced = headers
        .get("content-length")
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    to_bytes(body, MAX_BODY).await.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(current) = cause {
            if current.to_string().contains("length limit exceeded") {
                return too_large();
            }
            cause = current.source();
        }
        Box::new(refusal(
            StatusCode::BAD_REQUEST,
            "malformed_body",
            "the request's body was cut off",
        ))
    })
}

/// The endpoint's name. One that is no text is nobody's, and is refused like any other unknown one.
fn name(endpoint: Result<Path<String>, PathRejection>) -> String {
    endpoint.map(|Path(name)| name).unwrap_or_default()
}

async fn swagger(
    State(serving): State<Serving>,
    endpoint: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let endpoint = name(endpoint);
    let route = match admit(&serving, &endpoint, request.headers()) {
        Ok(route) => route,
        Err(refused) => return *refused,
    };
    let named = request
        .headers()
        .get(DEPLOYMENT)
        .and_then(|value| value.to_str().ok());
    match route.choose(named, serving.ids()) {
        Ok((_, pool)) => {
            let document = describe(&endpoint, pool.schema().as_deref().unwrap_or(&Value::Null));
            let mut response = Response::new(Body::from(document.to_string()));
            response
                .headers_mut()
                .insert("content-type", HeaderValue::from_static("application/json"));
            response
        }
        Err(reason) => no_choice(&endpoint, named, &reason),
    }
}

fn describe(endpoint: &str, schema: &Value) -> Value {
    let content = |part: &str| json!({ "application/json": { "schema": schema.get(part).cloned().unwrap_or_else(|| json!({})) } });
    json!({
        "openapi": "3.0.3",
        "info": { "title": endpoint, "version": "1.0", "description": "Scoring" },
        "servers": [{ "url": format!("/endpoints/{endpoint}") }],
        "security": [{ "Bearer": [] }],
        "paths": { "/score": { "post": {
            "operationId": "RunMLService",
            "requestBody": { "required": true, "content": content("input") },
            "responses": { "200": { "description": "The model's answer", "content": content("output") } },
        } } },
        "components": { "securitySchemes": { "Bearer": { "type": "http", "scheme": "bearer" } } },
    })
}
