//! Writes what was chosen of an answer, as JSON. What is absent is written as protobuf's default: an empty text or list, zero,
//! the first word, an object of all these.

use std::time::Instant;

use serde_json::Value;

use super::plan::Picked;
use super::resolve::{Answer, Beside};
use super::schema::{ObjectType, Of, Source, TYPE_NAME};

/// The longest answer, in bytes.
const MOST: usize = 256 << 20;

/// Writes the answer of a root field; to write goes on no longer than this moment.
pub(super) fn write_answer(
    out: &mut String,
    picked: &Picked,
    answer: &Answer,
    until: Instant,
) -> Result<(), String> {
    let Of::Object(object) = picked.field.of else {
        out.push_str("null");
        return Ok(());
    };
    let mut writer = Writer {
        out,
        beside: &answer.beside,
        until,
    };
    let mut open = '{';
    for field in &picked.below {
        writer.key(&mut open, &field.key);
        match &answer.items {
            Some((name, items)) if *name == field.field.name => {
                let items = (0..).map_while(items);
                writer.list(field, items)?;
            }
            _ => writer.field(field, object, Some(&answer.fields))?,
        }
    }
    writer.close(open);
    Ok(())
}

/// Writes a text as JSON.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

struct Writer<'w> {
    out: &'w mut String,
    beside: &'w Beside,
    until: Instant,
}

impl Writer<'_> {
    fn key(&mut self, open: &mut char, key: &str) {
        self.out.push(*open);
        *open = ',';
        write_text(self.out, key);
        self.out.push(':');
    }

    fn close(&mut self, open: char) {
        self.out.push_str(if open == '{' { "{}" } else { "}" });
    }

    fn object(
        &mut self,
        picked: &[Picked],
        object: &ObjectType,
        value: Option<&Value>,
    ) -> Result<(), String> {
        if self.out.len() > MOST {
            return Err(format!(
                "the answer is longer than {} MiB: ask for less",
                MOST >> 20
            ));
        }
        if Instant::now() >= self.until {
            return Err("the query took too long: ask for less".to_owned());
        }
        let mut open = '{';
        for field in picked {
            self.key(&mut open, &field.key);
            self.field(field, object, value)?;
        }
        self.close(open);
        Ok(())
    }

    fn field(
        &mut self,
        picked: &Picked,
        object: &ObjectType,
        parent: Option<&Value>,
    ) -> Result<(), String> {
        let of_run = |name| parent.and_then(|run| run.get("info")?.get(name)?.as_str());
        let beside = self.beside;
        match picked.field.source {
            Source::Nowhere => self.null(),
            Source::ExperimentOfRun => {
                let id = of_run("experiment_id").unwrap_or_default();
                match beside.experiments.get(id) {
                    Some(found) => return self.one(picked, Some(found)),
                    None => self.null(),
                }
            }
            Source::VersionsOfRun => match &beside.versions {
                Some(versions) => {
                    let id = of_run("run_id").unwrap_or_default();
                    let of_run = versions.get(id).map(Vec::as_slice).unwrap_or_default();
                    return self.list(picked, of_run.iter());
                }
                None => self.null(),
            },
            Source::Member if picked.field.name == TYPE_NAME.name => {
                write_text(self.out, object.name);
            }
            Source::Member => {
                let value = parent.and_then(|parent| parent.get(&picked.member));
                if !picked.field.list {
                    return self.one(picked, value);
                }
                let items = value.and_then(Value::as_array).map(Vec::as_slice);
                return self.list(picked, items.unwrap_or_default().iter());
            }
        }
        Ok(())
    }

    fn null(&mut self) {
        self.out.push_str("null");
    }

    fn list<V: std::borrow::Borrow<Value>>(
        &mut self,
        picked: &Picked,
        items: impl Iterator<Item = V>,
    ) -> Result<(), String> {
        self.out.push('[');
        for (place, item) in items.enumerate() {
            if place > 0 {
                self.out.push(',');
            }
            self.one(picked, Some(item.borrow()))?;
        }
        self.out.push(']');
        Ok(())
    }

    fn one(&mut self, picked: &Picked, value: Option<&Value>) -> Result<(), String> {
        match (picked.field.of, value) {
            (_, Some(Value::Null)) => self.null(),
            (Of::Object(of), value) => return self.object(&picked.below, of, value),
            (Of::Text | Of::Enum(_), Some(Value::String(text))) => write_text(self.out, text),
            (Of::Text, None) => self.out.push_str("\"\""),
            (Of::Enum(of), None) => write_text(self.out, of.words.first().unwrap_or(&"")),
            (Of::Text | Of::Long, Some(other)) => match other.as_str() {
                Some(text) => write_text(self.out, text),
                None => write_text(self.out, &other.to_string()),
            },
            (Of::Long, None) => self.out.push_str("\"0\""),
            (Of::Int | Of::Float, None) => self.out.push('0'),
            (Of::Bool, None) => self.out.push_str("false"),
            // JSON has no NaN and no infinity: protobuf writes them as text, this as nothing
            (Of::Int | Of::Float, Some(Value::Number(number))) => {
                self.out.push_str(&number.to_string());
            }
            (Of::Bool, Some(Value::Bool(value))) => {
                self.out.push_str(if *value { "true" } else { "false" });
            }
            _ => self.null(),
        }
        Ok(())
    }
}
