//! The composition root: the one place that knows every part and connects them.
//!
//! Order matters only here: the store and the blobs are opened first, the core is built over them, then everything that serves requests or
//! works beside them. [`Background::stop`] undoes it in the opposite order.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use lazuli_api::address::Reached;
use lazuli_api::routing::{Dialect, Permission};
use lazuli_api::{AppState, Surface};
use lazuli_blob::{BlobKey, BlobOptions, Blobs};
use lazuli_core::scheduler::driver::{self, Scheduler};
use lazuli_core::webhooks::deliverer::{self, Deliverer};
use lazuli_core::{Core, Parts};
use lazuli_exec::environments::UvEnvironments;
use lazuli_exec::local::{LocalConfig, LocalExecutor};
use lazuli_exec::webhooks::{Reach, WebhookClient};
use lazuli_serve::Serving;
use lazuli_spec::{Clock, SystemIds};
use lazuli_store::{Store, StoreError, StoreOptions};

use super::announce::Announcement;
use super::config::Config;
use super::health::{self, Health, JobCounts, Probe};
use super::home::{Home, write_atomic};
use super::housekeeping::Housekeeping;
use super::metrics::{Metrics, gauge};
use super::signing;
use crate::error::CliError;

/// A server put together and ready to be listened for.
pub(crate) struct App {
    /// Every route.
    pub router: Router,
    /// What runs beside the requests.
    pub background: Background,
}

/// Work beside the requests.
pub(crate) struct Background {
    scheduler: Scheduler,
    serving: Serving,
    deliverer: Deliverer,
    housekeeping: Housekeeping,
    store: Store,
}

impl Background {
    /// Stops it all, after the last request. Runners live on: the next server finds them again.
    pub(crate) async fn stop(self) {
        self.housekeeping.stop().await;
        self.scheduler.stop().await;
        self.serving.stop().await;
        self.deliverer.stop().await;
        self.store.close().await;
    }
}

