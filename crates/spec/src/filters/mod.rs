//! The filter and order language of searches, the same for every kind of thing that can be searched.
//!
//! A filter is comparisons joined by `AND`: `metrics.accuracy > 0.9 AND params."batch size" = '32' AND tags.x IS NOT NULL`.
//! What may stand on the left is said by a [`Vocabulary`], one for each kind of thing ([`vocabularies`]). The result
//! is data: the store turns it into SQL with bound parameters, never by pasting text.

mod grammar;
pub mod issues;
mod lexer;
pub mod pattern;
pub mod trace_metrics;
pub mod traces;
pub mod vocabularies;

pub use grammar::{parse_filter, parse_order_by};

/// What a comparison looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The latest value of a metric.
    Metric,
    /// A parameter.
    Param,
    /// A tag.
    Tag,
    /// A column of the thing itself.
    Attribute,
    /// A data set that the run read.
    Dataset,
}

impl Kind {
    /// The word used in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Param => "parameter",
            Self::Tag => "tag",
            Self::Attribute => "attribute",
            Self::Dataset => "dataset",
        }
    }
}

/// How two numbers, or two texts, are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `<=`
    Le,
}

impl Op {
    /// The SQL operator, which is also the one in the filter.
    pub const fn as_sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Lt => "<",
            Self::Le => "<=",
        }
    }
}

/// What the left side must fulfil.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// A number: `> 0.5`.
    Number(Op, f64),
    /// A text: `= 'x'` or `!= 'x'`.
    Text {
        /// `!=` rather than `=`.
        negated: bool,
        /// What to compare with.
        value: String,
    },
    /// A pattern with `%` (any characters) and `_` (one character).
    Like {
        /// `ILIKE`: upper and lower case are the same.
        ignore_case: bool,
        /// The pattern.
        pattern: String,
    },
    /// A regular expression that must match somewhere in the text; [`pattern`] has looked at it.
    Regex {
        /// The pattern.
        pattern: String,
    },
    /// One of several texts.
    In {
        /// `NOT IN`.
        negated: bool,
        /// The texts; never empty.
        values: Vec<String>,
    },
    /// `IS NULL`, or `IS NOT NULL` when negated.
    Null {
        /// `IS NOT NULL`.
        negated: bool,
    },
}

/// One comparison of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What kind of value.
    pub kind: Kind,
    /// Its key, or the attribute's own name (aliases are resolved).
    pub key: String,
    /// What it must fulfil.
    pub test: Test,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderBy {
    /// What kind of value.
    pub kind: Kind,
    /// Its key, or the attribute's own name.
    pub key: String,
    /// Smallest first.
    pub ascending: bool,
}

/// An attribute that may be named in a filter or an order.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its own name.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// A number; otherwise a text.
    pub numeric: bool,
    /// May stand in a filter.
    pub filter: bool,
    /// May stand in an order.
    pub order: bool,
    /// May be compared with a list.
    pub lists: bool,
}

/// What may be said about one kind of thing.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary {
    /// The prefixes (`metrics.`, `tags.`) and what they mean.
    pub prefixes: &'static [(&'static str, Kind)],
    /// The prefixes as messages list them.
    pub prefixes_shown: &'static str,
    /// The attributes.
    pub attributes: &'static [Attribute],
}
