//! What names may look like, one rule for each noun, with messages that say what is wrong.

/// A name that is not acceptable, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub String);

/// Workspace names: 2 to 33 letters, digits, `-` and `_`, starting with a letter or digit.
pub fn workspace(name: &str) -> Result<(), NameError> {
    check("workspace name", name, 2, 33, |c| c == '-' || c == '_')
}

/// Names of data, models, environments, components, code: 1 to 255 letters, digits, `-`, `_` and `.`.
pub fn asset(name: &str) -> Result<(), NameError> {
    check("name", name, 1, 255, |c| matches!(c, '-' | '_' | '.'))
}

/// Versions of assets: 1 to 30 letters, digits, `-`, `_`, `.` and `+`.
pub fn version(version: &str) -> Result<(), NameError> {
    if version == "latest" {
        return Err(NameError("`latest` is a label, not a version: choose another, or leave it out to get the next number".into()));
    }
    check("version", version, 1, 30, |c| {
        matches!(c, '-' | '_' | '.' | '+')
    })
}

/// Job names: 1 to 255 letters, digits, `-` and `_` (a job's name is its MLflow run id).
pub fn job(name: &str) -> Result<(), NameError> {
    check("job name", name, 1, 255, |c| c == '-' || c == '_')
}

/// Compute names: 2 to 32 letters, digits and `-`, starting with a letter.
pub fn compute(name: &str) -> Result<(), NameError> {
    check("compute name", name, 2, 32, |c| c == '-')?;
    starts_with_letter("compute name", name)
}

/// Endpoint and deployment names: 3 to 32 letters, digits and `-`, starting with a letter, not ending in `-`.
pub fn endpoint(name: &str) -> Result<(), NameError> {
    check("endpoint or deployment name", name, 3, 32, |c| c == '-')?;
    starts_with_letter("endpoint or deployment name", name)?;
    if name.ends_with('-') {
        return Err(NameError(format!(
            "the endpoint or deployment name `{name}` may not end with `-`"
        )));
    }
    Ok(())
}

/// Names of users, groups, services, tokens and roles: 1 to 128 letters, digits, spaces and `-_.@`.
pub fn principal(name: &str) -> Result<(), NameError> {
    check("name", name, 1, 128, |c| {
        matches!(c, '-' | '_' | '.' | '@' | ' ')
    })
}

/// Names of inputs and outputs: 1 to 255 letters, digits and `_`, not starting with a digit.
pub fn port(name: &str) -> Result<(), NameError> {
    check("input or output name", name, 1, 255, |c| c == '_')?;
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(NameError(format!(
            "the input or output name `{name}` may not start with a digit"
        )));
    }
    Ok(())
}

fn starts_with_letter(what: &str, name: &str) -> Result<(), NameError> {
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(NameError(format!(
        "the {what} `{name}` must start with a letter"
    )))
}

fn check(
    what: &str,
    name: &str,
    least: usize,
    most: usize,
    extra: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    let length = name.chars().count();
    if length < least || length > most {
        let shown: String = name.chars().take(40).collect();
        return Err(NameError(format!(
            "the {what} `{shown}` has {length} characters; {least} to {most} are allowed"
        )));
    }
    if let Some(odd) = name
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !extra(*c))
    {
        let also: String = "-_.+@ ".chars().filter(|c| extra(*c)).collect();
        return Err(NameError(format!(
            "the {what} `{name}` contains {odd:?}; letters, digits and `{also}` are allowed"
        )));
    }
    if name.starts_with(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        return Err(NameError(format!(
            "the {what} `{name}` must start with a letter or digit"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for name in ["iris", "breast-cancer", "a.b_c", "_x"] {
            asset(name).unwrap();
        }
        endpoint("cancer-screen").unwrap();
        port("train_data").unwrap();
        version("1").unwrap();
    }

    #[test]
    fn bad_names_say_why() {
        assert_eq!(
            asset("a/b").unwrap_err().to_string(),
            "the name `a/b` contains '/'; letters, digits and `-_.` are allowed"
        );
        assert!(asset("..").is_err());
        assert!(asset("").is_err());
        assert!(asset(&"x".repeat(256)).is_err());
        assert!(endpoint("1ab").is_err());
        assert!(endpoint("ab-").is_err());
        assert!(version("latest").is_err());
        assert!(port("1x").is_err());
    }
}
