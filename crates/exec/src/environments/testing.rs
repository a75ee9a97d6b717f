//! A ready environment without uv, for tests of what comes after it.

use std::os::unix::fs::symlink;
use std::path::Path;

use lazuli_core::environment_resolver::{EnvironmentRequest, ResolvedEnvironment};

use super::interpreters;
use super::marker::{MARKER_FILE, Marker};
use super::recipe::Recipe;

/// Puts an empty environment for `image` where the resolver will find it.
pub(crate) async fn plant(home: &Path, image: &str) -> ResolvedEnvironment {
    let request = EnvironmentRequest {
        image: Some(image.to_owned()),
        ..EnvironmentRequest::default()
    };
    let recipe = Recipe::read(&request).unwrap();
    let found = interpreters::all(&home.join("cache/interpreters.json")).await;
    let choice = recipe.choose(&found).unwrap();
    let key = recipe.key(&choice.interpreter);
    let place = home.join("environments").join(&key);
    let minor: Vec<&str> = choice.interpreter.version.split('.').take(2).collect();
    std::fs::create_dir_all(place.join("bin")).unwrap();
    std::fs::create_dir_all(place.join(format!("lib/python{}/site-packages", minor.join("."))))
        .unwrap();
    symlink(&choice.interpreter.path, place.join("bin/python")).unwrap();
    let marker = Marker {
        key,
        rule: recipe.rule,
        python: choice.interpreter.version,
        requirements: Vec::new(),
        relaxations: vec!["planted".to_owned()],
        variables: std::collections::BTreeMap::new(),
        uv: "0".to_owned(),
        build_millis: 0,
    };
    std::fs::write(
        place.join(MARKER_FILE),
        serde_json::to_vec(&marker).unwrap(),
    )
    .unwrap();
    super::ready(place, marker, true, std::time::Instant::now())
}
