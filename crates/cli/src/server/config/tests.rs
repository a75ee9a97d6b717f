//! Tests of merging and checking settings.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

fn load(
    env: &[(&str, &str)],
    flags: &[(&'static str, &str)],
    file: Option<&str>,
) -> Result<Config, CliError> {
    let directory = tempfile::tempdir().unwrap();
    let env: BTreeMap<String, String> = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let mut flags: Flags = flags
        .iter()
        .map(|(k, v)| (*k, vec![(*v).to_owned()]))
        .collect();
    flags
        .entry("home")
        .or_insert_with(|| vec![directory.path().display().to_string()]);
    if let Some(text) = file {
        std::fs::write(directory.path().join("config.toml"), text).unwrap();
    }
    Config::load(
        &flags,
        &Surroundings {
            env: &|name| env.get(name).cloned(),
            directory: directory.path().to_owned(),
        },
    )
}

fn said(result: Result<Config, CliError>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "fine".into())
}

#[test]
fn later_sources_win_and_say_where_they_are() {
    let config = load(
        &[("LAZULI_PORT", "2"), ("LAZULI_LIMITS_HEADERS", "20")],
        &[("port", "3")],
        Some("port = 1\n[limits]\nheaders = 10\nstreams = 9"),
    )
    .unwrap();
    assert_eq!(
        (config.port, config.limits.headers, config.limits.streams),
        (3, 20, 9)
    );
    let places: Vec<String> = config
        .values()
        .filter(|raw| !matches!(raw.origin, Origin::Default | Origin::File { .. }))
        .map(Raw::place)
        .collect();
    assert_eq!(places, ["--home", "--port", "LAZULI_LIMITS_HEADERS"]);
}

#[test]
fn defaults_are_valid() {
    let config = load(&[], &[], None).unwrap();
    assert_eq!(config.addresses, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.port, 7878);
    assert_eq!(config.database, None);
}

#[test]
fn wrong_values_name_their_place() {
    insta::assert_snapshot!(said(load(&[("LAZULI_PORT", "http")], &[], None)), @"LAZULI_PORT: `port`: `http` is not a port; write a number from 0 to 65535");
    insta::assert_snapshot!(said(load(&[], &[("log.format", "xml")], None)), @"--log-format: `log.format`: `xml` is not `auto` or `human` or `json`");
    insta::assert_snapshot!(said(load(&[], &[("limits.connections", "0")], None)), @"--limits-connections: `limits.connections`: must be at least 1");
    insta::assert_snapshot!(said(load(&[], &[("shutdown.grace", "soon")], None)), @"--shutdown-grace: `shutdown.grace`: `soon` is not a time; write a number and a unit, as 500ms, 30s, 5m or 2h");
    insta::assert_snapshot!(said(load(&[], &[("host", "not a name")], None)), @"--host: `host`: `not a name` is neither an IP address nor a host name");
    insta::assert_snapshot!(said(load(&[], &[("host", "999.1.1.1")], None)), @"--host: `host`: `999.1.1.1` is neither an IP address nor a host name");
    insta::assert_snapshot!(said(load(&[], &[("tls.key", "k.pem")], None)), @"--tls-key: `tls.key`: needs `tls.certificate` too");
    insta::assert_snapshot!(said(load(&[], &[("port", "")], None)), @"--port: `port`: must not be empty; the default is `7878`");
}

#[test]
fn hosts_split_into_addresses_and_names() {
    let hosts = |text: &str| {
        let config = load(&[], &[("host", text)], None).unwrap();
        (
            config
                .addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            config.names.join(" "),
        )
    };
    assert_eq!(
        hosts("ML.example.org"),
        ("0.0.0.0".into(), "ml.example.org".into())
    );
    assert_eq!(hosts("localhost"), ("127.0.0.1".into(), "localhost".into()));
    assert_eq!(
        hosts("10.0.0.5,ml.example.org,[::1]"),
        ("10.0.0.5 ::1".into(), "10.0.0.5 ml.example.org ::1".into())
    );
    assert_eq!(
        hosts("0.0.0.0,10.0.0.5,::1"),
        ("0.0.0.0 ::1".into(), "10.0.0.5 ::1".into())
    );
    assert_eq!(hosts("0.0.0.0"), ("0.0.0.0".into(), String::new()));
}

#[test]
fn storage_and_packages_are_read_and_their_secrets_stay() {
    let config = load(
        &[
            ("LAZULI_STORAGE_SECRET", "hush"),
            ("LAZULI_STORAGE_OPTIONS", "sas_token=hush&b=c, timeout=9s"),
            (
                "LAZULI_PACKAGES_INDEX_URL",
                "https://me:hush@pypi.example/simple",
            ),
            (
                "LAZULI_PACKAGES_FIND_LINKS",
                "https://wheels.example, /wheels",
            ),
        ],
        &[("packages.offline", "true")],
        Some("[storage]\nendpoint = 'http://127.0.0.1:9000'"),
    )
    .unwrap();
    assert_eq!(config.storage.options["sas_token"], "hush&b=c");
    assert_eq!(config.storage.options["timeout"], "9s");
    assert_eq!(
        config.packages.find_links,
        ["https://wheels.example", "/wheels"]
    );
    assert!(config.packages.offline);
    assert!(!format!("{:?} {:?}", config.storage, config.packages).contains("hush"));

    insta::assert_snapshot!(said(load(&[], &[("storage.endpoint", "minio:9000")], None)), @"--storage-endpoint: `storage.endpoint`: is not an address such as `https://host/path`");
    insta::assert_snapshot!(said(load(&[], &[("storage.options", "hush")], None)), @"--storage-options: `storage.options`: each option is written `name=value`");
    insta::assert_snapshot!(said(load(&[], &[("packages.index_url", "hush")], None)), @"--packages-index-url: `packages.index_url`: is not an address such as `https://host/path`");
    insta::assert_snapshot!(said(load(&[], &[("packages.offline", "yes")], None)), @"--packages-offline: `packages.offline`: `yes` is not `true` or `false`");
}

#[test]
fn reference_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
    let page = reference::page();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "{} is stale: run `make reference`",
        path.display()
    );
}

#[test]
fn every_setting_has_its_own_flag_and_variable() {
    let flags: std::collections::BTreeSet<String> = SETTINGS.iter().map(Setting::flag).collect();
    let variables: std::collections::BTreeSet<String> = SETTINGS.iter().map(Setting::env).collect();
    assert_eq!(
        (flags.len(), variables.len()),
        (SETTINGS.len(), SETTINGS.len())
    );
}
