use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::{Document, nearest};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    limits: Option<Limits>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    numbers: Vec<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    timeout: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    UriFile,
    UriFolder,
}

fn job(text: &str) -> Result<Job, String> {
    Document::parse("job.yml", text)
        .and_then(|document| document.read())
        .map_err(|error| error.to_string())
}

#[test]
fn numbers_asked_for_as_text_stay_as_written() {
    let job = job("$schema: https://x\nversion: 1.10\ncommand: |\n  echo a\n  echo b\ntags: {a: 007, b: true, c: 1e3, d: yes}\nkind: uri_file\n").unwrap();
    assert_eq!(job.version.as_deref(), Some("1.10"));
    assert_eq!(job.command.as_deref(), Some("echo a\necho b\n"));
    assert_eq!(
        job.tags.into_values().collect::<Vec<_>>(),
        ["007", "true", "1e3", "yes"]
    );
    assert_eq!(job.kind, Some(Kind::UriFile));
}

#[test]
fn mistakes_are_placed() {
    let cases = [
        "comand: x",
        "limits:\n  timeout: soon",
        "limits:\n  timout: 5",
        "limits: {}",
        "limits: [1]",
        "kind: uri_fil",
        "tags: {a: [1]}",
        "numbers:\n  - 1\n  - -2",
        "command:\n  a: 1",
        "- 1",
        "just text",
        "",
        "a: 1\na: 2",
        "a: {b",
        "a: [1, 2\nb: 3",
        "wildly_different: 1",
        "a: &x [1]\nb: *y",
    ];
    let told: Vec<String> = cases.iter().map(|text| job(text).unwrap_err()).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
job.yml:1:1: comand: unknown field; did you mean `command`?
job.yml:2:12: limits.timeout: expected a whole number from 0 up, found the text `soon`
job.yml:2:3: limits.timout: unknown field; did you mean `timeout`?
job.yml:1:9: limits.timeout: this field is required and is missing
job.yml:1:9: limits: expected a mapping, found a list
job.yml:1:7: kind: `uri_fil` is not one of `uri_file`, `uri_folder`; did you mean `uri_file`?
job.yml:1:11: tags.a: expected text, found a list
job.yml:3:5: numbers[1]: expected a whole number from 0 up, found the number -2
job.yml:2:3: command: expected text, found a mapping
job.yml:1:1: expected a mapping, found a list
job.yml:1:1: expected a mapping, found the text `just text`
job.yml:1:1: expected a mapping, found nothing
job.yml:2:1: not valid YAML: duplicate mapping key: a
job.yml:1:4: not valid YAML: unclosed bracket '{'
job.yml:2:2: not valid YAML: illegal placement of ':' indicator
job.yml:1:1: wildly_different: unknown field; known fields are `command`, `version`, `limits`, `tags`, `kind`, `numbers`
job.yml:2:4: not valid YAML: alias references unknown anchor
"#);
}

#[test]
fn overrides_are_applied_before_typing() {
    let mut document = Document::parse("job.yml", "command: x\nnumbers: [1, 2]\n").unwrap();
    for assignment in [
        "limits.timeout=60",
        "tags.team=vision",
        "tags.\"a.b\"=c=d",
        "numbers[1]=7",
        "numbers.2=8",
        "command=python a.py --x {{y}",
        "version=1.10",
    ] {
        document.set(assignment).unwrap();
    }
    let job: Job = document.read().unwrap();
    assert_eq!(job.limits.unwrap().timeout, 60);
    assert_eq!(job.numbers, [1, 7, 8]);
    assert_eq!(
        job.tags.into_iter().collect::<Vec<_>>(),
        [
            ("a.b".to_owned(), "c=d".to_owned()),
            ("team".to_owned(), "vision".to_owned())
        ]
    );
    assert_eq!(job.command.as_deref(), Some("python a.py --x {{y}"));
    assert_eq!(job.version.as_deref(), Some("1.10"));
    document.set("limits=null").unwrap();
    assert!(document.read::<Job>().unwrap().limits.is_none());
    for bad in [
        "novalue",
        "=x",
        "a..b=1",
        "numbers[9]=1",
        "numbers.x=1",
        "command[0]=1",
    ] {
        assert!(document.set(bad).is_err(), "{bad}");
    }
}

#[test]
fn faults_point_at_the_field_or_its_parent() {
    let document = Document::parse("job.yml", "inputs:\n  data:\n    path: ./x\n").unwrap();
    assert_eq!(
        document
            .fault("inputs.data.path", "no such file")
            .to_string(),
        "job.yml:3:11: inputs.data.path: no such file"
    );
    assert_eq!(
        document.fault("inputs.data.mode", "is needed").to_string(),
        "job.yml:3:5: inputs.data.mode: is needed"
    );
}

#[test]
fn json_is_read_too() {
    let job =
        job("{\"command\": \"echo \\u00e9\\n\", \"limits\": {\"timeout\": 5}, \"numbers\": [1,2]}")
            .unwrap();
    assert_eq!(job.command.as_deref(), Some("echo é\n"));
    assert_eq!(job.limits.unwrap().timeout, 5);
}

#[test]
fn suggestions_are_near_or_none() {
    assert_eq!(
        nearest("enviroment", ["environment", "command"]),
        Some("environment")
    );
    assert_eq!(nearest("zzz", ["environment", "command"]), None);
}

#[test]
fn deep_and_exploding_documents_are_refused() {
    for depth in [21, 50, 100, 1_000, 100_000] {
        let closed = "[".repeat(depth) + &"]".repeat(depth);
        let object = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        for deep in [
            closed,
            object,
            "[".repeat(depth),
            "- ".repeat(depth) + "a",
            "? ".repeat(depth),
            "!t ".repeat(depth),
        ] {
            assert!(
                Document::parse("x", &deep).is_err(),
                "{depth} of {}",
                &deep[..2]
            );
        }
    }
    assert!(Document::parse("x", &("[".repeat(18) + &"]".repeat(18))).is_ok());
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    assert!(Document::parse("x", bomb).is_err());
    assert!(Document::parse("x", &"a".repeat(super::MAX_BYTES + 1)).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}|[a-c:{}\\[\\]&*!|>'\" \n-]{0,60}", path in "[a-c.\\[\\]0-2\"]{0,8}", value in "\\PC{0,12}") {
        if let Ok(mut document) = Document::parse("x", &text) {
            let _ = document.set(&format!("{path}={value}"));
            let _ = document.at(&path);
            let _ = document.fault(&path, "x").to_string();
            document.remove(&path);
            let _ = document.read::<Job>();
        }
    }
}
