//! One PostgreSQL connection and the statements prepared on it.

use std::collections::HashMap;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use postgres::{Client, NoTls, Statement};

use super::{error, wire_type};
use crate::row::{Row, Source};
use crate::value::Kind;
use crate::{Param, StoreError};

/// Statements kept prepared on each connection.
const STATEMENTS: usize = 512;

type Key = (String, Vec<Kind>);

/// An open connection; replaced by its owner once [`is_lost`](Session::is_lost).
pub(crate) struct Session {
    client: Client,
    statements: HashMap<Key, Statement>,
}

impl Session {
    pub(crate) fn open(url: &str) -> Result<Session, StoreError> {
        let mut config: postgres::Config = url.parse().map_err(|cause| {
            StoreError::Unavailable(format!("the PostgreSQL URL cannot be read: {cause}"))
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_application_name().is_none() {
            config.application_name("lazuli");
        }
        let mut client = config.connect(NoTls).map_err(|cause| error(&cause))?;
        // A commit is on the disk before it is acknowledged, whatever the role's default is.
        client
            .batch_execute("SET synchronous_commit = on; SET client_min_messages = warning; SET idle_in_transaction_session_timeout = 0")
            .map_err(|cause| error(&cause))?;
        Ok(Session {
            client,
            statements: HashMap::new(),
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.client
            .batch_execute(sql)
            .map_err(|cause| error(&cause))
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql, params)?;
        let params: Vec<_> = params
            .iter()
            .map(|param| param as &(dyn ToSql + Sync))
            .collect();
        self.client
            .execute(&statement, &params)
            .map_err(|cause| in_statement(sql, &cause))
    }

    /// Feeds rows to `each` until it returns false. Rows arrive as they are read.
    pub(crate) fn query(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> Result<(), StoreError> {
        let statement = self.prepare(sql, params)?;
        let mut rows = self
            .client
            .query_raw(&statement, params)
            .map_err(|cause| in_statement(sql, &cause))?;
        while let Some(row) = rows.next().map_err(|cause| in_statement(sql, &cause))? {
            if !each(&Row(Source::Postgres(&row))) {
                break;
            }
        }
        Ok(())
    }

    fn prepare(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Statement, StoreError> {
        let key: Key = (sql.to_owned(), params.iter().map(Param::kind).collect());
        if let Some(statement) = self.statements.get(&key) {
            return Ok(statement.clone());
        }
        let types: Vec<_> = key.1.iter().map(|kind| wire_type(*kind)).collect();
        let statement = self
            .client
            .prepare_typed(sql, &types)
            .map_err(|cause| in_statement(sql, &cause))?;
        if statement.params().len() != params.len() {
            let (wanted, given) = (statement.params().len(), params.len());
            return Err(StoreError::Sql(format!(
                "{wanted} parameters wanted, {given} given; in: {sql}"
            )));
        }
        // Starting over is rare and cheap; built statements (search filters) must not pile up on the server.
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(key, statement.clone());
        Ok(statement)
    }
}

fn in_statement(sql: &str, cause: &postgres::Error) -> StoreError {
    match error(cause) {
        StoreError::Sql(message) => StoreError::Sql(format!("{message}; in: {sql}")),
        other => other,
    }
}
