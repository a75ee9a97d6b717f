//! Comparisons with a trace's assessments. One that was given to a whole session counts for every trace of the session.

use lazuli_spec::filters::Test;
use lazuli_spec::python_json;
use serde_json::json;

use crate::Value;
use crate::sql::Statement;

/// The condition that a trace `t` has a valid assessment of this kind and name that fulfils the test; `scope` says where to
/// look for the other traces of a session.
pub(super) fn condition(
    statement: &mut Statement,
    kind: &str,
    name: &str,
    test: &Test,
    scope: &str,
) -> String {
    let name = statement.bind(name);
    let value = match test {
        Test::Null { .. } => "1 = 1".to_owned(),
        test => value(statement, test),
    };
    let wanted = format!("a.kind = '{kind}' AND a.name = {name} AND a.valid = 1 AND {value}");
    let own =
        format!("EXISTS (SELECT 1 FROM assessments a WHERE a.trace_no = t.trace_no AND {wanted})");
    let of_session = format!(
        "(t.session_id IS NOT NULL AND t.session_id IN (SELECT p.session_id FROM assessments a JOIN traces p ON p.trace_no = a.trace_no \
         WHERE p.{scope} AND p.session_id IS NOT NULL AND {wanted} AND a.session_scoped = 1))"
    );
    match test {
        Test::Null { negated: false } => format!("NOT ({own} OR {of_session})"),
        _ => format!("({own} OR {of_session})"),
    }
}

/// The condition on the value, which is kept as JSON.
fn value(statement: &mut Statement, test: &Test) -> String {
    match test {
        Test::Number(op, number) => {
            let number = statement.bind(Value::Real(*number));
            format!(
                "a.is_numeric = 1 AND a.aggregate_value {} {number}",
                op.as_sql()
            )
        }
        Test::Text { negated, value } => {
            let word = if *negated { "NOT IN" } else { "IN" };
            // as a number or a truth value, or as a text in either way of writing it
            let forms = [
                value.clone(),
                json!(value).to_string(),
                python_json::text(&json!(value)),
            ];
            let forms: Vec<String> = forms.map(|form| statement.bind(form)).into();
            format!("a.value {word} ({})", forms.join(", "))
        }
        test => statement.text_test("a.value", test),
    }
}
