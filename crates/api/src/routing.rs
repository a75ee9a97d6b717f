//! Routes, each with the permission it needs.
//!
//! [`Routes::rest`] takes what `utoipa_axum::routes!` makes, so that router, OpenAPI and route table come from one list;
//! [`Routes::raw`] is for the dialects that are described elsewhere. A middleware laid on each route authenticates the
//! caller, checks the declared permission and answers in the route's own dialect before the handler runs. The core checks
//! again: the route's permission is the least that is needed, not the last word.

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use lazuli_core::Error;
use lazuli_spec::{Action, ErrorCode};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::auth;
use crate::{AppState, Surface, mlflow, rest};

/// What a caller needs to pass a route's door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: the route tells nothing that is not public.
    Public,
    /// Valid credentials; the core decides about the rest (lists that show what the caller may see, one's own things).
    Authenticated,
    /// An action in the workspace that the path names, or in the default workspace.
    Workspace(Action),
    /// An action on the server itself.
    Server(Action),
    /// A job's own token.
    Runner,
    /// A signature of ours over the method and the path, in the query: no other credentials.
    Signed,
    /// A key of the endpoint that the path names; the gateway checks it itself.
    EndpointKey,
    /// Nothing, for programs on the server's own machine; others are refused unless a setting lets them in.
    Loopback,
}

/// Whose words the answers are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The native REST interface: problem details.
    Rest,
    /// MLflow's: `error_code` and `message`.
    Mlflow,
    /// Azure's scoring interface: plain words, reasons in headers.
    Scoring,
    /// What supervisors read: `/healthz`, `/metrics`.
    Plain,
}

/// A route that another part of the server answers and guards by itself.
pub type OwnRoute = (Method, &'static str, MethodRouter);

impl Dialect {
    /// An error in this dialect's shape.
    pub fn error(self, error: Error) -> Response {
        match self {
            Self::Rest | Self::Scoring | Self::Plain => {
                rest::errors::Problem::from(error).into_response()
            }
            Self::Mlflow => mlflow::errors::MlflowError::from(error).into_response(),
        }
    }
}

/// One route as the tests and the reference see it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{parameters}`.
    pub path: String,
    /// What it needs.
    pub permission: Permission,
    /// In which dialect it answers.
    pub dialect: Dialect,
}

/// Every route there is.
pub type RouteTable = Vec<Route>;

/// Collects routes.
#[derive(Default)]
pub struct Routes {
    described: OpenApiRouter<AppState>,
    table: RouteTable,
    doors: Vec<Door>,
}

/// A set of methods and the path they are added under, waiting for the state that its door needs.
struct Door {
    routes: MethodRouter<AppState>,
    path: String,
    permission: Permission,
    dialect: Dialect,
}

impl Routes {
    /// Adds a native route, made by `routes!(handler)`.
    pub fn rest(
        &mut self,
        permission: Permission,
        (schemas, paths, routes): UtoipaMethodRouter<AppState>,
    ) {
        for (path, item) in &paths.paths {
            for method in methods_of(item) {
                self.table.push(Route {
                    method,
                    path: path.clone(),
                    permission,
                    dialect: Dialect::Rest,
                });
            }
            self.doors.push(Door {
                routes: routes.clone(),
                path: path.clone(),
                permission,
                dialect: Dialect::Rest,
            });
        }
        // only the description is kept here; the handler is mounted with its door in `finish`
        let described = std::mem::take(&mut self.described);
        self.described = described.routes((schemas, paths, MethodRouter::new()));
    }

    /// Adds a route of a dialect that is described elsewhere.
    pub fn raw<H, T>(
        &mut self,
        dialect: Dialect,
        method: Method,
        path: &str,
        permission: Permission,
        handler: H,
    ) where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let Ok(filter) = MethodFilter::try_from(method.clone()) else {
            return;
        };
        self.table.push(Route {
            method,
            path: path.to_owned(),
            permission,
            dialect,
        });
        self.doors.push(Door {
            routes: on(filter, handler),
            path: path.to_owned(),
            permission,
            dialect,
        });
    }

    /// Lays the doors and closes the list.
    pub fn finish(self, state: AppState) -> Surface {
        let mut router = Router::new();
        let mut table = self.table;
        for door in self.doors {
            let guard = Guard {
                state: state.clone(),
                permission: door.permission,
                dialect: door.dialect,
            };
            let guarded = door
                .routes
                .layer(middleware::from_fn_with_state(guard, enter));
            router = router.route(&door.path, guarded);
        }
        let (_, openapi): (Router<AppState>, OpenApi) = self.described.split_for_parts();
        let openapi = rest::openapi::complete(openapi);
        router = router.route(rest::description::PATH, rest::description::route(&openapi));
        table.push(Route {
            method: Method::GET,
            path: rest::description::PATH.to_owned(),
            permission: Permission::Public,
            dialect: Dialect::Rest,
        });
        let router = router
            .fallback(no_route)
            .method_not_allowed_fallback(no_method)
            .with_state(state);
        Surface {
            router,
            table,
            openapi,
        }
    }
}

impl Surface {
    /// Adds routes that guard themselves. Nothing reaches the router by another way, so the table stays whole.
    #[must_use]
    pub fn with(
        mut self,
        permission: Permission,
        dialect: Dialect,
        routes: impl IntoIterator<Item = OwnRoute>,
    ) -> Self {
        for (method, path, routes) in routes {
            self.router = self.router.route(path, routes);
            self.table.push(Route {
                method,
                path: path.to_owned(),
                permission,
                dialect,
            });
        }
        self
    }
}

fn methods_of(item: &utoipa::openapi::PathItem) -> Vec<Method> {
    let known = [
        (&item.get, Method::GET),
        (&item.put, Method::PUT),
        (&item.post, Method::POST),
        (&item.delete, Method::DELETE),
        (&item.patch, Method::PATCH),
        (&item.head, Method::HEAD),
    ];
    let present = known
        .into_iter()
        .filter(|(operation, _)| operation.is_some());
    present.map(|(_, method)| method).collect()
}

/// What the door of one route knows.
#[derive(Clone)]
struct Guard {
    state: AppState,
    permission: Permission,
    dialect: Dialect,
}

async fn enter(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match auth::admit(&guard.state.core, guard.permission, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(error) => auth::refuse(guard.dialect, error),
    }
}

async fn no_route(request: Request) -> Response {
    let dialect = dialect_of(request.uri().path());
    let message = format!("there is no path `{}`", request.uri().path());
    dialect.error(
        Error::new(ErrorCode::RouteNotFound, message)
            .hint("GET /api/v1/openapi.json lists the paths of the native interface"),
    )
}

async fn no_method(request: Request) -> Response {
    let dialect = dialect_of(request.uri().path());
    let message = format!(
        "`{}` does not take {}",
        request.uri().path(),
        request.method()
    );
    dialect.error(Error::new(ErrorCode::MethodNotAllowed, message))
}

fn dialect_of(path: &str) -> Dialect {
    let mlflow = path.contains("/mlflow");
    if mlflow {
        Dialect::Mlflow
    } else {
        Dialect::Rest
    }
}
