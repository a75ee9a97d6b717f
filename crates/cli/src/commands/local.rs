//! What a document names on this machine, sent to the server before the document is: folders and files become trees,
//! conda and requirements files are put into the document itself. After this a document means the same everywhere.

use std::path::Path;

use lazuli_spec::yaml::Value;

use super::Context;
use super::document::{Draft, is_local};
use crate::error::{CliError, CliResult};
use crate::upload::upload;

/// The largest conda or requirements file: these are written by hand.
const MAX_INLINE: u64 = 1024 * 1024;

/// What stands at a field when its content has been uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing local: an asset, an address, or nothing at all.
    Elsewhere,
    /// A file was uploaded.
    File,
    /// A folder was uploaded.
    Folder,
}

/// Uploads the file or folder at a field, if it is a local one, and puts `tree:<id>` (`tree:<id>/<file>` for a file) in
/// its place.
pub(crate) async fn send(
    context: &Context,
    draft: &mut Draft,
    field: &str,
    what: &str,
) -> CliResult<Found> {
    send_below(context, draft, field, None, what).await
}

/// As [`send`], and a folder keeps its own name: `tree:<id>/<folder>`.
pub(crate) async fn send_named(
    context: &Context,
    draft: &mut Draft,
    field: &str,
    what: &str,
) -> CliResult<Found> {
    let Some(path) = draft
        .text(field)
        .filter(|text| is_local(text))
        .map(|text| draft.local(text))
    else {
        return Ok(Found::Elsewhere);
    };
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    let folder = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|_| path.is_dir());
    send_below(context, draft, field, folder, what).await
}

async fn send_below(
    context: &Context,
    draft: &mut Draft,
    field: &str,
    folder: Option<&str>,
    what: &str,
) -> CliResult<Found> {
    let Some(text) = draft
        .text(field)
        .map(str::to_owned)
        .filter(|text| is_local(text))
    else {
        return Ok(Found::Elsewhere);
    };
    let path = draft.existing(field, &text)?;
    let at_field = |error: CliError| {
        if error.field.is_none() {
            draft.blame(error.field(field))
        } else {
            error
        }
    };
    let tree = upload(context.client()?, &path, folder, what)
        .await
        .map_err(at_field)?;
    let (found, below) = if path.is_dir() {
        (Found::Folder, folder)
    } else {
        (
            Found::File,
            tree.entries().first().map(|entry| entry.path.as_str()),
        )
    };
    let reference = match below {
        Some(below) => format!("tree:{}/{below}", tree.id()),
        None => format!("tree:{}", tree.id()),
    };
    draft.document.put(field, &reference)?;
    Ok(found)
}

/// Puts the content of the conda and requirements files of an environment into the document. `at` is where the
/// environment stands, with a dot at its end, or empty.
pub(crate) fn inline_environment(draft: &mut Draft, at: &str) -> CliResult<()> {
    for field in ["conda_file", "requirements"] {
        let field = format!("{at}{field}");
        let named = draft
            .document
            .at(&field)
            .and_then(|node| match &node.value {
                Value::Text(text) if !text.trim().contains('\n') && names_a_file(text, &field) => {
                    Some(text.trim().to_owned())
                }
                _ => None,
            });
        if let Some(text) = named {
            let path = draft.existing(&field, &text)?;
            let content = read(&path).map_err(|error| draft.blame(error.field(field.as_str())))?;
            draft.document.put(&field, &content)?;
        }
    }
    Ok(())
}

/// One line of a requirements field may be a requirement; a conda file in one line is always a path.
fn names_a_file(text: &str, field: &str) -> bool {
    let has_file_ending = Path::new(text.trim())
        .extension()
        .is_some_and(|ending| ["txt", "in"].iter().any(|known| ending == *known));
    field.ends_with("conda_file") || has_file_ending
}

fn read(path: &Path) -> CliResult<String> {
    let failed = |error: &std::io::Error| CliError::io("read", path, error);
    let size = std::fs::metadata(path)
        .map_err(|error| failed(&error))?
        .len();
    if size > MAX_INLINE {
        return Err(CliError::new(format!(
            "`{}` has {size} bytes; the limit is {MAX_INLINE}",
            path.display()
        )));
    }
    std::fs::read_to_string(path).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::args::File;

    #[test]
    fn a_conda_file_is_put_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("conda.yml"), "dependencies:\n  - pip\n").unwrap();
        std::fs::write(
            folder.path().join("job.yml"),
            "environment:\n  conda_file: conda.yml\n  requirements: numpy\n",
        )
        .unwrap();
        let mut draft = Draft::read(
            &File {
                file: Some(folder.path().join("job.yml")),
                set: Vec::new(),
            },
            &[],
        )
        .unwrap();
        inline_environment(&mut draft, "environment.").unwrap();
        assert_eq!(
            draft.text("environment.conda_file"),
            Some("dependencies:\n  - pip\n")
        );
        assert_eq!(draft.text("environment.requirements"), Some("numpy"));
    }

    #[test]
    fn a_missing_conda_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("env.yml"),
            "name: e\nconda_file: ./no.yml\n",
        )
        .unwrap();
        let mut draft = Draft::read(
            &File {
                file: Some(folder.path().join("env.yml")),
                set: Vec::new(),
            },
            &[],
        )
        .unwrap();
        let error = inline_environment(&mut draft, "").unwrap_err();
        assert_eq!(error.field.as_deref(), Some("conda_file"));
        assert!(
            error.location.unwrap().ends_with("env.yml:2:13"),
            "{}",
            error.message
        );
    }
}
