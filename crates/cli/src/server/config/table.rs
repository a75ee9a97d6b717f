//! The one table of settings: the file keys, the environment variables, the flags, the defaults and the reference page all come from it.
//!
//! A setting's environment variable and flag follow from its key: `limits.header_bytes` is `LAZULI_LIMITS_HEADER_BYTES` and
//! `--limits-header-bytes`. To add a setting, add a row here and read it in [`super::Config`].

/// What a setting's text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A path; relative ones are taken from the working directory.
    Path,
    /// A whole number.
    Count,
    /// A TCP port, 0 for any free one.
    Port,
    /// A size such as `64KiB`.
    Bytes,
    /// A time span such as `30s`.
    Span,
    /// Several texts; separated by commas outside the file.
    List,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// The kind in the words of the reference page.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Path => "path".into(),
            Self::Count => "whole number".into(),
            Self::Port => "port".into(),
            Self::Bytes => "size, as `64KiB`".into(),
            Self::Span => "time, as `30s`".into(),
            Self::List => "list of texts".into(),
            Self::Choice(words) => words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(" or "),
        }
    }
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The key in the file; a dot separates the TOML table from the key in it.
    pub key: &'static str,
    /// What its text must look like.
    pub kind: Kind,
    /// The default as one would write it; empty for none.
    pub default: &'static str,
    /// Whether the value may contain a password and is never printed.
    pub secret: bool,
    /// What it does, in a sentence or two.
    pub meaning: &'static str,
}

impl Setting {
    /// The environment variable.
    pub(crate) fn env(&self) -> String {
        format!("LAZULI_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The flag, without the dashes.
    pub(crate) fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }
}

const fn row(
    key: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        key,
        kind,
        default,
        secret: false,
        meaning,
    }
}

const fn secret(
    key: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        key,
        kind,
        default,
        secret: true,
        meaning,
    }
}

