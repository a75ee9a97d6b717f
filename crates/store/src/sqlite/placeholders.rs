//! `$1` (PostgreSQL's spelling, used in all our SQL) to `?1` (SQLite's numbered parameter).
//!
//! SQLite takes `$1` for a *named* parameter and numbers it by first appearance, so the text must be rewritten.

/// The statement with every `$n` outside literals, quoted names and comments spelled `?n`.
pub(super) fn rewrite(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['$', '\'', '"', '-', '/']) {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let length = verbatim(tail);
        if length > 0 {
            out.push_str(&tail[..length]);
            rest = &tail[length..];
        } else {
            let numbered =
                tail.starts_with('$') && tail[1..].starts_with(|c: char| c.is_ascii_digit());
            out.push_str(if numbered { "?" } else { &tail[..1] });
            rest = &tail[1..];
        }
    }
    out.push_str(rest);
    out
}

/// The length of the literal, quoted name or comment that `text` starts with; 0 when it starts with none.
fn verbatim(text: &str) -> usize {
    let closed_by = |skip: usize, end: &str| {
        text[skip..]
            .find(end)
            .map_or(text.len(), |at| skip + at + end.len())
    };
    match text.as_bytes() {
        // A doubled quote inside is taken as two literals side by side, which copies the same text.
        [b'\'', ..] => closed_by(1, "'"),
        [b'"', ..] => closed_by(1, "\""),
        [b'-', b'-', ..] => closed_by(2, "\n"),
        [b'/', b'*', ..] => closed_by(2, "*/"),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn only_real_placeholders_change() {
        assert_eq!(rewrite("a = $1 AND b = $12"), "a = ?1 AND b = ?12");
        assert_eq!(
            rewrite("'$1' \"$2\" $3 'it''s $4' -- $5\n$6 /* $7 */ - / $x"),
            "'$1' \"$2\" ?3 'it''s $4' -- $5\n?6 /* $7 */ - / $x"
        );
        assert_eq!(rewrite("'open $1"), "'open $1");
        assert_eq!(rewrite("é$1é"), "é?1é");
    }
}
