//! Values that are sent, as literals in the document or as variables beside it, brought to the types that the schema expects.

use serde_json::{Map, Value};

use super::document::{Literal, Operation, TypeRef};
use super::schema::{self, InputField, InputType, Of};

/// A literal that is no list, no object and no variable, as a value of this type.
pub(super) fn leaf(of: Of, literal: &Literal) -> Result<Value, String> {
    match (of, literal) {
        (_, Literal::Null) => Ok(Value::Null),
        (Of::Text, Literal::Text(text)) => Ok(text.as_str().into()),
        (Of::Bool, Literal::Bool(value)) => Ok((*value).into()),
        (Of::Int, Literal::Int(text)) => int(text),
        (Of::Long, Literal::Int(text) | Literal::Text(text)) => long(text),
        (Of::Float, Literal::Int(text) | Literal::Float(text)) => {
            let number = text.parse::<f64>().ok().filter(|found| found.is_finite());
            number
                .map(Value::from)
                .ok_or_else(|| cannot(of, &literal.to_string()))
        }
        (Of::Enum(of), Literal::Enum(word)) => {
            if of.words.contains(&word.as_str()) {
                return Ok(word.as_str().into());
            }
            Err(unknown_word(word, of.name))
        }
        _ => Err(cannot(of, &literal.to_string())),
    }
}

fn unknown_word(word: &str, of: &str) -> String {
    format!("Value '{word}' does not exist in '{of}' enum.")
}

fn cannot(of: Of, shown: &str) -> String {
    match of {
        Of::Text => format!("String cannot represent a non string value: {shown}"),
        Of::Bool => format!("Boolean cannot represent a non boolean value: {shown}"),
        Of::Int => format!("Int cannot represent non-integer value: {shown}"),
        Of::Float => format!("Float cannot represent non numeric value: {shown}"),
        Of::Enum(of) => format!(
            "Enum '{}' cannot represent non-enum value: {shown}.",
            of.name
        ),
        Of::Long | Of::Object(_) | Of::Input(_) => {
            format!("Expected value of type '{}', found {shown}.", of.name())
        }
    }
}

fn int(text: &str) -> Result<Value, String> {
    let number = text.parse::<i32>();
    number
        .map(Value::from)
        .map_err(|_| format!("Int cannot represent non 32-bit signed integer value: {text}"))
}

fn long(text: &str) -> Result<Value, String> {
    let number = text.trim().parse::<i64>();
    number
        .map(Value::from)
        .map_err(|_| cannot(Of::Long, &Value::from(text).to_string()))
}

/// A literal that was found valid, with the variables filled in; nothing where a variable has no value.
pub(super) fn filled(
    (of, list): (Of, bool),
    literal: &Literal,
    variables: &Map<String, Value>,
) -> Option<Value> {
    match literal {
        Literal::Variable(name) => variables.get(name).cloned(),
        Literal::Null => Some(Value::Null),
        Literal::List(items) => {
            let one = |item| filled((of, false), item, variables).unwrap_or_default();
            Some(items.iter().map(one).collect())
        }
        single if list => Some(Value::Array(vec![filled((of, false), single, variables)?])),
        Literal::Object(given) => {
            let Of::Input(of) = of else { return None };
            let field = |(name, value): &(String, Literal)| {
                let field = input_field(of, name)?;
                let value = filled((field.of, field.list), value, variables)?;
                Some((name.clone(), value))
            };
            Some(given.iter().filter_map(field).collect::<Map<_, _>>().into())
        }
        simple => leaf(of, simple).ok(),
    }
}

/// A field of what is sent.
pub(super) fn input_field(of: &InputType, name: &str) -> Option<&'static InputField> {
    of.fields.iter().find(|field| field.name == name)
}

/// The complaint about a field that is not there.
pub(super) fn undefined_field(of: &InputType, name: &str) -> String {
    format!("Field '{name}' is not defined by type '{}'.", of.name)
}

