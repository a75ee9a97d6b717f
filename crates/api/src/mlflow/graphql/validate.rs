//! Whether a document fits the schema, told in the words of MLflow's server. Executing one that was found valid fails only
//! for what is asked, not for how.

use std::collections::{HashMap, HashSet};

use super::document::{
    Directive, Document, Field, Kind, Level, Literal, Operation, Selection, TypeRef,
};
use super::schema::{self, FieldType, ObjectType, Of};
use super::values::{input_field, leaf, undefined_field};

/// Errors after which no more are looked for.
const MOST_ERRORS: usize = 100;

/// All that is wrong with a document.
pub(super) fn check(document: &Document) -> Result<(), Vec<String>> {
    let mut errors = Errors::default();
    check_names(document, &mut errors);
    check_fragments(document, &mut errors);
    if errors.0.is_empty() {
        let mut used = HashSet::new();
        for operation in &document.operations {
            Check::run(document, operation, &mut errors, &mut used);
        }
        for fragment in &document.fragments {
            if !used.contains(fragment.name.as_str()) {
                errors.add(format!("Fragment '{}' is never used.", fragment.name));
            }
        }
    }
    if errors.0.is_empty() {
        Ok(())
    } else {
        Err(errors.0)
    }
}

/// Each complaint once.
#[derive(Default)]
struct Errors(Vec<String>);

impl Errors {
    fn add(&mut self, message: String) {
        if self.0.len() < MOST_ERRORS && !self.0.contains(&message) {
            self.0.push(message);
        }
    }
}

fn twice<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn check_names(document: &Document, errors: &mut Errors) {
    let operations = &document.operations;
    if let Some(name) = twice(operations.iter().filter_map(|one| one.name.as_deref())) {
        errors.add(format!("There can be only one operation named '{name}'."));
    }
    if operations.len() > 1 && operations.iter().any(|one| one.name.is_none()) {
        errors.add("This anonymous operation must be the only defined operation.".to_owned());
    }
    if let Some(name) = twice(document.fragments.iter().map(|one| one.name.as_str())) {
        errors.add(format!("There can be only one fragment named '{name}'."));
    }
}

fn check_fragments(document: &Document, errors: &mut Errors) {
    for fragment in &document.fragments {
        let (name, on) = (&fragment.name, &fragment.on);
        match schema::find(on) {
            Some(Of::Object(_)) => {}
            Some(_) => errors.add(format!(
                "Fragment '{name}' cannot condition on non composite type '{on}'."
            )),
            None => errors.add(format!("Unknown type '{on}'.")),
        }
        for directive in &fragment.directives {
            errors.add(misplaced(&directive.name, "fragment definition"));
        }
    }
    if let Some(name) = circle(document) {
        errors.add(format!("Cannot spread fragment '{name}' within itself."));
    }
}

fn misplaced(directive: &str, place: &str) -> String {
    if matches!(directive, "component" | "include" | "skip") {
        return format!("Directive '@{directive}' may not be used on {place}.");
    }
    format!("Unknown directive '@{directive}'.")
}

/// A fragment that spreads itself, directly or by others. Those that lead to nothing more are taken away until none is
/// left, or only such as lead to each other for ever.
fn circle(document: &Document) -> Option<&str> {
    let mut targets: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut leading_to: HashMap<&str, Vec<&str>> = HashMap::new();
    for fragment in &document.fragments {
        let mut spread = HashSet::new();
        spreads(&fragment.selections, &mut spread);
        spread.retain(|name| document.fragment(name).is_some());
        for name in &spread {
            leading_to.entry(name).or_default().push(&fragment.name);
        }
        targets.insert(&fragment.name, spread);
    }
    let ends = targets.iter().filter(|(_, spread)| spread.is_empty());
    let mut ends: Vec<&str> = ends.map(|(name, _)| *name).collect();
    while let Some(end) = ends.pop() {
        targets.remove(end);
        for name in leading_to.remove(end).unwrap_or_default() {
            if let Some(spread) = targets.get_mut(name)
                && spread.remove(end)
                && spread.is_empty()
            {
                ends.push(name);
            }
        }
    }
    let mut names = document.fragments.iter().map(|one| one.name.as_str());
    let mut at = names.find(|name| targets.contains_key(name))?;
    let mut seen = HashSet::new();
    while seen.insert(at) {
        at = targets.get(at)?.iter().min()?;
    }
    Some(at)
}

