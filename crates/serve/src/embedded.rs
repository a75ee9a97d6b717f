//! The Python worker's source, part of this binary, written beside a deployment before its first process starts.

use std::io;
use std::path::Path;

const FILES: [(&str, &str); 8] = [
    (
        "__init__.py",
        include_str!("../../../python/lazuli_worker/__init__.py"),
    ),
    (
        "__main__.py",
        include_str!("../../../python/lazuli_worker/__main__.py"),
    ),
    (
        "answers.py",
        include_str!("../../../python/lazuli_worker/answers.py"),
    ),
    (
        "frames.py",
        include_str!("../../../python/lazuli_worker/frames.py"),
    ),
    (
        "lifeline.py",
        include_str!("../../../python/lazuli_worker/lifeline.py"),
    ),
    (
        "mlflow_model.py",
        include_str!("../../../python/lazuli_worker/mlflow_model.py"),
    ),
    (
        "rawhttp.py",
        include_str!("../../../python/lazuli_worker/rawhttp.py"),
    ),
    (
        "score_script.py",
        include_str!("../../../python/lazuli_worker/score_script.py"),
    ),
];

/// Starts the package from the folder given as last argument, whatever the interpreter's own paths are.
pub(crate) const START: &str = "import sys; sys.path.insert(0, sys.argv.pop()); from lazuli_worker.__main__ import main; main()";

/// Writes the package `lazuli_worker` into `folder`.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let package = folder.join("lazuli_worker");
    std::fs::create_dir_all(&package)?;
    for (name, text) in FILES {
        std::fs::write(package.join(name), text)?;
    }
    Ok(())
}
