//! Where artifacts are on both sides: what MLflow's rows say of a place below the folder that is copied becomes a place
//! behind our artifact proxy, and the other way round. Everything else stays as it is.

use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::pipe::{Context, Page, Pipe};
use super::{Schema, logged_models, model_versions, runs, traces};

/// MLflow's word for a place behind its server's proxy.
const PROXY: &str = "mlflow-artifacts:";

/// The folder with MLflow's artifacts, and how its rows call it.
#[derive(Clone, Debug, Default)]
pub struct Places {
    folder: Option<PathBuf>,
    /// What the rows may begin with where they mean the folder.
    names: Vec<String>,
    /// The folder's own name, for relative places such as `./mlruns/0`.
    own_name: String,
    /// What MLflow's rows are to call the folder when they are written.
    outside: Option<String>,
}

/// Files of one thing: where they are below the folder, and where they go behind our proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whose they are.
    pub name: String,
    /// Below MLflow's folder.
    pub theirs: String,
    /// Behind our proxy.
    pub ours: String,
}

/// What becomes of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is in the files of a run or logged model that come too.
    Owned(String),
    /// Its files come by themselves: from below the folder, to a place of their own.
    Alone(Root),
    /// It stays.
    Kept,
}

impl Places {
    /// `folder` is MLflow's artifact folder, `name` what the rows call it, if that is neither its path nor the proxy.
    pub fn new(folder: Option<&Path>, name: Option<&str>, current: &Path) -> Self {
        let Some(folder) = folder else {
            return Self::default();
        };
        let absolute = current.join(folder);
        let real = absolute.canonicalize().unwrap_or_else(|_| absolute.clone());
        let mut names = vec![text(&absolute), text(&real)];
        let outside = name.map(|name| name.trim_end_matches('/').to_owned());
        names.extend(outside.clone());
        let own_name = real
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Self {
            folder: Some(real),
            names,
            own_name: own_name.unwrap_or_default(),
            outside,
        }
    }

    /// The folder.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The path below the folder, if the address is there.
    pub fn below(&self, address: &str) -> Option<String> {
        self.folder.as_ref()?;
        if let Some(rest) = self.names.iter().find_map(|name| within(address, name)) {
            return clean(rest);
        }
        if let Some(rest) = address.strip_prefix(PROXY) {
            let path = match rest.strip_prefix("//") {
                Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
                None => rest,
            };
            return clean(path);
        }
        if let Some(path) = address.strip_prefix("file:") {
            let path = match path.strip_prefix("//") {
                Some(with_host) => &with_host[with_host.find('/')?..],
                None => path,
            };
            return self.below(&decoded(path)).filter(|_| path.starts_with('/'));
        }
        let relative = !address.starts_with('/') && !address.contains(':');
        let inside = address.trim_start_matches("./");
        within(inside, &self.own_name)
            .filter(|_| relative)
            .and_then(clean)
    }

    /// The address of a run's, model's or experiment's files here, `ours` being their place behind our proxy.
    pub(super) fn root(&self, theirs: &str, ours: &str) -> String {
        match self.below(theirs) {
            Some(_) => proxied(ours),
            None => theirs.to_owned(),
        }
    }

    /// What becomes of the address of a version's files; `owners` are the roots, theirs and ours, that it may be in.
    pub(super) fn moved(&self, address: &str, owners: &[(&str, String)]) -> Moved {
        for (theirs, ours) in owners {
            if self.below(theirs).is_some()
                && let Some(rest) = within(address, theirs)
            {
                return Moved::Owned(proxied(&join(ours, rest)));
            }
        }
        match self.below(address).filter(|path| !path.is_empty()) {
            Some(theirs) => Moved::Alone(Root {
                name: address.to_owned(),
                ours: format!("imported/{theirs}"),
                theirs,
            }),
            None => Moved::Kept,
        }
    }

    /// An address of ours as MLflow's rows are to have it.
    pub(super) fn exported(&self, ours: &str) -> String {
        let path = ours
            .strip_prefix(PROXY)
            .and_then(|rest| match rest.strip_prefix("//") {
                Some(with_host) => with_host.split_once('/').map(|(_, path)| path),
                None => Some(rest.trim_start_matches('/')),
            });
        match (path, &self.outside) {
            (Some(path), Some(name)) => join(name, path),
            _ => ours.to_owned(),
        }
    }

    /// How an address that stays begins: for saying what stays, in a few lines.
    pub fn kept(&self, address: &str) -> Option<String> {
        if self.below(address).is_some() || address.is_empty() {
            return None;
        }
        if let Some((scheme, rest)) = address.split_once("://") {
            let host = rest.split('/').next().unwrap_or_default();
            return (scheme != "runs" && scheme != "models").then(|| format!("{scheme}://{host}"));
        }
        if address.starts_with("runs:/") || address.starts_with("models:/") {
            return None;
        }
        if !address.contains('/') {
            return None;
        }
        let first: Vec<&str> = address.splitn(5, '/').take(4).collect();
        Some(first.join("/"))
    }
}

/// The address of a place behind our proxy.
pub(super) fn proxied(path: &str) -> String {
    format!("{PROXY}/{path}")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().trim_end_matches('/').to_owned()
}

