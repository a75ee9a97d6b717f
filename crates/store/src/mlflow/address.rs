//! Where an MLflow database is, as SQLAlchemy writes it.

use std::path::{Path, PathBuf};

use crate::{Backend, StoreError};

/// A database's address, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How to reach it.
    pub backend: Backend,
}

impl Address {
    /// Where it is, without the password: for people, and to know it again.
    pub fn shown(&self) -> String {
        match &self.backend {
            Backend::Sqlite { path } => format!("sqlite:///{}", path.display()),
            postgres @ Backend::Postgres { .. } => postgres.location(),
        }
    }
}

/// Reads `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://…` and `postgresql+driver://…`.
pub fn parse_address(url: &str, current: &Path) -> Result<Address, StoreError> {
    let refused = |message: String| Err(StoreError::Archive(message));
    let Some((scheme, rest)) = url.split_once("://") else {
        return refused(format!(
            "`{url}` is no address of a database: give `sqlite:///file.db` or `postgresql://user@host/database`. \
             A folder of files (mlruns) becomes a database with `mlflow migrate-filestore`"
        ));
    };
    let (kind, _driver) = scheme.split_once('+').unwrap_or((scheme, ""));
    match kind {
        "sqlite" => {
            let Some(path) = rest.strip_prefix('/').filter(|path| !path.is_empty()) else {
                return refused(format!(
                    "`{url}` names no file: SQLite's addresses have three slashes, `sqlite:///file.db`"
                ));
            };
            let path = current.join(PathBuf::from(path));
            if !path.is_file() {
                return refused(format!("there is no file `{}`", path.display()));
            }
            let path = path.canonicalize().unwrap_or(path);
            Ok(Address {
                backend: Backend::Sqlite { path },
            })
        }
        "postgresql" | "postgres" => Ok(Address {
            backend: Backend::Postgres {
                url: format!("postgresql://{rest}"),
            },
        }),
        other => refused(format!(
            "databases of kind `{other}` cannot be read: SQLite and PostgreSQL can. \
             Move it to one of those first (pgloader moves MySQL to PostgreSQL)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_sqlalchemy_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.db");
        std::fs::write(&file, "").unwrap();
        let file = file.canonicalize().unwrap();
        let sqlite = Backend::Sqlite { path: file.clone() };
        let absolute = format!("sqlite:///{}", file.display());
        assert_eq!(
            parse_address(&absolute, Path::new("/")).unwrap().backend,
            sqlite
        );
        assert_eq!(
            parse_address("sqlite:///m.db", folder.path())
                .unwrap()
                .backend,
            sqlite
        );
        let postgres =
            parse_address("postgresql+psycopg2://u:secret@h:1/d", Path::new("/")).unwrap();
        assert_eq!(
            postgres.backend,
            Backend::Postgres {
                url: "postgresql://u:secret@h:1/d".into()
            }
        );
        assert_eq!(postgres.shown(), "postgres://u@h:1/d");
        for bad in [
            "./mlruns",
            "mysql://h/d",
            "sqlite:///nothing.db",
            "sqlite://",
            "file:///x",
        ] {
            assert!(parse_address(bad, folder.path()).is_err(), "{bad}");
        }
    }
}