fn spreads<'d>(selections: &'d [Selection], found: &mut HashSet<&'d str>) {
    for selection in selections {
        match selection {
            Selection::Field(field) => spreads(&field.selections, found),
            Selection::Inline { selections, .. } => spreads(selections, found),
            Selection::Spread { name, .. } => drop(found.insert(name.as_str())),
        }
    }
}

/// The check of one operation.
struct Check<'d, 'e> {
    document: &'d Document,
    operation: &'d Operation,
    errors: &'e mut Errors,
    fragments: &'e mut HashSet<&'d str>,
    variables: HashSet<&'d str>,
}

impl<'d, 'e> Check<'d, 'e> {
    fn run(
        document: &'d Document,
        operation: &'d Operation,
        errors: &'e mut Errors,
        fragments: &'e mut HashSet<&'d str>,
    ) {
        let Some(object) = schema::root(operation.kind) else {
            errors.add("Schema is not configured to execute subscription operation.".to_owned());
            return;
        };
        let mut check = Self {
            document,
            operation,
            errors,
            fragments,
            variables: HashSet::new(),
        };
        check.declared();
        check.of_operation(operation.kind);
        check.level(&operation.selections, object);
        for variable in &operation.variables {
            if !check.variables.contains(variable.name.as_str()) {
                let name = &variable.name;
                let within = match &operation.name {
                    Some(operation) => format!(" in operation '{operation}'"),
                    None => String::new(),
                };
                check
                    .errors
                    .add(format!("Variable '${name}' is never used{within}."));
            }
        }
    }

    /// The variables that the operation declares.
    fn declared(&mut self) {
        let variables = &self.operation.variables;
        if let Some(name) = twice(variables.iter().map(|one| one.name.as_str())) {
            self.errors
                .add(format!("There can be only one variable named '${name}'."));
        }
        for variable in variables {
            let (name, of) = (&variable.name, &variable.of);
            match schema::find(of.name()) {
                None => self.errors.add(format!("Unknown type '{}'.", of.name())),
                Some(Of::Object(_)) => self.errors.add(format!(
                    "Variable '${name}' cannot be non-input type '{of}'."
                )),
                Some(found) => {
                    if let Some(default) = &variable.default {
                        let list = matches!(of.nullable(), TypeRef::List(_));
                        self.value((found, list), default);
                    }
                }
            }
        }
    }

    fn of_operation(&mut self, kind: Kind) {
        for directive in &self.operation.directives {
            if directive.name == "component" {
                self.required(directive, ("name", Of::Text));
            } else {
                self.errors.add(misplaced(&directive.name, kind.as_str()));
            }
        }
    }

    /// The one argument that a directive has and needs.
    fn required(&mut self, directive: &'d Directive, (name, of): (&str, Of)) {
        let label = &directive.name;
        for (given, value) in &directive.arguments {
            if given != name {
                self.errors.add(format!(
                    "Unknown argument '{given}' on directive '@{label}'."
                ));
            } else if let Literal::Variable(variable) = value {
                self.variable(variable, &format!("{}!", of.name()));
            } else if *value == Literal::Null {
                self.errors.add(format!(
                    "Expected value of type '{}!', found null.",
                    of.name()
                ));
            } else {
                self.value((of, false), value);
            }
        }
        if !directive.arguments.iter().any(|(given, _)| given == name) {
            self.errors.add(format!(
                "Directive '@{label}' argument '{name}' of type '{}!' is required, but it was not provided.",
                of.name()
            ));
        }
    }

    fn conditions(&mut self, directives: &'d [Directive], place: &str) {
        for directive in directives {
            match directive.name.as_str() {
                "include" | "skip" => self.required(directive, ("if", Of::Bool)),
                name => self.errors.add(misplaced(name, place)),
            }
        }
    }

    fn level(&mut self, selections: &'d [Selection], object: &'static ObjectType) {
        let mut level = Level::new(self.document, std::iter::once(selections));
        while let Some(selection) = level.next() {
            let (on, directives, place) = match selection {
                Selection::Field(field) => {
                    self.conditions(&field.directives, "field");
                    self.field(field, object);
                    continue;
                }
                Selection::Inline { on, directives, .. } => {
                    (on.as_deref(), directives, "inline fragment")
                }
                Selection::Spread { name, directives } => {
                    let fragment = self.document.fragment(name);
                    let Some(fragment) = fragment else {
                        self.errors.add(format!("Unknown fragment '{name}'."));
                        continue;
                    };
                    self.fragments.insert(name);
                    (Some(fragment.on.as_str()), directives, "fragment spread")
                }
            };
            self.conditions(directives, place);
            if self.fits(on, object, selection) {
                level.enter(selection);
            }
        }
    }