/// Every setting, in the order of the reference page.
pub(crate) const SETTINGS: &[Setting] = &[
    row(
        "home",
        Kind::Path,
        "~/.lazuli",
        "The directory that holds everything the server keeps: database, artifacts, jobs, keys, credentials. Cannot be set in the file.",
    ),
    row(
        "config",
        Kind::Path,
        "",
        "The configuration file. Without it, `<home>/config.toml` is read if it exists. Cannot be set in the file.",
    ),
    row(
        "host",
        Kind::List,
        "127.0.0.1",
        "Addresses to listen on, and names that clients use to reach the server. Both go into the server's certificate. Names without any address listen on every address of the machine.",
    ),
    row(
        "port",
        Kind::Port,
        "7878",
        "The one TCP port; 0 takes a free one and says which in `<home>/server.json`.",
    ),
    row(
        "external_url",
        Kind::Text,
        "",
        "The address at which clients reach the server through a proxy, such as `https://ml.example.org/lazuli`, for addresses that the server gives out. Not needed when the proxy passes on `Host` and `X-Forwarded-Proto`.",
    ),
    secret(
        "database",
        Kind::Text,
        "",
        "Where metadata lives: `postgres://user@host/name`, or empty for `<home>/lazuli.db` (SQLite).",
    ),
    secret(
        "artifacts",
        Kind::Text,
        "",
        "Where artifacts live: `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`, a folder, or empty for `<home>/blobs`.",
    ),
    row(
        "storage.endpoint",
        Kind::Text,
        "",
        "The object store's address when it is not the provider's own: `http://127.0.0.1:9000` for an S3-compatible store.",
    ),
    row("storage.region", Kind::Text, "", "The S3 region."),
    row(
        "storage.account",
        Kind::Text,
        "",
        "Who asks: the access key id (S3), the storage account's name (Azure), the path of the service account's file (Google). Without it, the provider's own variables (`AWS_*`, `AZURE_*`, `GOOGLE_*`) are read, then the machine's identity is asked for.",
    ),
    secret(
        "storage.secret",
        Kind::Text,
        "",
        "The secret access key (S3) or the account key (Azure). Better in the file or the environment than as a flag, which other users of the machine can see.",
    ),
    secret(
        "storage.options",
        Kind::List,
        "",
        "Any further option of the object store as `name=value`: `sas_token=…`, `session_token=…`, `virtual_hosted_style_request=true`, `timeout=60s`.",
    ),
    secret(
        "packages.index_url",
        Kind::Text,
        "",
        "The Python package index from which environments of jobs and deployments are built, instead of what uv's and pip's variables say, else PyPI.",
    ),
    secret(
        "packages.extra_index_urls",
        Kind::List,
        "",
        "Further package indexes; a package that one of them has is taken from there.",
    ),
    row(
        "packages.find_links",
        Kind::List,
        "",
        "Folders, or pages, of wheels to be considered too.",
    ),
    row(
        "packages.offline",
        Kind::Choice(&["true", "false"]),
        "false",
        "Whether to build environments without the network: from packages fetched before and from folders in `packages.find_links`.",
    ),
    row(
        "webhooks.allow_private",
        Kind::Choice(&["true", "false"]),
        "false",
        "Whether webhooks may reach this machine, private networks and other addresses that are not on the public internet (MLflow's `MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS`). Whoever may set up webhooks can then make this server send requests there.",
    ),
    row(
        "webhooks.schemes",
        Kind::List,
        "https",
        "The schemes that addresses of webhooks may have: `https`, `http` (MLflow's `MLFLOW_WEBHOOK_ALLOWED_SCHEMES`).",
    ),
    row(
        "webhooks.timeout",
        Kind::Span,
        "30s",
        "Time that the receiver of a webhook is given for one request.",
    ),
    row(
        "webhooks.retries",
        Kind::Count,
        "3",
        "How often a delivery is tried again after a network error or one of the answers 429, 500, 502, 503 and 504. The pauses double from 1 s, unless the receiver asks for another one by `Retry-After`.",
    ),
    row(
        "log.level",
        Kind::Text,
        "info",
        "How much to log: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,lazuli_store=debug`.",
    ),
    row(
        "log.format",
        Kind::Choice(&["auto", "human", "json"]),
        "auto",
        "How log lines look; `auto` is `human` on a terminal and `json` otherwise. Logs go to standard error.",
    ),
    row(
        "tls.certificate",
        Kind::Path,
        "",
        "A PEM certificate chain of your own instead of the one from the private CA. Needs `tls.key`.",
    ),
    row(
        "tls.key",
        Kind::Path,
        "",
        "The PEM private key of `tls.certificate`.",
    ),
    row(
        "limits.connections",
        Kind::Count,
        "1024",
        "Open connections; further ones wait in the kernel's queue.",
    ),
    row(
        "limits.headers",
        Kind::Count,
        "100",
        "Header lines in one request; more are answered with 431.",
    ),
    row(
        "limits.header_bytes",
        Kind::Bytes,
        "64KiB",
        "Size of one request's headers; more are answered with 431.",
    ),
    row(
        "limits.header_timeout",
        Kind::Span,
        "15s",
        "Time to finish a TLS handshake, and to send one request's headers.",
    ),
    row(
        "limits.body_bytes",
        Kind::Bytes,
        "16MiB",
        "Size of a request body that is read as a whole (JSON); more is answered with 413.",
    ),
    row(
        "limits.upload_bytes",
        Kind::Bytes,
        "1TiB",
        "Size of a request body that is streamed to storage (files, logs).",
    ),
    row(
        "limits.body_timeout",
        Kind::Span,
        "60s",
        "Time without a byte while a request body is being sent.",
    ),
    row(
        "limits.idle_timeout",
        Kind::Span,
        "75s",
        "Time a connection may stay open without a request.",
    ),
    row(
        "limits.streams",
        Kind::Count,
        "256",
        "Concurrent HTTP/2 requests on one connection.",
    ),
    row(
        "shutdown.grace",
        Kind::Span,
        "20s",
        "Time that requests in flight are given to finish when the server stops. Jobs are not affected: they live on.",
    ),
    row(
        "metrics.access",
        Kind::Choice(&["loopback", "anyone"]),
        "loopback",
        "Who may read `/metrics` without a token.",
    ),
];

/// The setting with this key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}
