use super::*;

fn request(
    image: Option<&str>,
    conda: Option<&str>,
    requirements: Option<&str>,
) -> EnvironmentRequest {
    EnvironmentRequest {
        image: image.map(Into::into),
        conda_file: conda.map(Into::into),
        requirements: requirements.map(Into::into),
    }
}

fn interpreter() -> Interpreter {
    Interpreter {
        path: "/py/bin/python3.11".into(),
        version: "3.11.7".to_owned(),
    }
}

fn shown(recipe: &Recipe) -> String {
    let lines: Vec<String> = recipe.lines.iter().map(ToString::to_string).collect();
    format!(
        "{} {:?}\n{}\n-- {}",
        recipe.rule,
        recipe.pythons,
        lines.join("\n"),
        recipe.notes.join("\n-- ")
    )
}

#[test]
fn a_curated_image_brings_its_packages() {
    let recipe = Recipe::read(&request(
        Some("AzureML-sklearn-1.5@latest"),
        None,
        Some("lightgbm==4.6.0\nMatplotlib==3.9.0"),
    ))
    .unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    sklearn-1.5 ["3.10", "3.11"]
    pandas~=1.5.3
    numpy>=1.22,<1.27
    scipy>=1.10
    scikit-learn~=1.5.0
    joblib>=1.2
    Matplotlib==3.9.0
    mlflow
    psutil
    tqdm
    lightgbm==4.6.0
    pip
    setuptools<81
    -- 
    "#);
}

#[test]
fn a_conda_file_replaces_what_the_image_brings() {
    let conda = "dependencies: [python=3.8, {pip: [six, setuptools==60.0]}]";
    let recipe = Recipe::read(&request(Some("sklearn-1.5"), Some(conda), None)).unwrap();
    insta::assert_snapshot!(shown(&recipe), @r#"
    sklearn-1.5 ["3.8"]
    six
    setuptools==60.0
    pip
    -- 
    "#);
}

#[test]
fn an_unknown_image_is_refused_unless_packages_are_given() {
    let error = Recipe::read(&request(Some("rocker/r-ver:4"), None, None)).unwrap_err();
    assert!(
        error.message.contains("`rocker/r-ver:4` has no base rule"),
        "{}",
        error.message
    );
    let recipe = Recipe::read(&request(Some("rocker/r-ver:4"), None, Some("six"))).unwrap();
    assert!(recipe.notes[0].contains("was not run"));
}

#[test]
fn the_key_depends_on_what_is_inside_and_on_nothing_else() {
    let key = |image: &str, requirements: &str| {
        Recipe::read(&request(Some(image), None, Some(requirements)))
            .unwrap()
            .key(&interpreter())
    };
    let one = key("python:3.11", "six==1.16.0\ntyping_extensions");
    assert_eq!(
        one,
        key(
            "docker.io/library/python:3.11-slim",
            "# order and spelling do not count\nTyping.Extensions\nsix == 1.16.0"
        )
    );
    assert_ne!(one, key("python:3.11", "six==1.17.0\ntyping_extensions"));
    assert_eq!(one.len(), 32);
    let other = Interpreter {
        version: "3.11.8".to_owned(),
        ..interpreter()
    };
    assert_ne!(
        one,
        Recipe::read(&request(
            Some("python:3.11"),
            None,
            Some("six==1.16.0\ntyping_extensions")
        ))
        .unwrap()
        .key(&other)
    );
}
