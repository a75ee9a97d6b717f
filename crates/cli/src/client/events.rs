//! Server-sent events, as logs are streamed: parsed from bytes as they come, with the id to resume from.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use crate::error::CliResult;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// `message` when the server named none.
    pub(crate) name: String,
    /// The data lines, joined.
    pub(crate) data: String,
    /// Where to resume after this event (`Last-Event-ID`).
    pub(crate) id: Option<String>,
}

/// Events out of a response body.
pub(crate) struct EventStream<S> {
    body: S,
    parser: Parser,
}

impl<S: Stream<Item = CliResult<Bytes>> + Unpin> EventStream<S> {
    /// Reads events from a body.
    pub(crate) fn new(body: S) -> Self {
        Self {
            body,
            parser: Parser::default(),
        }
    }

    /// The next event; none when the server has ended the stream.
    pub(crate) async fn next(&mut self) -> CliResult<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            match self.body.next().await {
                Some(bytes) => self.parser.push(&bytes?),
                None => return Ok(None),
            }
        }
    }
}

/// The line protocol, apart from the network.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(event) = self.line(line.trim_end_matches(['\r', '\n'])) {
                return Some(event);
            }
        }
        None
    }

    /// Takes one line; an empty one ends an event. Events without data (keep-alives) are not passed on.
    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match key {
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_the_bytes_are_cut() {
        let text = ": hello\nevent: log\nid: 7\ndata: one\ndata:  two\n\n: keep-alive\n\ndata: {\"a\":1}\r\n\r\n";
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                parser.push(piece);
                while let Some(event) = parser.next() {
                    events.push(event);
                }
            }
            let first = Event {
                name: "log".to_owned(),
                data: "one\n two".to_owned(),
                id: Some("7".to_owned()),
            };
            let second = Event {
                data: "{\"a\":1}".to_owned(),
                ..Event::default()
            };
            assert_eq!(events, [first, second], "cut at {size}");
        }
    }
}
