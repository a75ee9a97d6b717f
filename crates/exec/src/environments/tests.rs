//! The resolver as a whole, with the real uv where there is one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lazuli_core::environment_resolver::EnvironmentErrorKind;

use super::*;

fn silent(_: &str) {}

fn requirements(image: &str, text: &str) -> EnvironmentRequest {
    EnvironmentRequest {
        image: Some(image.to_owned()),
        conda_file: None,
        requirements: Some(text.to_owned()),
    }
}

/// A resolver in a fresh home, or nothing where uv or the index is missing; `LAZULI_TEST_UV=require` makes that a failure.
async fn resolver() -> Option<(tempfile::TempDir, UvEnvironments)> {
    let home = tempfile::tempdir().unwrap();
    let resolver = UvEnvironments::new(home.path(), PackageIndex::default());
    let probe = resolver.resolve(&requirements("python", ""), &silent).await;
    match probe {
        Ok(_) => Some((home, resolver)),
        Err(error) => {
            assert!(
                std::env::var_os("LAZULI_TEST_UV").is_none(),
                "{error}: {:?}",
                error.log
            );
            eprintln!("skipped, no uv or no index: {error}");
            None
        }
    }
}

#[tokio::test]
async fn an_environment_is_built_once_and_then_found_at_once() {
    let Some((home, resolver)) = resolver().await else {
        return;
    };
    let request = requirements("python", "six==1.16.0");
    let lines = Mutex::new(Vec::new());
    let built = resolver
        .resolve(&request, &|line: &str| {
            lines.lock().unwrap().push(line.to_owned());
        })
        .await
        .unwrap();
    assert!(!built.cached);
    assert!(
        lines
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains("six==1.16.0")),
        "{lines:?}"
    );
    let output = std::process::Command::new(&built.python)
        .args(["-c", "import six, sys; print(six.__version__, sys.prefix)"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        format!("1.16.0 {}", built.path.display())
    );
    // scripts work where the environment now stands
    let pip = std::process::Command::new(built.path.join("bin/pip"))
        .arg("--version")
        .output()
        .unwrap();
    assert!(pip.status.success(), "{pip:?}");

    let mut best = Duration::MAX;
    for _ in 0..5 {
        let again = resolver
            .resolve(&request, &|line: &str| panic!("nothing to say: {line}"))
            .await
            .unwrap();
        assert!(again.cached);
        assert_eq!(
            (again.key, again.path),
            (built.key.clone(), built.path.clone())
        );
        best = best.min(again.took);
    }
    assert!(best < Duration::from_millis(20), "{best:?}");
    let temporary = std::fs::read_dir(home.path().join("environments"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
        .count();
    assert_eq!(temporary, 0);
}

#[tokio::test]
async fn a_missing_package_and_a_conflict_say_so_and_leave_nothing() {
    let Some((home, resolver)) = resolver().await else {
        return;
    };
    let before = std::fs::read_dir(home.path().join("environments"))
        .unwrap()
        .count();
    for (text, expected) in [
        (
            "lazuli-no-such-package-anywhere",
            "lazuli-no-such-package-anywhere was not found",
        ),
        (
            "six==1.16.0\nsix==1.15.0 ; python_version > '3'",
            "six==1.1",
        ),
        ("six==99.0", "six==99.0"),
    ] {
        let error = resolver
            .resolve(&requirements("python", text), &silent)
            .await
            .unwrap_err();
        assert_eq!(error.kind, EnvironmentErrorKind::Unresolvable);
        assert!(error.message.contains(expected), "{}", error.message);
        assert!(!error.log.is_empty());
    }
    let names: Vec<String> = std::fs::read_dir(home.path().join("environments"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let directories = names.iter().filter(|name| !name.starts_with('.')).count();
    assert!(directories <= before, "{names:?}");
}

#[tokio::test]
async fn pins_for_a_missing_interpreter_give_way_and_are_reported() {
    let Some((_home, resolver)) = resolver().await else {
        return;
    };
    // no interpreter has this number, and the release has no wheel and no source for any
    let request = EnvironmentRequest {
        conda_file: Some("dependencies: [python=3.99, {pip: [six==1.999.0]}]".to_owned()),
        ..EnvironmentRequest::default()
    };
    let built = resolver.resolve(&request, &silent).await.unwrap();
    let report = built.relaxations.join("\n");
    assert!(
        report.contains("python 3.99 is not on this machine"),
        "{report}"
    );
    assert!(report.contains("six==1.999.0 was relaxed"), "{report}");
    assert_eq!(
        resolver
            .resolve(&request, &silent)
            .await
            .unwrap()
            .relaxations,
        built.relaxations
    );
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_build() {
    let Some((_home, resolver)) = resolver().await else {
        return;
    };
    let resolver = Arc::new(resolver);
    let calls = (0..4).map(|_| {
        let resolver = Arc::clone(&resolver);
        tokio::spawn(async move {
            resolver
                .resolve(&requirements("python", "six==1.15.0"), &silent)
                .await
                .unwrap()
                .cached
        })
    });
    let cached: Vec<bool> = futures::future::join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        cached.iter().filter(|cached| !**cached).count(),
        1,
        "{cached:?}"
    );
}

#[tokio::test]
async fn a_build_that_was_cut_short_is_swept_and_made_again() {
    let Some((home, resolver)) = resolver().await else {
        return;
    };
    let request = requirements("python", "six==1.14.0");
    let first = resolver.resolve(&request, &silent).await.unwrap();
    std::fs::remove_file(first.path.join(marker::MARKER_FILE)).unwrap();
    let left = home
        .path()
        .join("environments")
        .join(format!(".{}.1.0.tmp", first.key));
    std::fs::create_dir(&left).unwrap();
    let second = resolver.resolve(&request, &silent).await.unwrap();
    assert!(!second.cached);
    assert!(!left.exists());
}

#[test]
fn curated_names_stand_for_requests() {
    let resolver = UvEnvironments::new("/nowhere", PackageIndex::default());
    assert!(
        resolver
            .curated("azureml://registries/azureml/environments/sklearn-1.5/labels/latest")
            .is_some()
    );
    assert!(resolver.curated("AzureML-sklearn-1.5@latest").is_some());
    assert!(resolver.curated("python:3.11").is_none());
    assert!(resolver.curated("my-own").is_none());
    assert!(resolver.curated_names().contains(&"sklearn-1.5".to_owned()));
}

proptest::proptest! {
    /// Whatever is written as a definition is read or refused with words; it never ends the process.
    #[test]
    fn hostile_definitions_are_read_or_refused(
        image in proptest::option::of("[ -~é]{0,40}"),
        conda in proptest::option::of("(dependencies: )?[\\[\\]{}:=,|a-z0-9.* \\n-]{0,60}"),
        requirements in proptest::option::of("[ -~é\\n]{0,80}"),
    ) {
        let request = EnvironmentRequest { image, conda_file: conda, requirements };
        if let Err(error) = Recipe::read(&request) {
            proptest::prop_assert!(!error.message.is_empty());
        }
    }
}