    /// Whether a fragment on a type may stand within an object.
    fn fits(&mut self, on: Option<&str>, object: &ObjectType, selection: &Selection) -> bool {
        let Some(on) = on.filter(|on| *on != object.name) else {
            return true;
        };
        let what = match selection {
            Selection::Spread { name, .. } => format!("Fragment '{name}'"),
            _ => "Fragment".to_owned(),
        };
        self.errors.add(match schema::find(on) {
            Some(Of::Object(_)) => format!(
                "{what} cannot be spread here as objects of type '{}' can never be of type '{on}'.",
                object.name
            ),
            Some(_) => format!("{what} cannot condition on non composite type '{on}'."),
            None => format!("Unknown type '{on}'."),
        });
        false
    }

    fn field(&mut self, field: &'d Field, object: &'static ObjectType) {
        let name = &field.name;
        let Some(of) = object.field(name) else {
            self.errors.add(match name.as_str() {
                "__schema" | "__type" => {
                    format!("'{name}' is not served: the schema is that of MLflow {VERSION}.")
                }
                _ => format!("Cannot query field '{name}' on type '{}'.", object.name),
            });
            return;
        };
        self.arguments(field, of, object);
        match (of.of, field.selections.is_empty()) {
            (Of::Object(below), false) => self.level(&field.selections, below),
            (Of::Object(_), true) => self.errors.add(format!(
                "Field '{name}' of type '{}' must have a selection of subfields. Did you mean '{name} {{ ... }}'?",
                of.shown()
            )),
            (_, false) => self.errors.add(format!(
                "Field '{name}' must not have a selection since type '{}' has no subfields.",
                of.shown()
            )),
            (_, true) => {}
        }
    }

    fn arguments(&mut self, field: &'d Field, of: &'static FieldType, object: &ObjectType) {
        if let Some(name) = twice(field.arguments.iter().map(|(name, _)| name.as_str())) {
            self.errors
                .add(format!("There can be only one argument named '{name}'."));
        }
        for (name, value) in &field.arguments {
            match of.argument.as_ref().filter(|known| known.name == name) {
                Some(known) => self.value((known.of, known.list), value),
                None => self.errors.add(format!(
                    "Unknown argument '{name}' on field '{}.{}'.",
                    object.name, field.name
                )),
            }
        }
    }

    fn value(&mut self, (of, list): (Of, bool), value: &'d Literal) {
        match (of, value) {
            (_, Literal::Variable(name)) => {
                let expected = if list {
                    format!("[{}]", of.name())
                } else {
                    of.name().to_owned()
                };
                self.variable(name, &expected);
            }
            (_, Literal::List(items)) if list => {
                for item in items {
                    self.value((of, false), item);
                }
            }
            (Of::Input(of), Literal::Object(fields)) => {
                if let Some(name) = twice(fields.iter().map(|(name, _)| name.as_str())) {
                    self.errors
                        .add(format!("There can be only one input field named '{name}'."));
                }
                for (name, value) in fields {
                    match input_field(of, name) {
                        Some(field) => self.value((field.of, field.list), value),
                        None => self.errors.add(undefined_field(of, name)),
                    }
                }
            }
            (of, simple) => {
                if let Err(wrong) = leaf(of, simple) {
                    self.errors.add(wrong);
                }
            }
        }
    }

    /// Whether a variable may stand where this type is expected.
    fn variable(&mut self, name: &'d str, expected: &str) {
        let declared = self.operation.variables.iter();
        let Some(variable) = declared.into_iter().find(|one| one.name == name) else {
            let within = match &self.operation.name {
                Some(operation) => format!(" by operation '{operation}'"),
                None => String::new(),
            };
            self.errors
                .add(format!("Variable '${name}' is not defined{within}."));
            return;
        };
        self.variables.insert(name);
        let of = &variable.of;
        let has_default = !matches!(variable.default, None | Some(Literal::Null));
        let fits = match expected.strip_suffix('!') {
            Some(expected) => {
                (matches!(of, TypeRef::NonNull(_)) || has_default)
                    && of.nullable().to_string() == expected
            }
            None => of.nullable().to_string() == expected,
        };
        if !fits {
            self.errors.add(format!(
                "Variable '${name}' of type '{of}' used in position expecting type '{expected}'."
            ));
        }
    }
}

/// Whose schema this is.
const VERSION: &str = crate::mlflow::server_info::MLFLOW_VERSION;
