//! Reading sizes and time spans as people write them, and finding the word that was probably meant.

use std::time::Duration;

/// Reads `64KiB`, `10MB`, `512`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "tib" | "t" => 1 << 40,
        _ => {
            return Err(format!(
                "`{text}` is not a size; write a number and a unit, as 64KiB, 16MiB or 1GB"
            ));
        }
    };
    scale(number, factor).ok_or_else(|| {
        format!("`{text}` is not a size; write a number and a unit, as 64KiB, 16MiB or 1GB")
    })
}

/// Reads `500ms`, `30s`, `5m`, `2h`, `1d`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let millis: u64 = match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => {
            return Err(format!(
                "`{text}` is not a time; write a number and a unit, as 500ms, 30s, 5m or 2h"
            ));
        }
    };
    scale(number, millis)
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!("`{text}` is not a time; write a number and a unit, as 500ms, 30s, 5m or 2h")
        })
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

fn scale(number: &str, factor: u64) -> Option<u64> {
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The candidate nearest to `word`, if one is near enough to be a slip of the finger.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(steps, _)| *steps <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insert, delete, replace, swap neighbours.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut table = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            if i == 0 || j == 0 {
                table[i][j] = i.max(j);
                continue;
            }
            let replaced = table[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    table[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_spans_read_as_people_write_them() {
        assert_eq!(parse_bytes("64KiB"), Ok(65_536));
        assert_eq!(parse_bytes("10 MB"), Ok(10_000_000));
        assert_eq!(parse_bytes("512"), Ok(512));
        assert_eq!(parse_span("1m"), Ok(Duration::from_mins(1)));
        assert_eq!(parse_span("250ms"), Ok(Duration::from_millis(250)));
        for wrong in [
            "",
            "ten",
            "1 parsec",
            "-1s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
        assert!(parse_bytes("99999999999TiB").is_err());
    }

    #[test]
    fn nearest_finds_slips_and_not_strangers() {
        assert_eq!(
            nearest(
                "limits.conections",
                ["limits.connections", "limits.headers"]
            ),
            Some("limits.connections")
        );
        assert_eq!(nearest("hots", ["host", "home", "port"]), Some("host"));
        assert_eq!(nearest("colour", ["host", "home", "port"]), None);
    }

    proptest! {
        #[test]
        fn parsers_never_panic(text in ".{0,24}") {
            let _ = parse_bytes(&text);
            let _ = parse_span(&text);
            prop_assert_eq!(distance(&text, &text), 0);
        }
    }
}
