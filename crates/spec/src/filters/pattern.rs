//! Regular expressions in filters (`RLIKE`): one syntax for every back end.
//!
//! A pattern is read here, by the rules of the `regex` crate, which need no time beyond the text's length. SQLite runs
//! just that; for PostgreSQL the parsed pattern is written anew in its own syntax, so that both mean the same.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::invalid::Invalid;

/// Most characters of a pattern.
const LENGTH: usize = 1_000;
/// Most bytes that a compiled pattern may need.
const SIZE: usize = 1 << 20;
/// Most characters that a pattern may come to when all that it counts is written out. The time that PostgreSQL needs to read one
/// grows with the square: seconds for 2,000, and whoever may search could keep the database busy with a line.
const WRITTEN_OUT: u64 = 300;
/// Most repetitions that can be counted (`x{3,255}`), which is PostgreSQL's limit.
const REPEATS: u32 = 255;

/// A pattern, ready to run.
pub fn compile(pattern: &str) -> Result<Regex, Invalid> {
    if pattern.chars().count() > LENGTH {
        return Err(refused(pattern, "it is longer than 1000 characters"));
    }
    RegexBuilder::new(pattern)
        .size_limit(SIZE)
        .build()
        .map_err(|cause| refused(pattern, last_line(&cause.to_string())))
}

/// The pattern in PostgreSQL's syntax.
pub fn for_postgres(pattern: &str) -> Result<String, Invalid> {
    compile(pattern)?;
    let hir = regex_syntax::parse(pattern)
        .map_err(|cause| refused(pattern, last_line(&cause.to_string())))?;
    let mut out = String::with_capacity(pattern.len() * 2);
    write_hir(&hir, &mut out).map_err(|reason| refused(pattern, reason))?;
    Ok(out)
}

/// The pattern that matches just this text.
pub fn escape(text: &str) -> String {
    regex::escape(text)
}

/// Whether both back ends can run the pattern.
pub fn check(pattern: &str) -> Result<(), Invalid> {
    for_postgres(pattern)?;
    let hir = regex_syntax::parse(pattern)
        .map_err(|cause| refused(pattern, last_line(&cause.to_string())))?;
    if written_out(&hir) > WRITTEN_OUT {
        let reason = "what it repeats comes to more than 300 characters when it is written out";
        return Err(refused(pattern, reason));
    }
    Ok(())
}

fn refused(pattern: &str, reason: &str) -> Invalid {
    let shown: String = pattern.chars().take(100).collect();
    Invalid(format!(
        "Invalid regular expression '{shown}' for RLIKE: {reason}"
    ))
}

/// The reason stands in the last line of the parser's message; the others draw the place.
fn last_line(message: &str) -> &str {
    let line = message.lines().last().unwrap_or(message).trim();
    line.strip_prefix("error: ").unwrap_or(line)
}

type Written = Result<(), &'static str>;

fn write_hir(hir: &Hir, out: &mut String) -> Written {
    match hir.kind() {
        HirKind::Empty => out.push_str("(?:)"),
        HirKind::Literal(literal) => {
            let text =
                std::str::from_utf8(&literal.0).map_err(|_| "it matches bytes that are no text")?;
            text.chars().for_each(|c| write_char(c, out));
        }
        HirKind::Class(class) => write_class(class, out),
        HirKind::Look(look) => out.push_str(look_text(*look)?),
        HirKind::Repetition(repetition) => {
            group(&repetition.sub, out)?;
            write_bounds(repetition.min, repetition.max, out)?;
        }
        HirKind::Capture(capture) => group(&capture.sub, out)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write_hir(part, out))?,
        HirKind::Alternation(parts) => {
            out.push_str("(?:");
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    out.push('|');
                }
                write_hir(part, out)?;
            }
            out.push(')');
        }
    }
    Ok(())
}

/// How many characters and classes there are in repetitions that are written out. What stands by itself is no longer than the
/// pattern.
fn written_out(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) | HirKind::Literal(_) => 0,
        HirKind::Capture(capture) => written_out(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(written_out).fold(0, u64::saturating_add)
        }
        HirKind::Repetition(_) => whole(hir),
    }
}

fn whole(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Capture(capture) => whole(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(whole).fold(0, u64::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            whole(&repetition.sub).saturating_mul(u64::from(times))
        }
    }
}