/// The values of an operation's variables: what was sent, or their defaults.
pub(super) fn variables(
    operation: &Operation,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<String>> {
    let (mut found, mut errors) = (Map::new(), Vec::new());
    for variable in &operation.variables {
        let name = &variable.name;
        let (of, list) = expected(&variable.of);
        let required = matches!(variable.of, TypeRef::NonNull(_));
        let shown = &variable.of;
        match (given.get(name), &variable.default) {
            (Some(Value::Null), _) if required => errors.push(format!(
                "Variable '${name}' of non-null type '{shown}' must not be null."
            )),
            (Some(value), _) => match coerced((of, list), value, name) {
                Ok(value) => drop(found.insert(name.clone(), value)),
                Err(wrong) => errors.push(wrong.told(name)),
            },
            (None, Some(default)) => {
                let value = filled((of, list), default, &Map::new());
                found.insert(name.clone(), value.unwrap_or_default());
            }
            (None, None) if required => errors.push(format!(
                "Variable '${name}' of required type '{shown}' was not provided."
            )),
            (None, None) => {}
        }
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(errors)
    }
}

/// What a variable's type comes to. A list of lists is of no use to any argument, so validation refuses it before.
pub(super) fn expected(of: &TypeRef) -> (Of, bool) {
    let list = matches!(of.nullable(), TypeRef::List(_));
    (schema::find(of.name()).unwrap_or(Of::Text), list)
}

/// A variable's value that does not fit.
struct Misfit {
    path: String,
    value: String,
    why: String,
}

impl Misfit {
    fn told(&self, name: &str) -> String {
        let at = if self.path == name {
            String::new()
        } else {
            format!(" at '{}'", self.path)
        };
        format!(
            "Variable '${name}' got invalid value {}{at}; {}",
            self.value, self.why
        )
    }
}

fn coerced((of, list): (Of, bool), value: &Value, path: &str) -> Result<Value, Misfit> {
    let misfit = |why: String| Misfit {
        path: path.to_owned(),
        value: shortened(value),
        why,
    };
    match (of, value) {
        (_, Value::Null) => Ok(Value::Null),
        (_, Value::Array(items)) if list => {
            let one = |(index, item)| coerced((of, false), item, &format!("{path}[{index}]"));
            items.iter().enumerate().map(one).collect()
        }
        (_, single) if list => Ok(Value::Array(vec![coerced((of, false), single, path)?])),
        (Of::Input(of), Value::Object(fields)) => {
            let one = |(name, value): (&String, &Value)| {
                let field =
                    input_field(of, name).ok_or_else(|| misfit(undefined_field(of, name)))?;
                let path = format!("{path}.{name}");
                let value = coerced((field.of, field.list), value, &path)?;
                Ok((name.clone(), value))
            };
            let fields: Result<Map<_, _>, Misfit> = fields.iter().map(one).collect();
            fields.map(Value::Object)
        }
        (Of::Input(of), _) => Err(misfit(format!(
            "Expected type '{}' to be a mapping.",
            of.name
        ))),
        (Of::Text, Value::String(_))
        | (Of::Bool, Value::Bool(_))
        | (Of::Float, Value::Number(_)) => Ok(value.clone()),
        (Of::Int, Value::Number(number)) if !number.is_f64() => {
            int(&number.to_string()).map_err(misfit)
        }
        (Of::Long, Value::Number(number)) if !number.is_f64() => {
            long(&number.to_string()).map_err(misfit)
        }
        (Of::Long, Value::String(text)) => long(text).map_err(misfit),
        (Of::Enum(of), Value::String(word)) => {
            if of.words.contains(&word.as_str()) {
                return Ok(value.clone());
            }
            Err(misfit(unknown_word(word, of.name)))
        }
        _ => Err(misfit(cannot(of, &shortened(value)))),
    }
}

/// A value in a complaint, not longer than helps.
fn shortened(value: &Value) -> String {
    const MOST: usize = 200;
    let text = value.to_string();
    if text.chars().count() <= MOST {
        return text;
    }
    let cut: String = text.chars().take(MOST).collect();
    format!("{cut}…")
}
