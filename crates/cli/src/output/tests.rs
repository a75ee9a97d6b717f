//! Every format, on the shapes commands print.

use serde_json::json;

use super::*;

fn jobs() -> Vec<Value> {
    vec![
        json!({"name": "a1", "status": "Completed", "created_at": "2026-11-23T02:19:00.5Z", "ended_at": "2026-11-23T02:20:15Z", "size": 1536}),
        json!({"name": "b2", "status": null, "created_at": "2026-11-23T03:00:00Z", "tags": {"team": "x"}}),
    ]
}

const COLUMNS: &[Column] = &[
    Column::text("Name", "name"),
    Column::text("Status", "status"),
    Column::time("Created", "created_at"),
    Column::span("Took", "created_at>ended_at"),
    Column::size("Size", "size"),
];

#[test]
fn a_list_is_a_table_of_chosen_columns() {
    insta::assert_snapshot!(table::render(&jobs(), COLUMNS), @r"
    Name  Status     Created              Took    Size
    a1    Completed  2026-11-23 02:19:00  1m 14s  1.5 KiB
    b2               2026-11-23 03:00:00
    ");
}

#[test]
fn an_object_shows_its_fields_and_leaves_out_empty_ones() {
    let object = json!({"name": "a1", "description": null, "tags": {"team": "x"}, "created_at": "2026-11-23T02:19:00.5Z",
        "outputs": [{"name": "model", "type": "uri_folder"}], "command": "echo 1\necho 2"});
    insta::assert_snapshot!(render(&object, Format::Table).unwrap(), @r"
    name        a1
    tags:
      team  x
    created_at  2026-11-23 02:19:00
    outputs:
      - name=model type=uri_folder
    command:
      echo 1
      echo 2
    ");
}

#[test]
fn tsv_is_what_shells_read() {
    let query = |text: &str| {
        Query::parse(text)
            .unwrap()
            .apply(&Value::Array(jobs()))
            .unwrap()
    };
    assert_eq!(render(&query("[].name"), Format::Tsv).unwrap(), "a1\nb2\n");
    assert_eq!(
        render(&query("[].[name, status]"), Format::Tsv).unwrap(),
        "a1\tCompleted\nb2\t\n"
    );
    assert_eq!(render(&query("[0].name"), Format::Tsv).unwrap(), "a1\n");
    assert_eq!(render(&query("length(@)"), Format::Tsv).unwrap(), "2\n");
}

#[test]
fn a_query_result_finds_its_own_columns() {
    let query = Query::parse("[].{name: name, state: status}").unwrap();
    let value = query.apply(&Value::Array(jobs())).unwrap();
    insta::assert_snapshot!(render(&value, Format::Table).unwrap(), @r"
    Name  State
    a1    Completed
    b2
    ");
}

#[test]
fn yaml_and_json_hold_the_whole_object() {
    let value = json!({"name": "a1", "count": 1, "tags": {"yes": "no"}});
    assert_eq!(
        serde_json::from_str::<Value>(&render(&value, Format::Json).unwrap()).unwrap(),
        value
    );
    insta::assert_snapshot!(render(&value, Format::Yaml).unwrap(), @r#"
    name: a1
    count: 1
    tags:
      "yes": "no"
    "#);
}

#[test]
fn a_bad_query_is_a_usage_error_that_names_the_column() {
    let error = Printer::new(None, Some("[].")).unwrap_err();
    assert_eq!(error.exit, crate::error::Exit::Usage);
    assert!(
        error.message.starts_with("`--query [].` is not JMESPath:")
            && error.message.ends_with("(column 4)"),
        "{}",
        error.message
    );
}

#[test]
fn query_alone_means_json() {
    assert_eq!(
        Printer::new(None, Some("name")).unwrap().format,
        Format::Json
    );
    assert_eq!(
        Printer::new(Some(Format::Tsv), Some("name"))
            .unwrap()
            .format,
        Format::Tsv
    );
    assert_eq!(Printer::new(None, None).unwrap().format, Format::Table);
}
