//! No file that people write may grow past what one can read in one go. Prints the largest on the way.

use std::fs;
use std::path::{Path, PathBuf};

/// The ceiling, in lines.
const MOST_LINES: usize = 800;

/// Files that a program writes.
const GENERATED: &[&str] = &["Cargo.lock", "docs/reference/", "crates/store/schema.sql"];

const EXTENSIONS: &[&str] = &[
    "rs", "py", "ts", "tsx", "css", "sql", "sh", "md", "yml", "yaml", "toml",
];

/// Folders that hold no source.
const NOT_SOURCE: &[&str] = &["target", "node_modules", "__pycache__", "dist", "snapshots"];

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && !name.starts_with('.') && !NOT_SOURCE.contains(&name.as_str()) {
            source_files(&entry.path(), found);
        } else if kind.is_file()
            && entry
                .path()
                .extension()
                .is_some_and(|ext| EXTENSIONS.iter().any(|known| ext == *known))
        {
            found.push(entry.path());
        }
    }
}

#[test]
fn files_stay_readable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let mut files = Vec::new();
    source_files(&root, &mut files);
    let mut sizes: Vec<(usize, String)> = files
        .iter()
        .filter_map(|path| {
            let name = path.strip_prefix(&root).ok()?.display().to_string();
            let lines = fs::read_to_string(path).ok()?.lines().count();
            (!GENERATED
                .iter()
                .any(|generated| name.starts_with(generated)))
            .then_some((lines, name))
        })
        .collect();
    sizes.sort_unstable_by(|left, right| right.cmp(left));
    let median = sizes.get(sizes.len() / 2).map_or(0, |(lines, _)| *lines);
    println!("{} files, median {median} lines; the largest:", sizes.len());
    for (lines, name) in sizes.iter().take(10) {
        println!("{lines:6}  {name}");
    }
    let over: Vec<String> = sizes
        .iter()
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, name)| format!("{name}: {lines} lines"))
        .collect();
    assert!(
        over.is_empty(),
        "over {MOST_LINES} lines, split them by topic:\n{}",
        over.join("\n")
    );
}
