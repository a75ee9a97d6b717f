//! Limits of the tracking protocol on keys, values and batches, with the messages its clients know.
//!
//! Used by core before anything is written; a request is checked whole, so that nothing is half stored.

use crate::invalid::Invalid;

/// Longest key of a metric, parameter or tag.
pub const KEY: usize = 250;
/// Longest parameter value; longer ones are cut.
pub const PARAM_VALUE: usize = 6_000;
/// Longest value of a run's tag; longer ones are cut.
pub const TAG_VALUE: usize = 8_000;
/// Longest name of an experiment.
pub const EXPERIMENT_NAME: usize = 500;
/// Longest value of an experiment's tag.
pub const EXPERIMENT_TAG_VALUE: usize = 20_000;
/// Most metrics in one batch.
pub const BATCH_METRICS: usize = 1_000;
/// Most parameters, and most tags, in one batch.
pub const BATCH_PARAMS_OR_TAGS: usize = 100;
/// Most metrics, parameters and tags together in one batch.
pub const BATCH_ENTITIES: usize = 1_000;
/// Most runs, or experiments, on one page of a search.
pub const SEARCH_PAGE: u32 = 50_000;

const BAD_CHARACTER: &str = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).";

/// The key of a metric, parameter or tag: harmless as a path, made of the allowed characters, not too long.
pub fn key(path: &str, length_name: &str, name: &str) -> Result<(), Invalid> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | ' ' | ':');
    if !name.chars().all(allowed) {
        return Err(Invalid::value(path, name, BAD_CHARACTER));
    }
    let normal = normalize(name);
    if normal != name || normal == "." || normal.starts_with("..") || normal.starts_with('/') {
        return Err(Invalid::value(
            path,
            name,
            &format!(
                "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to '{normal}'"
            ),
        ));
    }
    length(length_name, KEY, name)
}

/// Refuses a text with more than `limit` characters.
pub fn length(what: &str, limit: usize, text: &str) -> Result<(), Invalid> {
    if longer_than(text, limit) {
        return Err(Invalid::too_long(what, limit));
    }
    Ok(())
}

/// Cuts a text to `limit` characters, as the protocol's servers do with long parameter and tag values.
pub fn cut(mut text: String, limit: usize) -> String {
    if longer_than(&text, limit)
        && let Some((end, _)) = text.char_indices().nth(limit)
    {
        text.truncate(end);
    }
    text
}

/// The sizes of a batch.
pub fn batch(metrics: usize, params: usize, tags: usize) -> Result<(), Invalid> {
    one_batch("metrics", BATCH_METRICS, metrics)?;
    one_batch("params", BATCH_PARAMS_OR_TAGS, params)?;
    one_batch("tags", BATCH_PARAMS_OR_TAGS, tags)?;
    one_batch(
        "metrics, params, and tags",
        BATCH_ENTITIES,
        metrics + params + tags,
    )
}

/// How many results a search may ask for at once.
pub fn page_size(asked: i64) -> Result<u32, Invalid> {
    if asked < 1 {
        return Err(Invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    match u32::try_from(asked) {
        Ok(size) if size <= SEARCH_PAGE => Ok(size),
        _ => Err(Invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be at most {SEARCH_PAGE}"
        ))),
    }
}

fn one_batch(what: &str, limit: usize, got: usize) -> Result<(), Invalid> {
    if got > limit {
        return Err(Invalid(format!(
            "A batch logging request can contain at most {limit} {what}. Got {got} {what}. Please split up {what} across multiple requests and try again."
        )));
    }
    Ok(())
}

/// Counts characters only when the bytes could exceed the limit: most texts are short ASCII.
fn longer_than(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().nth(limit).is_some()
}

/// What POSIX would make of the path, without looking at any disk.
fn normalize(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_harmless_paths() {
        for good in ["a", "train/loss", "val acc", "système:cpu", "a.b-c_d"] {
            assert_eq!(key("key", "Param key", good), Ok(()), "{good}");
        }
        for bad in [
            "", ".", "..", "/abs", "a//b", "a/./b", "../up", "a/", "a\nb", "a#b", "b;c",
        ] {
            assert!(key("key", "Param key", bad).is_err(), "{bad:?}");
        }
        let message = key("metrics[0].name", "Metric name", "a/../b")
            .unwrap_err()
            .0;
        assert!(message.starts_with("Invalid value \"a/../b\" for parameter 'metrics[0].name' supplied: Names may be treated"));
        assert!(message.ends_with("would resolve to 'b'"));
    }

    #[test]
    fn lengths_count_characters_and_cut_between_them() {
        assert_eq!(length("Param key", 3, "äöü"), Ok(()));
        assert_eq!(
            length("Param key", 2, "äöü"),
            Err(Invalid::too_long("Param key", 2))
        );
        assert_eq!(cut("äöü".into(), 2), "äö");
        assert_eq!(cut("abc".into(), 3), "abc");
    }

    #[test]
    fn batches_have_limits() {
        assert_eq!(batch(800, 100, 100), Ok(()));
        assert!(
            batch(1_001, 0, 0)
                .unwrap_err()
                .0
                .contains("at most 1000 metrics. Got 1001 metrics")
        );
        assert!(
            batch(900, 100, 1)
                .unwrap_err()
                .0
                .contains("metrics, params, and tags")
        );
        assert_eq!(page_size(50_000), Ok(50_000));
        assert!(
            page_size(0).is_err() && page_size(50_001).is_err() && page_size(i64::MAX).is_err()
        );
    }
}
