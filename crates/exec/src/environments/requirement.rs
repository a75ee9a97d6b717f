//! One line of a requirements file, understood just far enough to rename, merge and relax it.
//!
//! Everything else about a requirement is uv's business: what is not understood here is passed on as it was written.

use std::fmt;

/// A line of a requirements file that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A package from an index: `name[extras]specifiers; markers`.
    Package(Requirement),
    /// A package from a place: `name @ url`, `git+https://…`, `https://…/x.whl`.
    Place(String),
    /// An option that uv understands in a file: `--extra-index-url …`.
    Option(String),
}

/// A package asked for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// As written, for messages.
    pub(super) name: String,
    /// `[extra1,extra2]`, or nothing.
    pub(super) extras: String,
    /// `==1.2,<3`, or nothing.
    pub(super) specifiers: String,
    /// `; python_version < "3.8"` without the semicolon, or nothing.
    pub(super) marker: String,
}

impl Requirement {
    /// The name under which indexes know the package: lower case, `-` for every run of `-`, `_`, `.`.
    pub(super) fn key(&self) -> String {
        normalise(&self.name)
    }

    /// Whether the specifiers keep newer releases away, so that giving way could help.
    pub(super) fn is_bounded(&self) -> bool {
        self.specifiers.split(',').any(|clause| {
            let clause = clause.trim();
            clause.starts_with("==") || clause.starts_with("~=") || clause.starts_with('<')
        })
    }

    /// The release of a `==` or `~=` pin.
    pub(super) fn pinned_release(&self) -> Option<&str> {
        let clause = self.specifiers.trim();
        if clause.contains(',') {
            return None;
        }
        let version = clause
            .strip_prefix("===")
            .or_else(|| clause.strip_prefix("=="))
            .or_else(|| clause.strip_prefix("~="))?;
        Some(version.trim().trim_end_matches(".*"))
    }

    /// The same package with other specifiers.
    pub(super) fn with_specifiers(&self, specifiers: &str) -> Self {
        Self {
            specifiers: specifiers.to_owned(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.extras, self.specifiers)?;
        if self.marker.is_empty() {
            Ok(())
        } else {
            write!(f, " ; {}", self.marker)
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(requirement) => requirement.fmt(f),
            Self::Place(text) | Self::Option(text) => f.write_str(text),
        }
    }
}

/// PEP 503's form of a package name.
pub(super) fn normalise(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(&part.to_ascii_lowercase());
    }
    out
}

/// Reads a requirements file. The error names the line.
pub(super) fn parse_file(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    let joined = text.replace("\r\n", "\n").replace("\\\n", " ");
    for (index, raw) in joined.lines().enumerate() {
        let parsed = parse_line(raw).map_err(|why| format!("line {}: {why}", index + 1))?;
        lines.extend(parsed);
    }
    Ok(lines)
}

/// Reads one line; `None` for an empty one.
pub(super) fn parse_line(raw: &str) -> Result<Option<Line>, String> {
    let line = without_comment(raw).trim();
    if line.is_empty() {
        return Ok(None);
    }
    if line.starts_with('-') {
        return option(line).map(Some);
    }
    if line.contains("://") || line.contains(" @ ") {
        return Ok(Some(Line::Place(line.to_owned())));
    }
    if line.starts_with(['.', '/']) || [".whl", ".tar.gz"].iter().any(|end| line.ends_with(end)) {
        return Err(format!(
            "`{line}` is a local path, which is not there when the environment is built; publish it to an index or give a URL"
        ));
    }
    package(line).map(|found| Some(Line::Package(found)))
}

fn without_comment(raw: &str) -> &str {
    if raw.trim_start().starts_with('#') {
        return "";
    }
    raw.find(" #").map_or(raw, |at| &raw[..at])
}

fn option(line: &str) -> Result<Line, String> {
    const KNOWN: [&str; 6] = [
        "--index-url",
        "-i",
        "--extra-index-url",
        "--find-links",
        "-f",
        "--pre",
    ];
    const FILES: [&str; 5] = ["-r", "--requirement", "-c", "--constraint", "-e"];
    let word = line.split([' ', '=']).next().unwrap_or(line);
    if FILES.contains(&word) || word == "--editable" {
        return Err(format!(
            "`{line}` names another file, which is not there when the environment is built; write its lines here"
        ));
    }
    if !KNOWN.contains(&word) && word != "--no-index" {
        return Err(format!(
            "`{line}` is not an option that environments understand"
        ));
    }
    Ok(Line::Option(line.to_owned()))
}

fn package(line: &str) -> Result<Requirement, String> {
    let (requirement, marker) = line.split_once(';').unwrap_or((line, ""));
    // pip's per-requirement options (`--hash=…`) belong to a lock, and a lock is made here anew
    let requirement = requirement
        .split(" --")
        .next()
        .unwrap_or(requirement)
        .trim();
    let name_end = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
        .unwrap_or(requirement.len());
    let (name, rest) = requirement.split_at(name_end);
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(format!("`{line}` does not start with a package name"));
    }
    let rest = rest.trim_start();
    let (extras, specifiers) = match rest.strip_prefix('[') {
        Some(inside) => {
            let (extras, after) = inside
                .split_once(']')
                .ok_or_else(|| format!("`{line}` opens `[` and never closes it"))?;
            (format!("[{}]", extras.replace(' ', "")), after)
        }
        None => (String::new(), rest),
    };
    let specifiers: String = specifiers
        .trim()
        .trim_start_matches('(')
        .trim_end_matches(')')
        .split_whitespace()
        .collect();
    if !specifiers.is_empty() && !specifiers.starts_with(['=', '<', '>', '!', '~']) {
        return Err(format!(
            "`{line}`: `{specifiers}` is not a version condition such as `==1.2` or `>=1,<2`"
        ));
    }
    Ok(Requirement {
        name: name.to_owned(),
        extras,
        specifiers,
        marker: marker.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_pip_reads_them() {
        let text = "# a comment\nSciKit_Learn[Alldeps] == 1.5.*  # why\npandas>=1.5,<2 ; python_version < '3.12'\n\ngit+https://example.org/x.git@v1\n--extra-index-url https://example.org/simple\nnumpy \\\n  ==1.26.4 --hash=sha256:00\n";
        let lines: Vec<String> = parse_file(text)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        SciKit_Learn[Alldeps]==1.5.*
        pandas>=1.5,<2 ; python_version < '3.12'
        git+https://example.org/x.git@v1
        --extra-index-url https://example.org/simple
        numpy==1.26.4
        ");
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_line() {
        for (text, expected) in [
            (
                "six\n-r other.txt",
                "line 2: `-r other.txt` names another file",
            ),
            ("./wheel.whl", "line 1: `./wheel.whl` is a local path"),
            ("a[b", "line 1: `a[b` opens `[`"),
            ("six 1.2", "is not a version condition"),
            ("=1", "does not start with a package name"),
            ("--trusted-host x", "is not an option"),
        ] {
            let error = parse_file(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn names_are_compared_as_indexes_compare_them() {
        assert_eq!(normalise("Ruamel.YAML__clib"), "ruamel-yaml-clib");
    }

    #[test]
    fn a_pin_is_told_from_a_range() {
        let read = |text: &str| match parse_line(text).unwrap().unwrap() {
            Line::Package(found) => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(read("a==1.2.*").pinned_release(), Some("1.2"));
        assert_eq!(read("a~=1.2").pinned_release(), Some("1.2"));
        assert_eq!(read("a>=1,<2").pinned_release(), None);
        assert!(read("a>=1,<2").is_bounded());
        assert!(!read("a>=1").is_bounded());
    }
}