/// Opens everything and connects it.
pub(crate) async fn compose(
    config: &Config,
    home: &Home,
    announcement: &Announcement,
    clock: Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<App, CliError> {
    let (core, store, blobs) = open_core(config, home, clock).await?;
    let environments = Arc::new(UvEnvironments::new(home.root(), config.packages.clone()));
    let serving = Serving::start(core.clone(), environments);
    let executor = Arc::new(LocalExecutor::new(local_jobs(config, home, announcement)?));
    let scheduler = driver::start(core.clone(), executor, driver::Options::default());
    let deliverer = deliver_webhooks(&core, config);
    let limits = lazuli_api::Limits {
        json_body: config.limits.body_bytes,
        upload: config.limits.upload_bytes,
    };
    let housekeeping = Housekeeping::start(core.clone());
    let surface = lazuli_api::surface(AppState { core, limits });
    let queues = store.clone();
    metrics.collect(Box::new(move |out| {
        let (reads, writes) = queues.waiting();
        gauge(
            out,
            "lazuli_store_reads_waiting",
            "Transactions that wait for a reading thread.",
            reads as f64,
        );
        gauge(
            out,
            "lazuli_store_writes_waiting",
            "Transactions that wait for the writing thread.",
            writes as f64,
        );
    }));
    let scoring = serving.clone();
    metrics.collect(Box::new(move |out| out.push_str(&scoring.render_metrics())));
    let health = Health {
        probes: vec![store_probe(&store), blob_probe(&blobs)],
        jobs: job_counts(&store),
        metrics: Arc::clone(metrics),
        metrics_for_anyone: config.metrics_for_anyone,
    };
    Ok(App {
        router: whole(surface, &serving, health)
            .router
            .layer(axum::Extension(reached(config))),
        background: Background {
            scheduler,
            serving,
            deliverer,
            housekeeping,
            store,
        },
    })
}

/// Opens the storage that the settings name, and the core on it; also for commands that work on it without a server.
pub(crate) async fn open_core(
    config: &Config,
    home: &Home,
    clock: Arc<dyn Clock>,
) -> Result<(Core, Store, Blobs), CliError> {
    let store = open_store(config, home).await?;
    let blobs = open_blobs(config, home)?;
    let core = Core::new(Parts {
        store: store.clone(),
        blobs: blobs.clone(),
        signer: signing::signer(home, &SystemIds)?,
        sealer: signing::sealer(home, &SystemIds)?,
        clock,
        ids: Arc::new(SystemIds),
        home: home.root().to_owned(),
    });
    first_start(&core, home).await?;
    Ok((core, store, blobs))
}

/// How clients reach this server, as far as the settings say.
fn reached(config: &Config) -> Reached {
    Reached {
        external_url: config.external_url.as_deref().map(Arc::from),
        own_certificate: config.own_certificate.is_some(),
    }
}

/// Starts to tell receivers of changes.
fn deliver_webhooks(core: &Core, config: &Config) -> Deliverer {
    let settings = &config.webhooks;
    core.set_webhook_outbound(Arc::new(WebhookClient::new(Reach {
        allow_private: settings.allow_private,
        schemes: settings.schemes.clone(),
        timeout: settings.timeout,
    })));
    let options = deliverer::Options {
        tick: Duration::from_secs(1),
        retries: settings.retries,
    };
    deliverer::start(core.clone(), options)
}

/// The API with what stands beside it: everything that this server answers, in one table.
pub(super) fn whole(api: Surface, serving: &Serving, health: Health) -> Surface {
    let scoring = lazuli_serve::routes(serving);
    let surface = api.with(Permission::EndpointKey, Dialect::Scoring, scoring);
    health::routes(health)
        .into_iter()
        .fold(surface, |surface, (who, route)| {
            surface.with(who, Dialect::Plain, [route])
        })
}

/// How runners on this machine reach the server: without TLS where a loopback address is listened on, so that a job needs no CA.
fn local_jobs(
    config: &Config,
    home: &Home,
    announcement: &Announcement,
) -> Result<LocalConfig, CliError> {
    let (url, ca) = if announcement.loopback {
        (format!("http://127.0.0.1:{}", announcement.port), None)
    } else {
        (announcement.url.clone(), fs::read_to_string(home.ca()).ok())
    };
    LocalConfig::new(home.root(), url, ca, config.packages.clone())
        .map_err(|error| CliError::new(format!("cannot find this program's own file: {error}")))
}

/// Opens the database that the settings name; also for commands that work on it without a server.
pub(crate) async fn open_store(config: &Config, home: &Home) -> Result<Store, CliError> {
    let options = store_options(config, home);
    let place = options.backend.location();
    Store::open(options).await.map_err(|error| {
        let damaged = matches!(error, StoreError::Corrupt(_));
        let told = CliError::new(format!("cannot open the database `{place}`: {error}"));
        if damaged {
            told.hint("nothing was changed; `lazuli restore FILE --force` makes the home anew from a backup and keeps this one beside it")
        } else {
            told
        }
    })
}

/// Where the settings put the database.
pub(crate) fn store_options(config: &Config, home: &Home) -> StoreOptions {
    match &config.database {
        Some(url) => StoreOptions::postgres(url),
        None => StoreOptions::sqlite(home.database()),
    }
}

/// Opens the artifacts that the settings name.
pub(crate) fn open_blobs(config: &Config, home: &Home) -> Result<Blobs, CliError> {
    let usual = home.blobs().display().to_string();
    let address = config.artifacts.as_deref().unwrap_or(&usual);
    let storage = config.storage.clone();
    let options = BlobOptions {
        endpoint: storage.endpoint,
        region: storage.region,
        account: storage.account,
        secret: storage.secret,
        values: storage.options,
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        durable: true,
    };
    Blobs::open(address, &options)
        .map_err(|error| CliError::new(format!("cannot open the artifact storage: {error}")))
}

/// Makes the administrator on the very first start, and a new token whenever the credentials file is missing: whoever can write the home
/// owns the server anyway, so a lost file must not lock its owner out.
async fn first_start(core: &Core, home: &Home) -> Result<(), CliError> {
    let failed = |error: lazuli_core::Error| {
        CliError::new(format!("cannot make the administrator: {error}"))
    };
    let token = match core.bootstrap().await.map_err(failed)? {
        Some(token) => token,
        None if home.credentials().exists() => return Ok(()),
        None => core.issue_administrator_token().await.map_err(failed)?,
    };
    let text = format!(
        "# The administrator's token of this server. Whoever reads it owns the server.\n{}\n",
        token.reveal()
    );
    write_atomic(&home.credentials(), text.as_bytes(), 0o600)?;
    tracing::info!(file = %home.credentials().display(), "wrote the administrator's token");
    Ok(())
}

fn job_counts(store: &Store) -> JobCounts {
    let store = store.clone();
    Box::new(move || {
        let store = store.clone();
        Box::pin(async move {
            store
                .read(lazuli_store::jobs::count_by_state)
                .await
                .unwrap_or_else(|error: StoreError| {
                    tracing::warn!(%error, "cannot count jobs");
                    Vec::new()
                })
        })
    })
}

fn store_probe(store: &Store) -> Probe {
    let store = store.clone();
    let ask = move || {
        let store = store.clone();
        let read = async move {
            store
                .read(|tx| tx.query_one("SELECT 1", &[], |row| row.get::<i64>(0)))
                .await
        };
        let said: futures::future::BoxFuture<'static, _> = Box::pin(async move {
            read.await
                .map(|_| ())
                .map_err(|error: StoreError| error.to_string())
        });
        said
    };
    Probe {
        name: "store",
        ask: Box::new(ask),
    }
}

/// Asks for an object that need not exist: any answer but an outage will do.
fn blob_probe(blobs: &Blobs) -> Probe {
    let blobs = blobs.clone();
    let ask = move || {
        let blobs = blobs.clone();
        let said: futures::future::BoxFuture<'static, _> = Box::pin(async move {
            let key = BlobKey::parse("ready").map_err(|error| error.to_string())?;
            match blobs.head(&key).await {
                Err(error) if !error.is_not_found() => Err(error.to_string()),
                _ => Ok(()),
            }
        });
        said
    };
    Probe {
        name: "blob",
        ask: Box::new(ask),
    }
}
