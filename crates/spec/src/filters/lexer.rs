//! Cuts a filter into tokens. Never fails: what it does not know becomes [`Token::Other`], and the grammar says
//! where that stands.

/// A piece of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word, an identifier with its quoted parts, or a text in double quotes or backticks.
    Word(Word),
    /// A text in single quotes, without them.
    Text(String),
    /// A number, as written.
    Number(String),
    /// `=`, `!=`, `<>`, `<`, `<=`, `>`, `>=`.
    Op(&'static str),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// Anything else, as written.
    Other(String),
}

/// A dotted name such as `params."batch size"`, or one text in quotes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    /// As written.
    pub(super) raw: String,
    /// Before the first dot outside quotes, without quotes; `None` when there is no such dot.
    pub(super) prefix: Option<String>,
    /// The rest, without the quotes around it.
    pub(super) name: String,
}

impl Word {
    /// Whether this is the keyword, in any case and without quotes.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.raw.eq_ignore_ascii_case(keyword)
    }

    /// The text, if the whole word stands in double quotes.
    pub(super) fn double_quoted(&self) -> Option<&str> {
        (self.raw.starts_with('"') && self.prefix.is_none()).then_some(self.name.as_str())
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => f.write_str(&word.raw),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Number(text) | Self::Other(text) => f.write_str(text),
            Self::Op(op) => f.write_str(op),
            Self::Open => f.write_str("("),
            Self::Close => f.write_str(")"),
            Self::Comma => f.write_str(","),
        }
    }
}

/// All tokens of the text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut rest = text.trim_start();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (token, length) = next(rest);
        found.push(token);
        rest = rest.get(length..).unwrap_or("").trim_start();
    }
    found
}

/// The first token of a text that is not empty, and how many bytes it takes.
fn next(text: &str) -> (Token, usize) {
    for (sign, canonical) in [
        ("!=", "!="),
        ("<>", "!="),
        ("<=", "<="),
        (">=", ">="),
        ("==", "="),
        ("=", "="),
        ("<", "<"),
        (">", ">"),
    ] {
        if text.starts_with(sign) {
            return (Token::Op(canonical), sign.len());
        }
    }
    for (sign, token) in [("(", Token::Open), (")", Token::Close), (",", Token::Comma)] {
        if text.starts_with(sign) {
            return (token, 1);
        }
    }
    if let Some((content, length)) = quoted(text, '\'') {
        return (Token::Text(content), length);
    }
    if let Some(length) = number(text) {
        return (
            Token::Number(text.get(..length).unwrap_or("").to_owned()),
            length,
        );
    }
    if let Some((word, length)) = word(text) {
        return (Token::Word(word), length);
    }
    let length = text.chars().next().map_or(1, char::len_utf8);
    (
        Token::Other(text.get(..length).unwrap_or("").to_owned()),
        length,
    )
}

/// A text in quotes, which are doubled to stand for themselves.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let body = text.strip_prefix(quote)?;
    let mut content = String::new();
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            content.push(c);
        } else if chars
            .next_if(|(_, following)| *following == quote)
            .is_some()
        {
            content.push(quote);
        } else {
            return Some((content, at + 2 * quote.len_utf8()));
        }
    }
    None
}

/// The length of the number that starts here, unless it goes on as a word.
fn number(text: &str) -> Option<usize> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || text.len() - unsigned.len() > 1
    {
        return None;
    }
    let mut length = text.len() - unsigned.len();
    let mut previous = ' ';
    for c in unsigned.chars() {
        let sign_of_exponent = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
        if !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E') || sign_of_exponent) {
            break;
        }
        previous = c;
        length += c.len_utf8();
    }
    let (digits, rest) = text.split_at_checked(length)?;
    let ends = !rest.starts_with(|c: char| bare(c) || matches!(c, '"' | '`'));
    (ends && digits.parse::<f64>().is_ok_and(f64::is_finite)).then_some(length)
}

/// A word with the quoted parts in it.
fn word(text: &str) -> Option<(Word, usize)> {
    let mut length = 0;
    let mut dot = None;
    while let Some(c) = text.get(length..).and_then(|rest| rest.chars().next()) {
        if matches!(c, '"' | '`') {
            let (_, taken) = quoted(text.get(length..)?, c)?;
            length += taken;
        } else if bare(c) {
            if c == '.' && dot.is_none() {
                dot = Some(length);
            }
            length += c.len_utf8();
        } else {
            break;
        }
    }
    let raw = text.get(..length).filter(|raw| !raw.is_empty())?;
    let (prefix, name) = match dot {
        Some(at) => (Some(bare_or_quoted(raw.get(..at)?)), raw.get(at + 1..)?),
        None => (None, raw),
    };
    Some((
        Word {
            raw: raw.to_owned(),
            prefix,
            name: bare_or_quoted(name),
        },
        length,
    ))
}

/// Without the quotes, when one pair of them holds the whole.
fn bare_or_quoted(text: &str) -> String {
    for quote in ['"', '`'] {
        if let Some((content, length)) = quoted(text, quote)
            && length == text.len()
        {
            return content;
        }
    }
    text.to_owned()
}

/// Characters that need no quotes in a name.
fn bare(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ':' | '@' | '#' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        tokens(text)
            .iter()
            .map(|token| {
                format!("{token:?}")
                    .split(['(', ' '])
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn cuts_at_operators_without_spaces() {
        assert_eq!(
            shown("metrics.acc>=-1.5e-3 AND a='x y'"),
            ["Word", "Op", "Number", "Word", "Word", "Op", "Text"]
        );
        assert_eq!(
            shown("k IN ('a','b')"),
            ["Word", "Word", "Open", "Text", "Comma", "Text", "Close"]
        );
        assert_eq!(shown("a = 'open"), ["Word", "Op", "Other", "Word"]);
        assert_eq!(
            shown("5abc 1.2.3 .5 --5"),
            ["Word", "Word", "Number", "Word"]
        );
    }

    #[test]
    fn words_know_their_prefix_and_lose_their_quotes() {
        let one = |text: &str| match tokens(text).remove(0) {
            Token::Word(word) => (word.prefix, word.name),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            one("params.\"batch size\""),
            (Some("params".into()), "batch size".into())
        );
        assert_eq!(
            one("tags.mlflow.parentRunId"),
            (Some("tags".into()), "mlflow.parentRunId".into())
        );
        assert_eq!(
            one("`metrics`.`a.b`"),
            (Some("metrics".into()), "a.b".into())
        );
        assert_eq!(one("\"run name\""), (None, "run name".into()));
    }

    #[test]
    fn a_doubled_quote_is_a_quote() {
        assert_eq!(tokens("'it''s'"), [Token::Text("it's".into())]);
    }
}
