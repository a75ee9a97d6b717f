//! What the composed server answers is its table, no more and no less; `docs/reference/routes.md` is that table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use lazuli_api::routing::{Dialect, Permission, Route};
use lazuli_api::{AppState, Limits, Surface};
use lazuli_blob::{BlobOptions, Blobs};
use lazuli_core::{Core, Parts};
use lazuli_exec::environments::UvEnvironments;
use lazuli_serve::Serving;
use lazuli_spec::runner::PackageIndex;
use lazuli_spec::{SystemClock, SystemIds};
use lazuli_store::{Store, StoreOptions};
use tower::ServiceExt as _;

use super::compose::whole;
use super::health::Health;
use super::home::Home;
use super::signing;

struct Server {
    surface: Surface,
    _home: tempfile::TempDir,
}

async fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let store = Store::open(StoreOptions::sqlite(home.database()))
        .await
        .unwrap();
    let blobs = Blobs::open(&home.blobs().display().to_string(), &BlobOptions::default()).unwrap();
    let core = Core::new(Parts {
        store,
        blobs,
        signer: signing::signer(&home, &SystemIds).unwrap(),
        sealer: signing::sealer(&home, &SystemIds).unwrap(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        home: home.root().to_owned(),
    });
    let environments = UvEnvironments::new(home.root(), PackageIndex::default());
    let serving = Serving::start(core.clone(), Arc::new(environments));
    let limits = Limits::default();
    let health = Health {
        probes: Vec::new(),
        jobs: Box::new(|| Box::pin(async { Vec::new() })),
        metrics: Arc::default(),
        metrics_for_anyone: false,
    };
    Server {
        surface: whole(
            lazuli_api::surface(AppState { core, limits }),
            &serving,
            health,
        ),
        _home: folder,
    }
}

/// The router tells its paths only in its debug text; the last two are what answers where there is no route.
fn mounted(surface: &Surface) -> BTreeSet<String> {
    let text = format!("{:?}", surface.router);
    text.split('"')
        .filter(|part| part.starts_with('/'))
        .filter(|part| !matches!(*part, "/" | "/{*__private__axum_fallback}"))
        .map(ToOwned::to_owned)
        .collect()
}

async fn status(surface: &Surface, method: Method, path: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let router = surface.router.clone();
    router.oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn no_route_is_outside_the_table() {
    let server = server().await;
    let table = &server.surface.table;
    let listed: BTreeSet<String> = table.iter().map(|route| route.path.clone()).collect();
    assert!(listed.contains("/endpoints/{endpoint}/score") && listed.contains("/metrics"));
    let mounted = mounted(&server.surface);
    let stray: Vec<_> = mounted.symmetric_difference(&listed).collect();
    assert!(stray.is_empty(), "in one of the two only: {stray:?}");
    let root = status(&server.surface, Method::GET, "/").await;
    assert_eq!(root, StatusCode::NOT_FOUND, "`/` is no route");
}

#[tokio::test]
async fn routes_beside_the_api_guard_themselves() {
    let server = server().await;
    let own = |route: &&Route| matches!(route.dialect, Dialect::Scoring | Dialect::Plain);
    for route in server.surface.table.iter().filter(own) {
        let path = route.path.replace("{endpoint}", "nothing");
        let status = status(&server.surface, route.method.clone(), &path).await;
        let expected = match route.permission {
            Permission::EndpointKey => StatusCode::UNAUTHORIZED,
            // a request of which nobody knows where it comes from is not from this machine
            Permission::Loopback => StatusCode::FORBIDDEN,
            _ => StatusCode::OK,
        };
        assert_eq!(status, expected, "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn the_reference_of_routes_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/routes.md");
    let text = page(server().await.surface.table);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/reference/routes.md is not up to date: run with UPDATE_REFERENCE=1 and review the change"
    );
}

fn page(mut table: Vec<Route>) -> String {
    let mut page = String::from(
        "# Routes\n\nEvery route with the permission its door asks for. The core may ask for more.\n\n\
         | method | path | permission | dialect |\n| --- | --- | --- | --- |\n",
    );
    table.sort_by(|a, b| (&a.path, a.method.as_str()).cmp(&(&b.path, b.method.as_str())));
    for route in &table {
        let _ = writeln!(
            page,
            "| {} | `{}` | {} | {} |",
            route.method,
            route.path,
            needs(route.permission),
            dialect(route.dialect)
        );
    }
    page
}

fn needs(permission: Permission) -> String {
    match permission {
        Permission::Public => "none: public".to_owned(),
        Permission::Authenticated => "valid credentials".to_owned(),
        Permission::Workspace(action) => format!("`{}` in the workspace", action.as_str()),
        Permission::Server(action) => format!("`{}` on the server", action.as_str()),
        Permission::Runner => "a job's own token".to_owned(),
        Permission::Signed => "a signature in the address".to_owned(),
        Permission::EndpointKey => "one of the endpoint's keys".to_owned(),
        Permission::Loopback => {
            "none on the server's own machine; `metrics.access` opens it to others".to_owned()
        }
    }
}

const fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Rest => "native",
        Dialect::Mlflow => "MLflow",
        Dialect::Scoring => "scoring",
        Dialect::Plain => "plain",
    }
}
