use super::*;

fn shown(text: &str) -> String {
    match translate(text) {
        Ok(found) => {
            let lines: Vec<String> = found.lines.iter().map(ToString::to_string).collect();
            format!(
                "python {:?}\n{}\n-- {}",
                found.python,
                lines.join("\n"),
                found.notes.join("\n-- ")
            )
        }
        Err(why) => why,
    }
}

#[test]
fn the_table_of_names_reads() {
    assert!(NAMES.is_some());
}

#[test]
fn a_usual_conda_file_becomes_requirements() {
    insta::assert_snapshot!(shown("
name: model-env
channels: [conda-forge, someone]
dependencies:
  - python=3.8.5
  - numpy=1.21.2
  - pip=21.2.4
  - scikit-learn=0.24.2=py38ha9443f7_0
  - scipy==1.7.1
  - 'pandas>=1.1,<1.2'
  - conda-forge::py-xgboost 1.3
  - mkl
  - pip:
    - inference-schema[numpy-support]==1.3.0
    - joblib==1.0.1   # pinned
    - azureml-defaults
"), @r#"
    python Some("3.8.5")
    numpy==1.21.2.*
    scikit-learn==0.24.2.*
    scipy==1.7.1
    pandas>=1.1,<1.2
    xgboost==1.3
    inference-schema[numpy-support]==1.3.0
    joblib==1.0.1
    azureml-defaults
    -- channel `someone` was not asked: packages come from the package index
    -- build `py38ha9443f7_0` of `scikit-learn=0.24.2=py38ha9443f7_0` was ignored: builds exist only in conda
    -- conda package `mkl` was left out: a numeric library; wheels carry their own
    "#);
}

#[test]
fn conda_only_packages_are_refused_all_at_once() {
    insta::assert_snapshot!(shown("dependencies: [r-base, r-caret=6, python, openjdk=8]"), @"conda file: `r-base` cannot be installed: R packages come only from conda; `r-caret` cannot be installed: R packages come only from conda; `openjdk` cannot be installed: Java comes only from conda; install it on the machine");
}

#[test]
fn mistakes_are_named() {
    for (text, expected) in [
        ("- a", "expected a mapping"),
        ("dependencies: six", "must be a list"),
        ("dependencies: [{npm: [a]}]", "`npm`"),
        ("dependencies: [{pip: six}]", "`pip` must be a list"),
        ("dependencies: ['numpy=1|2']", "alternatives"),
        (
            "dependencies: [{pip: ['-r other.txt']}]",
            "names another file",
        ),
        ("dependencies: [", "conda file"),
    ] {
        let error = translate(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn json_is_read_as_well() {
    let found =
        translate(r#"{"dependencies":["python=3.10",{"pip":["six"]}],"variables":{"A":1}}"#)
            .unwrap();
    assert_eq!(found.python.as_deref(), Some("3.10"));
    assert_eq!(found.lines.len(), 1);
    assert_eq!(found.variables["A"], "1");
}
