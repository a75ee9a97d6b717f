//! Logging: one subscriber, for people on a terminal and as JSON lines elsewhere. Always on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::config::{Config, LogFormat};
use crate::error::CliError;

/// Starts logging; called once, before anything that logs.
pub(crate) fn start(config: &Config) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(&config.log_level).map_err(|error| {
        CliError::usage(format!(
            "`log.level`: `{}` is not a filter: {error}",
            config.log_level
        ))
    })?;
    let terminal = std::io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if json {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
    } else {
        builder
            .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
            .with_target(false)
            .compact()
            .try_init()
    };
    started.map_err(|error| CliError::new(format!("cannot start logging: {error}")))
}