fn join(root: &str, rest: &str) -> String {
    let rest = rest.trim_matches('/');
    if rest.is_empty() {
        root.to_owned()
    } else {
        format!("{}/{rest}", root.trim_end_matches('/'))
    }
}

/// What follows `root` in an address that is it or below it.
fn within<'a>(address: &'a str, root: &str) -> Option<&'a str> {
    let rest = address.strip_prefix(root.trim_end_matches('/'))?;
    (!root.is_empty() && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}

/// The path without empty steps; none when it climbs.
fn clean(path: &str) -> Option<String> {
    let steps: Vec<&str> = path
        .split('/')
        .filter(|step| !step.is_empty() && *step != ".")
        .collect();
    (!steps.contains(&"..") && !path.contains('\0')).then(|| steps.join("/"))
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}

/// The things that have files, kind by kind: how their rows are read, and where the files of a row are.
#[derive(Clone, Debug)]
pub struct Roots {
    /// Reads the rows; writes nothing.
    pub pipe: Pipe,
    pub(super) root: fn(&Context, &Fields) -> Option<Root>,
    /// The address that stays when the files are not in the folder.
    pub(super) address: fn(&Fields) -> String,
}

impl Roots {
    /// Where the files of each row of a page are, as far as they come.
    pub fn of(&self, context: &Context, page: &Page) -> Vec<Root> {
        page.rows()
            .filter_map(|row| (self.root)(context, row))
            .collect()
    }

    /// The addresses of a page that stay as they are.
    pub fn kept(&self, context: &Context, page: &Page) -> Vec<String> {
        page.rows()
            .filter_map(|row| context.places.kept(&(self.address)(row)))
            .collect()
    }
}

/// Every kind of thing that has files.
pub fn roots(schema: &Schema) -> Vec<Roots> {
    [
        Some(runs::roots(schema)),
        logged_models::roots(schema),
        Some(model_versions::roots(schema)),
        traces::roots(schema),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(name: Option<&str>) -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mlruns");
        std::fs::create_dir(&root).unwrap();
        let places = Places::new(Some(&root), name, Path::new("/"));
        (folder, places)
    }

    #[test]
    fn a_folder_is_known_by_its_names() {
        let (folder, places) = places(Some("s3://bucket/store/"));
        let real = folder.path().canonicalize().unwrap().join("mlruns");
        let found = |address: &str| places.below(address);
        assert_eq!(
            found("mlflow-artifacts:/1/r/artifacts").unwrap(),
            "1/r/artifacts"
        );
        assert_eq!(found("mlflow-artifacts://h:1/1/r").unwrap(), "1/r");
        assert_eq!(found(&format!("{}/1/r", real.display())).unwrap(), "1/r");
        assert_eq!(
            found(&format!("file://{}/1/a%20b", real.display())).unwrap(),
            "1/a b"
        );
        assert_eq!(found("s3://bucket/store/1/r").unwrap(), "1/r");
        assert_eq!(found("./mlruns/1/r").unwrap(), "1/r");
        for elsewhere in [
            "s3://bucket/store2/1",
            "/elsewhere/mlruns/1",
            "mlflow-artifacts:/../x",
            "mlrunsx/1",
            "dummy-source",
            "models:/m-1",
            "file://host",
        ] {
            assert_eq!(found(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(Places::default().below("mlflow-artifacts:/1"), None);
    }

    #[test]
    fn versions_move_with_their_owners_or_alone() {
        let (_folder, places) = places(None);
        let owners = [(
            "mlflow-artifacts:/old/r/artifacts",
            "1/r/artifacts".to_owned(),
        )];
        let moved = |address: &str| places.moved(address, &owners);
        assert_eq!(
            moved("mlflow-artifacts:/old/r/artifacts/model"),
            Moved::Owned("mlflow-artifacts:/1/r/artifacts/model".into())
        );
        let Moved::Alone(root) = moved("mlflow-artifacts:/1/gone/artifacts/model") else {
            panic!("its run is gone")
        };
        assert_eq!(
            (root.theirs.as_str(), root.ours.as_str()),
            ("1/gone/artifacts/model", "imported/1/gone/artifacts/model")
        );
        assert_eq!(moved("s3://b/model"), Moved::Kept);
        assert_eq!(places.kept("s3://b/model/x").unwrap(), "s3://b");
        assert_eq!(
            places.kept("/home/bob/mlruns/1/x").unwrap(),
            "/home/bob/mlruns"
        );
        assert_eq!(places.kept("prompt-template"), None);
    }

    #[test]
    fn addresses_go_out_under_the_name_asked_for() {
        let (_folder, named) = places(Some("/srv/artifacts"));
        assert_eq!(
            named.exported("mlflow-artifacts:/1/r/artifacts"),
            "/srv/artifacts/1/r/artifacts"
        );
        assert_eq!(named.exported("s3://b/x"), "s3://b/x");
        let (_folder, plain) = places(None);
        assert_eq!(
            plain.exported("mlflow-artifacts:/1/r"),
            "mlflow-artifacts:/1/r"
        );
    }
}
