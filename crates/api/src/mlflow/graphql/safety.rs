//! The limits on what one request may ask, before anything of it is looked up: MLflow's own, in its words.

use super::document::{Document, Field, Level, Selection};

const DEPTH: usize = 10;
const SELECTIONS: usize = 1_000;
const ROOT_FIELDS: usize = 10;
const ALIASES: usize = 10;

/// Fragments and groups that all levels together may take in: more than any query has.
const GROUPS: usize = 10_000;

/// Refuses what asks for too much. Fragments count where they are spread.
pub(super) fn check(document: &Document) -> Result<(), String> {
    let (mut roots, mut aliases, mut total, mut groups) = (0, 0, 0, 0);
    for operation in &document.operations {
        let mut levels = vec![(operation.selections.as_slice(), 1)];
        while let Some((selections, depth)) = levels.pop() {
            if depth > DEPTH {
                return Err(format!("Query exceeds maximum depth of {DEPTH}"));
            }
            let fields = fields_of(document, selections, &mut groups)?;
            aliases = aliases.max(fields.iter().filter(|field| field.alias.is_some()).count());
            for field in fields {
                if depth == 1 {
                    roots += 1;
                }
                if !field.selections.is_empty() {
                    levels.push((&field.selections, depth + 1));
                }
                total += 1;
                if total > SELECTIONS {
                    return Err(too_many());
                }
            }
        }
    }
    at_most(roots, ROOT_FIELDS, "root fields")?;
    at_most(aliases, ALIASES, "aliases")
}

fn at_most(count: usize, most: usize, what: &str) -> Result<(), String> {
    if count <= most {
        return Ok(());
    }
    Err(format!(
        "GraphQL queries should have at most {most} {what}, got {count} {what}."
    ))
}

fn too_many() -> String {
    format!("Query exceeds maximum total selections of {SELECTIONS}")
}

/// The fields of one level, those of fragments included; a fragment counts once a level.
fn fields_of<'d>(
    document: &'d Document,
    selections: &'d [Selection],
    groups: &mut usize,
) -> Result<Vec<&'d Field>, String> {
    let mut fields = Vec::new();
    let mut level = Level::new(document, std::iter::once(selections));
    while let Some(selection) = level.next() {
        if let Selection::Field(field) = selection {
            fields.push(field);
        } else if level.enter(selection) {
            *groups += 1;
        }
        if *groups > GROUPS {
            return Err(too_many());
        }
    }
    Ok(fields)
}
