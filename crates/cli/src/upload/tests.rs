//! The walk and the hash, on real folders.

use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    walk::files(folder.path())
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .collect()
}

#[test]
fn gitignore_is_obeyed_also_outside_a_repository() {
    let folder = folder(&[
        (".gitignore", "*.log\n/build\n"),
        ("train.py", "x"),
        ("a.log", "x"),
        ("build/x", "x"),
        ("src/.gitignore", "secret.txt\n"),
        ("src/secret.txt", "x"),
        ("src/.hidden", "x"),
        (".git/config", "x"),
        ("src/__pycache__/m.pyc", "x"),
    ]);
    assert_eq!(
        names(&folder),
        [".gitignore", "src/.gitignore", "src/.hidden", "train.py"]
    );
}

#[test]
fn amlignore_replaces_gitignore() {
    let folder = folder(&[
        (".gitignore", "*.csv\n"),
        (".amlignore", "*.log\n!keep.log\n"),
        ("d.csv", "x"),
        ("a.log", "x"),
        ("keep.log", "x"),
    ]);
    assert_eq!(
        names(&folder),
        [".amlignore", ".gitignore", "d.csv", "keep.log"]
    );
}

#[test]
fn a_single_file_is_a_tree_of_one() {
    let folder = folder(&[("iris.csv", "a,b\n")]);
    let files = walk::files(&folder.path().join("iris.csv")).unwrap();
    assert_eq!(
        (files.len(), files[0].name.as_str(), files[0].size),
        (1, "iris.csv", 4)
    );
}

#[test]
fn links_are_followed_and_broken_ones_are_named() {
    let folder = folder(&[("real/a.txt", "a")]);
    std::os::unix::fs::symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
    assert_eq!(names(&folder), ["link/a.txt", "real/a.txt"]);
    std::os::unix::fs::symlink("nowhere", folder.path().join("broken")).unwrap();
    assert!(
        walk::files(folder.path())
            .unwrap_err()
            .message
            .contains("broken")
    );
}

#[test]
fn nothing_to_upload_is_said() {
    let folder = folder(&[(".amlignore", "*\n"), ("a", "x")]);
    assert!(
        walk::files(folder.path())
            .unwrap_err()
            .hint
            .unwrap()
            .contains(".amlignore")
    );
    let missing = walk::files(&folder.path().join("nope")).unwrap_err();
    assert!(missing.message.contains("nope"), "{}", missing.message);
}

#[test]
fn a_file_that_grew_is_refused() {
    let folder = folder(&[("a", "four")]);
    let mut file = walk::files(&folder.path().join("a")).unwrap().remove(0);
    let bar = ProgressBar::hidden();
    assert_eq!(hash(&file, &bar).unwrap(), ContentHash::of(b"four"));
    file.size = 3;
    assert!(
        hash(&file, &bar)
            .unwrap_err()
            .message
            .contains("changed while")
    );
}
