//! Dotted paths into a tree: finding, setting, removing, and where a missing field would stand.

use super::YamlError;
use super::node::{self, Entry, Mark, Node, Value};

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `a.b[2].c` and `a.b.2.c` alike; a key with a dot in it is quoted: `tags."a.b"`.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"')?;
            (Step::Key(key), after)
        } else if let Some(indexed) = rest.strip_prefix('[') {
            let (index, after) = indexed.split_once(']')?;
            (Step::Index(index.parse().ok()?), after)
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            (Step::Key(key), after)
        };
        if step == Step::Key("") {
            return None;
        }
        steps.push(step);
        rest = match after.strip_prefix('.') {
            Some("") => return None,
            Some(next) => next,
            None if after.is_empty() || after.starts_with('[') => after,
            None => return None,
        };
    }
    (!steps.is_empty()).then_some(steps)
}

fn child<'a>(node: &'a Node, step: &Step<'_>) -> Option<&'a Node> {
    match (&node.value, step) {
        (Value::Mapping(_), Step::Key(key)) => node.get(key),
        (Value::Sequence(items), Step::Index(index)) => items.get(*index),
        (Value::Sequence(items), Step::Key(key)) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

pub(super) fn find<'a>(root: &'a Node, path: &str) -> Option<&'a Node> {
    steps(path)?.iter().try_fold(root, child)
}

/// The mark of the node at `path`, or of its nearest parent that is there.
pub(super) fn nearest_mark(root: &Node, path: &str) -> Option<Mark> {
    let mut node = root;
    let mut mark = root.mark;
    for step in steps(path).unwrap_or_default() {
        let Some(next) = child(node, &step) else {
            break;
        };
        mark = next.mark.or(mark);
        node = next;
    }
    mark
}

pub(super) fn set(root: &mut Node, assignment: &str) -> Result<(), YamlError> {
    let Some((path, text)) = assignment.split_once('=') else {
        let message = format!("`--set {assignment}` has no `=`");
        return Err(YamlError::new(message).with_hint("write it as `--set field.subfield=value`"));
    };
    let path = path.trim();
    // a value that is not YAML by itself (`*.csv`, `a: b: c`, `{{x}`) is meant as text
    let mut value = match node::parse(text) {
        Ok(node) => node,
        Err(_) => Node::new(Value::Text(text.to_owned())),
    };
    if text.is_empty() {
        value = Node::new(Value::Text(String::new()));
    }
    forget_marks(&mut value);
    if value.value == Value::Null {
        remove(root, path);
        return Ok(());
    }
    put(root, path, value)
}

/// Marks of an override's value would point into the wrong text.
fn forget_marks(node: &mut Node) {
    node.mark = None;
    match &mut node.value {
        Value::Sequence(items) => items.iter_mut().for_each(forget_marks),
        Value::Mapping(entries) => entries.iter_mut().for_each(|entry| {
            entry.mark = None;
            forget_marks(&mut entry.node);
        }),
        _ => {}
    }
}

pub(super) fn put(root: &mut Node, path: &str, value: Node) -> Result<(), YamlError> {
    let Some(steps) = steps(path) else {
        return Err(YamlError::new(format!("`{path}` is not a field path"))
            .with_hint("write it as `field.subfield`"));
    };
    let mut node = root;
    for step in &steps {
        node = enter(node, step).map_err(|message| YamlError::new(message).with_field(path))?;
    }
    *node = value;
    Ok(())
}

/// The child at `step`, made when it is not there.
fn enter<'a>(node: &'a mut Node, step: &Step<'_>) -> Result<&'a mut Node, String> {
    // `--set inputs.data.path=x` over `data: ./old` replaces the short form with the long one
    let single = !matches!(node.value, Value::Mapping(_) | Value::Sequence(_));
    if node.value == Value::Null || (single && matches!(step, Step::Key(_))) {
        node.value = Value::Mapping(Vec::new());
        node.written = None;
    }
    match (&mut node.value, step) {
        (Value::Mapping(entries), Step::Key(key)) => Ok(field(entries, key)),
        (Value::Sequence(items), Step::Index(index)) => element(items, *index),
        (Value::Sequence(items), Step::Key(key)) => {
            let index = key
                .parse()
                .map_err(|_| format!("`{key}` is not a position in a list"))?;
            element(items, index)
        }
        (_, Step::Index(index)) => Err(format!("[{index}] asks for a list, and this is none")),
        (_, Step::Key(key)) => Err(format!("`{key}` cannot be set here")),
    }
}

fn field<'a>(entries: &'a mut Vec<Entry>, key: &str) -> &'a mut Node {
    let index = entries
        .iter()
        .position(|entry| entry.key == key)
        .unwrap_or_else(|| {
            entries.push(Entry {
                key: key.to_owned(),
                mark: None,
                node: Node::new(Value::Null),
            });
            entries.len() - 1
        });
    &mut entries[index].node
}

fn element(items: &mut Vec<Node>, index: usize) -> Result<&mut Node, String> {
    let length = items.len();
    if index == length {
        items.push(Node::new(Value::Null));
    }
    items
        .get_mut(index)
        .ok_or_else(|| format!("the list has {length} elements, so position {index} cannot be set"))
}

pub(super) fn remove(root: &mut Node, path: &str) -> bool {
    let Some(steps) = steps(path) else {
        return false;
    };
    let Some((last, parents)) = steps.split_last() else {
        return false;
    };
    let mut node = root;
    for step in parents {
        let next = match (&mut node.value, step) {
            (Value::Mapping(entries), Step::Key(key)) => entries
                .iter_mut()
                .find(|entry| entry.key == *key)
                .map(|entry| &mut entry.node),
            (Value::Sequence(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else { return false };
        node = next;
    }
    match (&mut node.value, last) {
        (Value::Mapping(entries), Step::Key(key)) => {
            let before = entries.len();
            entries.retain(|entry| entry.key != *key);
            entries.len() < before
        }
        _ => false,
    }
}