fn group(hir: &Hir, out: &mut String) -> Written {
    out.push_str("(?:");
    write_hir(hir, out)?;
    out.push(')');
    Ok(())
}

/// Letters and digits stand for themselves, everything else is written by its number.
fn write_char(c: char, out: &mut String) {
    if c.is_ascii_alphanumeric() {
        out.push(c);
    } else {
        let _ = write!(out, "\\U{:08x}", u32::from(c));
    }
}

fn write_class(class: &Class, out: &mut String) {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .map(|range| (range.start(), range.end()))
            .collect(),
        Class::Bytes(class) => class
            .ranges()
            .iter()
            .map(|range| (char::from(range.start()), char::from(range.end())))
            .collect(),
    };
    // no text holds a NUL, and PostgreSQL's patterns cannot name it
    let ranges: Vec<(char, char)> = ranges
        .into_iter()
        .filter(|(_, end)| *end != '\0')
        .map(|(start, end)| (start.max('\u{1}'), end))
        .collect();
    if ranges.is_empty() {
        out.push_str("(?!.|\\n)(?:.|\\n)");
        return;
    }
    out.push('[');
    for (start, end) in ranges {
        write_char(start, out);
        if start != end {
            out.push('-');
            write_char(end, out);
        }
    }
    out.push(']');
}

const fn look_text(look: Look) -> Result<&'static str, &'static str> {
    match look {
        Look::Start => Ok("\\A"),
        Look::End => Ok("\\Z"),
        Look::StartLF => Ok("(?:\\A|(?<=\\n))"),
        Look::EndLF => Ok("(?:\\Z|(?=\\n))"),
        Look::WordUnicode | Look::WordAscii => Ok("\\y"),
        Look::WordUnicodeNegate | Look::WordAsciiNegate => Ok("\\Y"),
        _ => Err("half word boundaries and CRLF mode are not supported"),
    }
}

fn write_bounds(min: u32, max: Option<u32>, out: &mut String) -> Written {
    if min > REPEATS || max.is_some_and(|max| max > REPEATS) {
        return Err("a repetition counts at most to 255");
    }
    match (min, max) {
        (0, None) => out.push('*'),
        (1, None) => out.push('+'),
        (0, Some(1)) => out.push('?'),
        (min, None) => {
            let _ = write!(out, "{{{min},}}");
        }
        (min, Some(max)) => {
            let _ = write!(out, "{{{min},{max}}}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_are_written_in_postgres_words() {
        let cases = [
            ("^Generate[RE]", "\\AGenerate[ER]"),
            ("(Query|Embedding)", "(?:(?:Query|Embedding))"),
            ("v[0-9]+$", "v(?:[0-9])+\\Z"),
            ("a.b", "a[\\U00000001-\\U00000009\\U0000000b-\\U0010ffff]b"),
            ("x{2,3}\\.", "(?:x){2,3}\\U0000002e"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(for_postgres(pattern).unwrap(), expected, "{pattern}");
        }
    }

    #[test]
    fn what_cannot_run_everywhere_is_refused() {
        for pattern in [
            "(",
            "(?=a)",
            "a{256}",
            "\\b{start}a",
            "(?mR)^a",
            "\\w{250}{250}",
        ] {
            let Err(Invalid(message)) = check(pattern) else {
                panic!("{pattern} passes");
            };
            assert!(
                message.starts_with("Invalid regular expression '"),
                "{message}"
            );
            assert!(!message.ends_with(": "), "{message}");
        }
        assert!(check(&"a".repeat(1_001)).is_err());
        for costly in [
            "(([a-z]{255}){4}){2}z",
            "((a{0,50}){0,50}){0,3}",
            "(a{20,}){26}",
        ] {
            let Err(Invalid(message)) = check(costly) else {
                panic!("{costly} passes");
            };
            assert!(message.ends_with("written out"), "{message}");
        }
        for fair in ["^[0-9a-f]{32}(-[a-z]{1,255}){1}$", &"a".repeat(1_000)] {
            assert_eq!(check(fair), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[a-c\\\\(){}|*+?.^$\\[\\]0-9é-]{0,20}") {
            let _ = check(&pattern);
        }
    }
}
