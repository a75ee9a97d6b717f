//! Finding the server and the token.
//!
//! Address: `--server` or `LAZULI_SERVER`, else the one that `lazuli login` remembered, else the one running in the
//! home folder (`server.json`), else the default port of this machine. Token: `LAZULI_TOKEN`, else the remembered one
//! for that address, else the home's own `credentials`, which is only ever shown to a server on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::logins::Logins;
use crate::cli::Globals;
use crate::error::{CliError, CliResult};

/// Where a server listens when nothing says otherwise.
const DEFAULT_URL: &str = "https://127.0.0.1:7878";

/// A secret that does not show itself in debug output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The secret itself, for a header or a file.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A server, and how to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `https://host:port`, no trailing slash.
    pub(crate) url: String,
    /// The bearer token, if one was found.
    pub(crate) token: Option<Secret>,
    /// Where the token came from, for messages.
    pub(crate) token_from: String,
    /// The only certificate authority to trust; the public ones when absent.
    pub(crate) ca: Option<PathBuf>,
}

impl Target {
    /// Finds everything from the options, the environment and the home folder.
    pub(crate) fn discover(globals: &Globals) -> CliResult<Self> {
        let home = globals.home();
        let logins = Logins::read(&home)?;
        let running = running_server(&home);
        let url = match (&globals.server, logins.current(), &running) {
            (Some(url), ..) => check_url(url)?,
            (None, Some(url), _) => url.to_owned(),
            (None, None, Some(url)) => url.clone(),
            (None, None, None) => DEFAULT_URL.to_owned(),
        };
        let is_own = is_loopback(&url) || running.as_ref() == Some(&url);
        let (token, token_from) = find_token(&url, &home, &logins, is_own)?;
        let own_ca = home.join("tls").join("ca.pem");
        let ca = globals
            .ca
            .clone()
            .or_else(|| logins.ca(&url).map(Path::to_owned))
            .or_else(|| Some(own_ca).filter(|path| is_own && path.exists()));
        Ok(Self {
            url,
            token,
            token_from,
            ca,
        })
    }

    /// Puts a token in the place of the one that was found.
    pub(crate) fn set_token(&mut self, token: &str, from: &str) {
        self.token = Some(Secret::new(token));
        from.clone_into(&mut self.token_from);
    }

    /// The same server, with nobody logged in.
    pub(crate) fn without_token(&self) -> Self {
        Self {
            token: None,
            token_from: String::new(),
            ..self.clone()
        }
    }
}

/// Checks and tidies an address typed by a person.
pub(crate) fn check_url(text: &str) -> CliResult<String> {
    let url = text.trim().trim_end_matches('/');
    let parsed = reqwest::Url::parse(url).map_err(|error| {
        CliError::usage(format!("`{text}` is not an address: {error}")).field("--server")
    })?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(
            CliError::usage(format!("`{text}` is not an http or https address"))
                .field("--server")
                .hint(format!("for example `--server {DEFAULT_URL}`")),
        );
    }
    if parsed.scheme() == "http" && !is_loopback(url) {
        return Err(CliError::usage(format!(
            "`{text}` would send the token unencrypted over the network"
        ))
        .field("--server")
        .hint(format!("use `https{}`", &url[4..])));
    }
    Ok(url.to_owned())
}

fn find_token(
    url: &str,
    home: &Path,
    logins: &Logins,
    is_own: bool,
) -> CliResult<(Option<Secret>, String)> {
    if let Ok(token) = std::env::var("LAZULI_TOKEN")
        && !token.trim().is_empty()
    {
        return Ok((
            Some(Secret::new(token.trim())),
            "from LAZULI_TOKEN".to_owned(),
        ));
    }
    if let Some(token) = logins.token(url) {
        return Ok((Some(token), "remembered by `lazuli login`".to_owned()));
    }
    let path = home.join("credentials");
    if !is_own {
        return Ok((None, String::new()));
    }
    match fs::read_to_string(&path) {
        Ok(text) => Ok((
            token_in(&text).map(Secret::new),
            format!("from {}", path.display()),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((None, String::new())),
        Err(error) => Err(CliError::io("read", &path, &error)),
    }
}

/// The token in a credentials file: the first line that is not a comment, bare or as `token = "…"`.
fn token_in(text: &str) -> Option<String> {
    let lines = || {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
    };
    let value = |line: &str| line.trim().trim_matches('"').to_owned();
    lines()
        .find_map(|line| {
            let (key, rest) = line.split_once('=')?;
            (key.trim() == "token").then(|| value(rest))
        })
        .or_else(|| {
            lines()
                .next()
                .filter(|line| !line.contains([' ', '=']))
                .map(value)
        })
}

/// The address that a server running in this home wrote down.
fn running_server(home: &Path) -> Option<String> {
    let text = fs::read_to_string(home.join("server.json")).ok()?;
    let document: Value = serde_json::from_str(&text).ok()?;
    let url = document.get("url")?.as_str()?;
    Some(url.trim_end_matches('/').to_owned())
}

/// Whether an address is this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Some(host) = reqwest::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
    else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globals(home: &Path, server: Option<&str>) -> Globals {
        Globals {
            workspace_name: "default".to_owned(),
            output: None,
            query: None,
            server: server.map(str::to_owned),
            ca: None,
            home: Some(home.to_owned()),
            resource_group: None,
            subscription: None,
        }
    }

    #[test]
    fn the_server_of_the_home_is_found_with_its_token_and_authority() {
        let home = tempfile::tempdir().unwrap();
        fs::write(
            home.path().join("server.json"),
            r#"{"pid": 1, "url": "https://127.0.0.1:9"}"#,
        )
        .unwrap();
        fs::write(home.path().join("credentials"), "lzt_secret\n").unwrap();
        fs::create_dir(home.path().join("tls")).unwrap();
        fs::write(home.path().join("tls/ca.pem"), "x").unwrap();
        let target = Target::discover(&globals(home.path(), None)).unwrap();
        assert_eq!(target.url, "https://127.0.0.1:9");
        assert_eq!(target.token.as_ref().unwrap().reveal(), "lzt_secret");
        assert!(target.ca.is_some());
        assert!(
            !format!("{target:?}").contains("lzt_secret"),
            "secrets stay out of debug output"
        );
    }

    #[test]
    fn the_homes_token_is_never_shown_to_another_machine() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("credentials"), "lzt_secret\n").unwrap();
        let target =
            Target::discover(&globals(home.path(), Some("https://ml.example.com/"))).unwrap();
        assert_eq!(
            (target.url.as_str(), &target.token, &target.ca),
            ("https://ml.example.com", &None, &None)
        );
    }

    #[test]
    fn plain_http_leaves_this_machine_for_nobody() {
        assert_eq!(
            check_url("http://127.0.0.1:7878/").unwrap(),
            "http://127.0.0.1:7878"
        );
        assert_eq!(check_url("http://[::1]:7878").unwrap(), "http://[::1]:7878");
        insta::assert_snapshot!(check_url("http://ml.example.com").unwrap_err().render(), @r"
        error: `http://ml.example.com` would send the token unencrypted over the network
          field: --server

        hint: use `https://ml.example.com`
        ");
        assert!(check_url("ftp://x").is_err() && check_url("nonsense").is_err());
    }

    #[test]
    fn credentials_are_read_bare_or_as_a_setting() {
        assert_eq!(
            token_in("# made by lazuli up\nabc\n").as_deref(),
            Some("abc")
        );
        assert_eq!(
            token_in("user = \"admin\"\ntoken = \"abc\"\n").as_deref(),
            Some("abc")
        );
        assert_eq!(token_in("\n"), None);
    }
}
