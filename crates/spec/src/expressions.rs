//! `${{ inputs.x }}` expressions and `$[[ … ]]` optional groups, as Azure ML writes them in commands and variables.
//!
//! `${{inputs.x}}`, `${{outputs.x}}` and `${{inputs.group.key}}` name bindings; spaces inside the braces are allowed. A group
//! `$[[--alpha ${{inputs.alpha}}]]` is kept, without its marks, when every binding in it has a value, and dropped otherwise.
//! What is not such an expression (`${HOME}`, `$(date)`, `{{x}}`) is left alone: it belongs to the shell.

use thiserror::Error;

/// What an expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binding<'a> {
    /// `inputs.<name>`; a group's member is `<group>.<key>`.
    Input(&'a str),
    /// `outputs.<name>`.
    Output(&'a str),
}

/// Why a text cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// `${{` without `}}`.
    #[error("`{0}` opens an expression that is never closed with `}}}}`")]
    UnclosedExpression(String),
    /// `$[[` without `]]`.
    #[error("`{0}` opens an optional group that is never closed with `]]`")]
    UnclosedGroup(String),
    /// A group in a group.
    #[error("`{0}`: an optional group cannot stand inside another")]
    NestedGroup(String),
    /// Braces around something else than a binding.
    #[error(
        "`${{{{{0}}}}}` is not an expression known here; write `inputs.<name>` or `outputs.<name>`"
    )]
    Unknown(String),
    /// A binding without a value.
    #[error("`${{{{{0}}}}}` has no value: there is no such input or output, or it was given none")]
    Unbound(String),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Binding(Binding<'a>),
    Group(Vec<Part<'a>>),
}

/// Puts values in place of expressions.
pub fn render(
    text: &str,
    value: &dyn Fn(Binding<'_>) -> Option<String>,
) -> Result<String, ExpressionError> {
    let mut rendered = String::with_capacity(text.len());
    for part in parse(text, false)? {
        match part {
            Part::Group(parts) => {
                let mut inside = String::new();
                match write(&parts, value, &mut inside) {
                    Ok(()) => rendered.push_str(&inside),
                    Err(ExpressionError::Unbound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            part => write(&[part], value, &mut rendered)?,
        }
    }
    Ok(rendered)
}

/// The bindings a text names, each with whether it stands in an optional group, in order of appearance.
pub fn bindings(text: &str) -> Result<Vec<(Binding<'_>, bool)>, ExpressionError> {
    let mut found = Vec::new();
    for part in parse(text, false)? {
        match part {
            Part::Binding(binding) => found.push((binding, false)),
            Part::Group(parts) => found.extend(parts.iter().filter_map(|part| match part {
                Part::Binding(binding) => Some((*binding, true)),
                _ => None,
            })),
            Part::Text(_) => {}
        }
    }
    Ok(found)
}

/// The single binding of a text that is nothing else than one expression.
pub fn sole_binding(text: &str) -> Option<Binding<'_>> {
    let inside = text.trim().strip_prefix("${{")?.strip_suffix("}}")?;
    binding(inside).ok()
}

fn write(
    parts: &[Part<'_>],
    value: &dyn Fn(Binding<'_>) -> Option<String>,
    into: &mut String,
) -> Result<(), ExpressionError> {
    for part in parts {
        match part {
            Part::Text(text) => into.push_str(text),
            Part::Binding(binding) => {
                let text =
                    value(*binding).ok_or_else(|| ExpressionError::Unbound(binding.to_string()))?;
                into.push_str(&text);
            }
            Part::Group(parts) => write(parts, value, into)?,
        }
    }
    Ok(())
}

fn parse(text: &str, in_group: bool) -> Result<Vec<Part<'_>>, ExpressionError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(dollar) = next_mark(rest) {
        let (before, marked) = rest.split_at(dollar);
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        rest = if let Some(inside) = marked.strip_prefix("${{") {
            let (expression, after) = inside
                .split_once("}}")
                .ok_or_else(|| ExpressionError::UnclosedExpression(excerpt(marked)))?;
            parts.push(Part::Binding(binding(expression)?));
            after
        } else if in_group {
            return Err(ExpressionError::NestedGroup(excerpt(marked)));
        } else {
            let inside = &marked[3..];
            let (group, after) = split_group(inside)
                .ok_or_else(|| ExpressionError::UnclosedGroup(excerpt(marked)))?;
            parts.push(Part::Group(parse(group, true)?));
            after
        };
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// Where the next `${{` or `$[[` begins.
fn next_mark(text: &str) -> Option<usize> {
    text.match_indices('$')
        .map(|(at, _)| at)
        .find(|at| text[*at..].starts_with("${{") || text[*at..].starts_with("$[["))
}

/// Ends a group at its `]]`; of `]]]` the last two, so that a value in brackets may end a group.
fn split_group(inside: &str) -> Option<(&str, &str)> {
    let mut end = inside.find("]]")?;
    while inside[end + 2..].starts_with(']') {
        end += 1;
    }
    Some((&inside[..end], &inside[end + 2..]))
}

fn binding(expression: &str) -> Result<Binding<'_>, ExpressionError> {
    let words = expression.trim();
    let unknown = || ExpressionError::Unknown(excerpt(words));
    let (kind, name) = words.split_once('.').ok_or_else(unknown)?;
    let binding = match kind.trim() {
        "inputs" => Binding::Input(name.trim()),
        "outputs" => Binding::Output(name.trim()),
        _ => return Err(unknown()),
    };
    let well_formed = |step: &str| {
        !step.is_empty()
            && step
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    if name.trim().split('.').all(well_formed) {
        Ok(binding)
    } else {
        Err(unknown())
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

impl std::fmt::Display for Binding<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Input(name) => write!(f, "inputs.{name}"),
            Self::Output(name) => write!(f, "outputs.{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(binding: Binding<'_>) -> Option<String> {
        match binding {
            Binding::Input("data") => Some("/in/data".into()),
            Binding::Input("g.lr") => Some("0.1".into()),
            Binding::Output("model") => Some("/out/model".into()),
            _ => None,
        }
    }

    #[test]
    fn expressions_and_groups_are_replaced() {
        let render = |text: &str| render(text, &values);
        assert_eq!(
            render("python a.py --d ${{inputs.data}} -o ${{ outputs.model }}").unwrap(),
            "python a.py --d /in/data -o /out/model"
        );
        assert_eq!(
            render("x $[[--lr ${{inputs.g.lr}}]] y").unwrap(),
            "x --lr 0.1 y"
        );
        assert_eq!(render("x $[[--lr ${{inputs.nope}}]] y").unwrap(), "x  y");
        assert_eq!(
            render("a $[[--l [${{inputs.g.lr}}]]] b").unwrap(),
            "a --l [0.1] b"
        );
        assert_eq!(
            render("echo ${HOME} $(date) {{x}} $[ $").unwrap(),
            "echo ${HOME} $(date) {{x}} $[ $"
        );
        assert_eq!(
            render("[[ -f a ]] && echo é").unwrap(),
            "[[ -f a ]] && echo é"
        );
    }

    #[test]
    fn mistakes_are_told() {
        let told: Vec<String> = [
            "${{inputs.nope}}",
            "${{inputs.x",
            "$[[a",
            "$[[a $[[b]]",
            "${{search.x}}",
            "${{inputs.}}",
            "${{}}",
        ]
        .iter()
        .map(|text| render(text, &values).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
`${{inputs.nope}}` has no value: there is no such input or output, or it was given none
`${{inputs.x` opens an expression that is never closed with `}}`
`$[[a` opens an optional group that is never closed with `]]`
`$[[b`: an optional group cannot stand inside another
`${{search.x}}` is not an expression known here; write `inputs.<name>` or `outputs.<name>`
`${{inputs.}}` is not an expression known here; write `inputs.<name>` or `outputs.<name>`
`${{}}` is not an expression known here; write `inputs.<name>` or `outputs.<name>`
"#);
    }

    #[test]
    fn bindings_are_listed() {
        let text = "a ${{inputs.data}} $[[${{inputs.opt}}]] ${{outputs.model}}";
        let found: Vec<String> = bindings(text)
            .unwrap()
            .iter()
            .map(|(b, optional)| format!("{b} {optional}"))
            .collect();
        assert_eq!(
            found,
            [
                "inputs.data false",
                "inputs.opt true",
                "outputs.model false"
            ]
        );
        assert_eq!(
            sole_binding(" ${{ inputs.data }} "),
            Some(Binding::Input("data"))
        );
        assert_eq!(sole_binding("a ${{inputs.data}}"), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(\\$\\{\\{|\\}\\}|\\$\\[\\[|\\]\\]|\\]|inputs\\.|outputs\\.|data|é|[ a-z.$]){0,30}") {
            let _ = bindings(&text);
            let _ = render(&text, &values);
        }

        #[test]
        fn text_without_marks_is_unchanged(text in "[^$]{0,80}") {
            prop_assert_eq!(render(&text, &values).unwrap(), text);
        }
    }
}
