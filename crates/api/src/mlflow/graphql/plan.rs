//! What an operation chooses, with fragments spread, conditions decided and equal fields merged. No type has several forms,
//! so one plan serves every object.

use serde_json::{Map, Value};

use super::document::{Directive, Document, Field, Level, Literal, Operation, Selection};
use super::schema::{FieldType, ObjectType, Of};
use super::values;

/// A field that is answered.
#[derive(Debug)]
pub(super) struct Picked {
    /// Under which name.
    pub key: String,
    /// Under which name it is found.
    pub member: String,
    pub field: &'static FieldType,
    pub arguments: Map<String, Value>,
    /// What is chosen of it.
    pub below: Vec<Self>,
}

/// The plan of an operation that was found valid.
pub(super) fn plan(
    document: &Document,
    operation: &Operation,
    root: &'static ObjectType,
    variables: &Map<String, Value>,
) -> Result<Vec<Picked>, String> {
    let planner = Planner {
        document,
        variables,
    };
    planner.level(&[&operation.selections], root)
}

struct Planner<'d> {
    document: &'d Document,
    variables: &'d Map<String, Value>,
}

impl<'d> Planner<'d> {
    fn level(
        &self,
        groups: &[&'d [Selection]],
        object: &'static ObjectType,
    ) -> Result<Vec<Picked>, String> {
        let mut chosen: Vec<(&str, Vec<&Field>)> = Vec::new();
        let mut level = Level::new(self.document, groups.iter().copied());
        while let Some(selection) = level.next() {
            match selection {
                Selection::Field(field) if self.wanted(&field.directives) => {
                    match chosen.iter_mut().find(|(key, _)| *key == field.key()) {
                        Some((_, same)) => same.push(field),
                        None => chosen.push((field.key(), vec![field])),
                    }
                }
                Selection::Inline { directives, .. } | Selection::Spread { directives, .. }
                    if self.wanted(directives) =>
                {
                    level.enter(selection);
                }
                _ => {}
            }
        }
        let picked = chosen
            .into_iter()
            .map(|(_, fields)| self.picked(&fields, object));
        picked.filter_map(Result::transpose).collect()
    }

    fn picked(
        &self,
        fields: &[&'d Field],
        object: &'static ObjectType,
    ) -> Result<Option<Picked>, String> {
        let Some((first, rest)) = fields.split_first() else {
            return Ok(None);
        };
        rest.iter().try_for_each(|other| same(first, other))?;
        let Some(field) = object.field(&first.name) else {
            return Ok(None);
        };
        let argument = |(name, literal): &(String, Literal)| {
            let known = field.argument.as_ref()?;
            let value = values::filled((known.of, known.list), literal, self.variables)?;
            Some((name.clone(), value))
        };
        let below = match field.of {
            Of::Object(of) => {
                let groups: Vec<_> = fields.iter().map(|one| one.selections.as_slice()).collect();
                self.level(&groups, of)?
            }
            _ => Vec::new(),
        };
        Ok(Some(Picked {
            key: first.key().to_owned(),
            member: snake_case(field.name),
            field,
            arguments: first.arguments.iter().filter_map(argument).collect(),
            below,
        }))
    }

    /// What `@include` and `@skip` say.
    fn wanted(&self, directives: &[Directive]) -> bool {
        directives.iter().all(|directive| {
            let given = directive.arguments.iter().find(|(name, _)| name == "if");
            let value = given
                .and_then(|(_, value)| values::filled((Of::Bool, false), value, self.variables));
            let holds = value == Some(Value::Bool(true));
            match directive.name.as_str() {
                "skip" => !holds,
                _ => holds,
            }
        })
    }
}

/// Two fields under one name must be the same one.
fn same(one: &Field, other: &Field) -> Result<(), String> {
    let why = if one.name != other.name {
        format!("'{}' and '{}' are different fields", one.name, other.name)
    } else if one.arguments.len() == other.arguments.len()
        && one
            .arguments
            .iter()
            .all(|each| other.arguments.contains(each))
    {
        return Ok(());
    } else {
        "they have differing arguments".to_owned()
    };
    Err(format!(
        "Fields '{}' conflict because {why}. Use different aliases on the fields to fetch both if this was intentional.",
        one.key()
    ))
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
