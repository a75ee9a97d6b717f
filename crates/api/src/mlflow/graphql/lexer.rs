//! A GraphQL document cut into tokens, with the words of complaint that clients know.

use std::fmt;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Mark(char),
    /// `...`
    Spread,
    Name(String),
    Int(String),
    Float(String),
    Text(String),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(mark) => write!(f, "'{mark}'"),
            Self::Spread => f.write_str("'...'"),
            Self::Name(name) => write!(f, "Name '{name}'"),
            Self::Int(text) => write!(f, "Int '{text}'"),
            Self::Float(text) => write!(f, "Float '{text}'"),
            Self::Text(text) => write!(f, "String '{text}'"),
            Self::End => f.write_str("<EOF>"),
        }
    }
}

/// What cannot be read.
pub(super) fn wrong(what: impl fmt::Display) -> String {
    format!("Syntax Error: {what}.")
}

/// All tokens of a text, the last one being the end.
pub(super) fn tokens(text: &str, most: usize) -> Result<Vec<Token>, String> {
    let mut lexer = Lexer {
        rest: text.trim_start_matches('\u{feff}'),
    };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token == Token::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
        if tokens.len() > most {
            return Err(wrong(format_args!(
                "Document contains more than {most} tokens. Parsing aborted"
            )));
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token, String> {
        self.skip_ignored();
        let Some(first) = self.rest.chars().next() else {
            return Ok(Token::End);
        };
        match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                self.advance(1);
                Ok(Token::Mark(first))
            }
            '.' if self.rest.starts_with("...") => {
                self.advance(3);
                Ok(Token::Spread)
            }
            'a'..='z' | 'A'..='Z' | '_' => Ok(Token::Name(self.name())),
            '0'..='9' | '-' => self.number(),
            '"' if self.rest.starts_with("\"\"\"") => self.block(),
            '"' => self.string(),
            other => Err(wrong(format_args!(
                "Unexpected character: {}",
                shown(Some(other))
            ))),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn skip_ignored(&mut self) {
        loop {
            self.rest = self
                .rest
                .trim_start_matches([' ', '\t', '\n', '\r', ',', '\u{feff}']);
            if !self.rest.starts_with('#') {
                return;
            }
            let end = self.rest.find(['\n', '\r']);
            self.advance(end.unwrap_or(self.rest.len()));
        }
    }

    /// As many characters as fulfil a condition (ASCII only).
    fn take(&mut self, fits: impl Fn(u8) -> bool) -> usize {
        let count = self.rest.bytes().take_while(|byte| fits(*byte)).count();
        self.advance(count);
        count
    }

    fn name(&mut self) -> String {
        let whole = self.rest;
        let count = self.take(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        whole.get(..count).unwrap_or_default().to_owned()
    }

    fn number(&mut self) -> Result<Token, String> {
        let whole = self.rest;
        let mut float = false;
        if self.rest.starts_with('-') {
            self.advance(1);
        }
        if self.rest.starts_with('0') {
            self.advance(1);
            if self.rest.starts_with(|next: char| next.is_ascii_digit()) {
                return Err(self.bad_number("unexpected digit after 0"));
            }
        } else {
            self.digits()?;
        }
        if self.rest.starts_with('.') {
            self.advance(1);
            self.digits()?;
            float = true;
        }
        if self.rest.starts_with(['e', 'E']) {
            self.advance(1);
            if self.rest.starts_with(['+', '-']) {
                self.advance(1);
            }
            self.digits()?;
            float = true;
        }
        if self
            .rest
            .starts_with(|next: char| next == '.' || next == '_' || next.is_ascii_alphabetic())
        {
            return Err(self.bad_number("expected digit"));
        }
        let text = whole[..whole.len() - self.rest.len()].to_owned();
        Ok(if float {
            Token::Float(text)
        } else {
            Token::Int(text)
        })
    }

    fn digits(&mut self) -> Result<(), String> {
        match self.take(|byte| byte.is_ascii_digit()) {
            0 => Err(self.bad_number("expected digit")),
            _ => Ok(()),
        }
    }

    fn bad_number(&self, what: &str) -> String {
        let found = shown(self.rest.chars().next());
        wrong(format_args!("Invalid number, {what} but got: {found}"))
    }

    fn string(&mut self) -> Result<Token, String> {
        self.advance(1);
        let mut text = String::new();
        loop {
            let end = self.rest.find(['"', '\\', '\n', '\r']);
            let (before, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            text.push_str(before);
            self.rest = rest;
            match rest.as_bytes().first() {
                Some(b'"') => {
                    self.advance(1);
                    return Ok(Token::Text(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(wrong("Unterminated string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let bad = |lexer: &Self| {
            let sequence: String = lexer.rest.chars().take(2).collect();
            wrong(format_args!(
                "Invalid character escape sequence: '{sequence}'"
            ))
        };
        let plain = match self.rest.as_bytes().get(1) {
            Some(b'u') => return self.unicode(),
            Some(quoted @ (b'"' | b'\\' | b'/')) => char::from(*quoted),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(bad(self)),
        };
        self.advance(2);
        Ok(plain)
    }

    /// `\u0041`, `\u{1F600}`, or two halves of a character in a row.
    fn unicode(&mut self) -> Result<char, String> {
        let bad = |lexer: &Self| {
            let sequence: String = lexer.rest.chars().take(6).collect();
            wrong(format_args!(
                "Invalid Unicode escape sequence: '{sequence}'"
            ))
        };
        if let Some(braced) = self.rest.strip_prefix("\\u{") {
            let (digits, _) = braced.split_once('}').ok_or_else(|| bad(self))?;
            let known = digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let code = u32::from_str_radix(digits, 16).ok().filter(|_| known);
            let found = code.and_then(char::from_u32).ok_or_else(|| bad(self))?;
            self.advance(4 + digits.len());
            return Ok(found);
        }
        let high = unit(self.rest).ok_or_else(|| bad(self))?;
        if let Some(found) = char::from_u32(high) {
            self.advance(6);
            return Ok(found);
        }
        let low = self.rest.get(6..).and_then(unit);
        let found = match low {
            Some(low @ 0xdc00..=0xdfff) if (0xd800..0xdc00).contains(&high) => {
                char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
            }
            _ => None,
        };
        let found = found.ok_or_else(|| bad(self))?;
        self.advance(12);
        Ok(found)
    }

    fn block(&mut self) -> Result<Token, String> {
        self.advance(3);
        let mut raw = String::new();
        loop {
            let Some(end) = self.rest.find("\"\"\"") else {
                return Err(wrong("Unterminated string"));
            };
            let before = &self.rest[..end];
            if let Some(kept) = before.strip_suffix('\\') {
                raw.push_str(kept);
                raw.push_str("\"\"\"");
                self.advance(end + 3);
                continue;
            }
            raw.push_str(before);
            self.advance(end + 3);
            return Ok(Token::Text(dedented(&raw)));
        }
    }
}

/// The four digits of `\uXXXX` at the beginning.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let known = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| known)
}

/// A block of text without the indentation that all its lines share, and without blank lines around it.
fn dedented(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = raw.split('\n').collect();
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let blank = |line: &&str| indent(line) == line.len();
    let common = lines.iter().skip(1).filter(|line| !blank(line));
    let common = common.map(|line| indent(line)).min().unwrap_or(0);
    let cut = |(index, line): (usize, &&str)| {
        let from = if index == 0 {
            0
        } else {
            common.min(line.len())
        };
        line.get(from..).unwrap_or_default().to_owned()
    };
    let first = lines.iter().position(|line| !blank(line));
    let last = lines.iter().rposition(|line| !blank(line));
    let (Some(first), Some(last)) = (first, last) else {
        return String::new();
    };
    let kept: Vec<String> = lines.iter().enumerate().map(cut).collect();
    kept[first..=last].join("\n")
}

fn shown(found: Option<char>) -> String {
    match found {
        None => "<EOF>".to_owned(),
        Some('\'') => "\"'\"".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some(known @ ' '..='~') => format!("'{known}'"),
        Some(other) => format!("U+{:04X}", u32::from(other)),
    }
}
