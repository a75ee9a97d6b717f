//! A GraphQL document as it was written: operations, fragments, selections and values.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::slice;

/// All that one request holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub operations: Vec<Operation>,
    pub fragments: Vec<Fragment>,
    by_name: HashMap<String, usize>,
}

impl Document {
    /// The fragment of this name; the first where there are several.
    pub(super) fn fragment(&self, name: &str) -> Option<&Fragment> {
        self.fragments.get(*self.by_name.get(name)?)
    }

    /// Adds a fragment.
    pub(super) fn add_fragment(&mut self, fragment: Fragment) {
        let place = self.fragments.len();
        self.by_name.entry(fragment.name.clone()).or_insert(place);
        self.fragments.push(fragment);
    }
}

/// Walks over one level of selections in the order of the document. Into fragments and groups it goes where it is told to,
/// into each fragment once, without recursion: however they are chained, this ends.
pub(super) struct Level<'d> {
    document: &'d Document,
    open: Vec<slice::Iter<'d, Selection>>,
    seen: HashSet<&'d str>,
}

impl<'d> Level<'d> {
    /// A level that consists of these groups of selections.
    pub(super) fn new(
        document: &'d Document,
        groups: impl DoubleEndedIterator<Item = &'d [Selection]>,
    ) -> Self {
        Self {
            document,
            open: groups.rev().map(<[_]>::iter).collect(),
            seen: HashSet::new(),
        }
    }

    /// The next selection.
    pub(super) fn next(&mut self) -> Option<&'d Selection> {
        while let Some(group) = self.open.last_mut() {
            match group.next() {
                Some(selection) => return Some(selection),
                None => self.open.pop(),
            };
        }
        None
    }

    /// What stands in this fragment or group comes next; says whether there is anything.
    pub(super) fn enter(&mut self, selection: &'d Selection) -> bool {
        let selections = match selection {
            Selection::Field(_) => return false,
            Selection::Inline { selections, .. } => selections,
            Selection::Spread { name, .. } => match self.document.fragment(name) {
                Some(fragment) if self.seen.insert(name) => &fragment.selections,
                _ => return false,
            },
        };
        self.open.push(selections.iter());
        true
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Mutation,
    Subscription,
}

impl Kind {
    /// Its keyword.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// An operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub kind: Kind,
    pub name: Option<String>,
    pub variables: Vec<Variable>,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

/// A variable that an operation declares.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub name: String,
    pub of: TypeRef,
    pub default: Option<Literal>,
}

/// A type as a variable names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypeRef {
    Named(String),
    List(Box<Self>),
    NonNull(Box<Self>),
}

impl TypeRef {
    /// The name within.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::List(of) | Self::NonNull(of) => of.name(),
        }
    }

    /// The same with every value optional.
    pub(super) fn nullable(&self) -> Self {
        match self {
            Self::Named(name) => Self::Named(name.clone()),
            Self::List(of) => Self::List(Box::new(of.nullable())),
            Self::NonNull(of) => of.nullable(),
        }
    }
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(of) => write!(f, "[{of}]"),
            Self::NonNull(of) => write!(f, "{of}!"),
        }
    }
}

/// A named group of selections.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub name: String,
    pub on: String,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

/// `@name(arguments)`.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub name: String,
    pub arguments: Vec<(String, Literal)>,
}

/// One line of a selection.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    Field(Field),
    Spread {
        name: String,
        directives: Vec<Directive>,
    },
    Inline {
        on: Option<String>,
        directives: Vec<Directive>,
        selections: Vec<Self>,
    },
}

/// A field; without selections where it is a scalar.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub alias: Option<String>,
    pub name: String,
    pub arguments: Vec<(String, Literal)>,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

impl Field {
    /// Under which name it is answered.
    pub(super) fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(String),
    Float(String),
    Text(String),
    Enum(String),
    Variable(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(text) | Self::Float(text) | Self::Enum(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Variable(name) => write!(f, "${name}"),
            Self::List(items) => {
                f.write_str("[")?;
                separated(f, items, |f, item| write!(f, "{item}"))?;
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                separated(f, fields, |f, (name, value)| write!(f, "{name}: {value}"))?;
                f.write_str("}")
            }
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    one: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        one(f, item)?;
    }
    Ok(())
}
