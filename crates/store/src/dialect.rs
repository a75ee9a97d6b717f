//! The few places where SQLite and PostgreSQL need different SQL text. Everything else is one text for both.

/// Which database a [`Tx`](crate::Tx) talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The embedded default.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

impl Dialect {
    /// `column LIKE $n`, case-sensitive, with `%` and `_` only: the backslash is an ordinary character on both.
    pub fn like(self, column: &str, placeholder: &str) -> String {
        match self {
            Dialect::Sqlite => format!("{column} LIKE {placeholder}"),
            Dialect::Postgres => format!("{column} LIKE {placeholder} ESCAPE ''"),
        }
    }

    /// Like [`like`](Self::like), ignoring the case of letters (of ASCII letters in SQLite).
    pub fn ilike(self, column: &str, placeholder: &str) -> String {
        match self {
            Dialect::Sqlite => format!("LOWER({column}) LIKE LOWER({placeholder})"),
            Dialect::Postgres => format!("{column} ILIKE {placeholder} ESCAPE ''"),
        }
    }

    /// Whether the regular expression `$n`, in the back end's own syntax, matches somewhere in the column's text.
    pub(crate) fn regex(self, column: &str, placeholder: &str) -> String {
        match self {
            Dialect::Sqlite => format!("regexp({placeholder}, {column})"),
            Dialect::Postgres => format!("{column} ~ {placeholder}"),
        }
    }

    /// Whether the text `$n` stands somewhere in the column's text.
    pub(crate) fn contains(self, column: &str, placeholder: &str) -> String {
        match self {
            Dialect::Sqlite => format!("instr({column}, {placeholder}) > 0"),
            Dialect::Postgres => format!("strpos({column}, {placeholder}) > 0"),
        }
    }

    /// Ends a SELECT whose rows this transaction will change. SQLite has one writer, so it needs nothing.
    pub fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE",
        }
    }

    /// Ends a SELECT that claims work: rows that another server is claiming are passed over.
    pub fn for_update_skip_locked(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// The members of an object in a column of JSON, or of one of its members: rows of `key` and `value`. PostgreSQL's texts
    /// hold no NUL, so a document with one has no members there.
    pub(crate) fn json_members(self, column: &str, member: Option<&str>) -> String {
        match (self, member) {
            (Dialect::Sqlite, None) => format!("json_each({column})"),
            (Dialect::Sqlite, Some(member)) => format!("json_each({column}, '$.{member}')"),
            (Dialect::Postgres, _) => {
                let step = member.map_or_else(String::new, |member| format!(" -> '{member}'"));
                format!(
                    "json_each_text(CASE WHEN position('\\u0000' IN {column}) = 0 THEN CAST({column} AS json){step} END)"
                )
            }
        }
    }

    pub(crate) fn now_micros(self) -> &'static str {
        match self {
            Dialect::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS BIGINT)",
            Dialect::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }

    /// All our tables, by name.
    pub(crate) fn list_tables(self) -> &'static str {
        match self {
            Dialect::Sqlite => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name"
            }
            Dialect::Postgres => {
                "SELECT CAST(tablename AS TEXT) COLLATE \"C\" AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
            }
        }
    }

    /// Name and declared type of the columns of table `$1`, in order.
    pub(crate) fn list_columns(self) -> &'static str {
        match self {
            Dialect::Sqlite => "SELECT name, type FROM pragma_table_info($1) ORDER BY cid",
            Dialect::Postgres => {
                "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
            }
        }
    }

    pub(crate) fn database_size(self) -> &'static str {
        match self {
            Dialect::Sqlite => {
                "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            }
            Dialect::Postgres => "SELECT pg_database_size(current_database())",
        }
    }
}
