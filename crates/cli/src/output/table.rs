//! Tables for people: aligned columns, no drawing, nothing cut off.

use comfy_table::{Table, presets};
use serde_json::Value;

/// One column of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Heading.
    pub(crate) title: &'static str,
    /// Where the value is, `a.b.c`; several alternatives are tried in order, separated by `|`.
    pub(crate) path: &'static str,
    /// How to show it.
    pub(crate) cell: Cell,
}

/// How a cell shows its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// As it is.
    Text,
    /// RFC 3339, cut to seconds.
    Time,
    /// Bytes with a unit.
    Size,
    /// Time between two fields: the path names `start>end`.
    Span,
}

impl Column {
    /// A column that shows its value as it is.
    pub(crate) const fn text(title: &'static str, path: &'static str) -> Self {
        Self {
            title,
            path,
            cell: Cell::Text,
        }
    }
    /// A moment.
    pub(crate) const fn time(title: &'static str, path: &'static str) -> Self {
        Self {
            title,
            path,
            cell: Cell::Time,
        }
    }
    /// A number of bytes.
    pub(crate) const fn size(title: &'static str, path: &'static str) -> Self {
        Self {
            title,
            path,
            cell: Cell::Size,
        }
    }
    /// Time between two moments.
    pub(crate) const fn span(title: &'static str, path: &'static str) -> Self {
        Self {
            title,
            path,
            cell: Cell::Span,
        }
    }

    fn show(&self, item: &Value) -> String {
        if self.cell == Cell::Span {
            return span(item, self.path).unwrap_or_default();
        }
        let Some(value) = self.path.split('|').find_map(|path| lookup(item, path)) else {
            return String::new();
        };
        match self.cell {
            Cell::Time => value.as_str().map_or_else(|| plain(value), short_time),
            Cell::Size => value.as_u64().map_or_else(|| plain(value), human_size),
            Cell::Text | Cell::Span => plain(value),
        }
    }
}

/// A list in chosen columns. An empty list prints its headings.
pub(super) fn render(items: &[Value], columns: &[Column]) -> String {
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|column| column.show(item)).collect())
        .collect();
    grid(
        columns
            .iter()
            .map(|column| column.title.to_owned())
            .collect(),
        rows,
    )
}

/// A list whose columns are found from its items, for the result of a `--query`.
pub(super) fn derived(items: &[Value]) -> String {
    let mut keys: Vec<String> = Vec::new();
    for key in items
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|object| object.keys())
    {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    if keys.is_empty() {
        let width = items
            .iter()
            .filter_map(Value::as_array)
            .map(Vec::len)
            .max()
            .unwrap_or(1);
        let titles = (1..=width).map(|n| format!("Column{n}")).collect();
        let row = |item: &Value| match item {
            Value::Array(cells) => (0..width)
                .map(|n| cells.get(n).map_or_else(String::new, plain))
                .collect(),
            scalar => vec![plain(scalar)],
        };
        return grid(titles, items.iter().map(row).collect());
    }
    let row = |item: &Value| {
        keys.iter()
            .map(|key| item.get(key).map_or_else(String::new, plain))
            .collect()
    };
    let rows = items.iter().map(row).collect();
    grid(keys.iter().map(|key| title_of(key)).collect(), rows)
}

/// `creation_time` -> `Creation Time`.
pub(super) fn title_of(key: &str) -> String {
    let words = key.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        })
    });
    words.collect::<Vec<String>>().join(" ")
}

/// A value on one line.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim_end().replace(['\n', '\t'], " "),
        Value::Array(items)
            if items
                .iter()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            items.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        Value::Object(map)
            if map
                .values()
                .all(|item| !item.is_object() && !item.is_array()) =>
        {
            map.iter()
                .map(|(key, item)| format!("{key}={}", plain(item)))
                .collect::<Vec<_>>()
                .join(" ")
        }
        other => other.to_string(),
    }
}

fn grid(titles: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(titles);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text: String = table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    if text.is_empty() {
        text.push('\n');
    }
    text
}

fn lookup<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(item, |value, key| value.get(key))
        .filter(|value| !value.is_null())
}

/// `2026-11-23T02:19:00.123456Z` -> `2026-11-23 02:19:00`.
pub(super) fn short_time(text: &str) -> String {
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) if text.as_bytes().get(10) == Some(&b'T') => {
            format!("{day} {time}")
        }
        _ => text.to_owned(),
    }
}

/// `1536` -> `1.5 KiB`.
pub(crate) fn human_size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", units[unit])
}

/// Time between two RFC 3339 moments named `start>end`.
fn span(item: &Value, path: &str) -> Option<String> {
    let (start, end) = path.split_once('>')?;
    let seconds = moment(lookup(item, end)?.as_str()?)? - moment(lookup(item, start)?.as_str()?)?;
    Some(human_seconds(seconds))
}

/// `75.2` -> `1m 15s`.
pub(crate) fn human_seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{:.1}s", seconds.max(0.0)),
        10..60 => format!("{whole}s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole % 3600 / 60),
    }
}

fn moment(text: &str) -> Option<f64> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(moment.as_microsecond() as f64 / 1e6)
}
