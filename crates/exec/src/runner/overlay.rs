//! The job's own thin layer over a shared environment.
//!
//! Environments are shared by all jobs, and jobs do run `pip install`. So a job gets a virtual environment of its own, five small
//! files that look into the shared one: what it installs lands in its own directory and disappears with it. Console scripts of the
//! shared environment stay reachable, behind the job's own, and see the shared packages only.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use lazuli_core::environment_resolver::ResolvedEnvironment;

/// Makes the layer; answers its root.
pub(super) fn create(at: &Path, environment: &ResolvedEnvironment) -> io::Result<PathBuf> {
    let interpreter = environment.python.canonicalize()?;
    let minor: Vec<&str> = environment.python_version.split('.').take(2).collect();
    let packages = format!("lib/python{}/site-packages", minor.join("."));
    let own = at.join(&packages);
    fs::create_dir_all(&own)?;
    let bin = at.join("bin");
    fs::create_dir_all(&bin)?;
    let home = interpreter.parent().unwrap_or(Path::new("/usr/bin"));
    let config = format!(
        "home = {}\ninclude-system-site-packages = false\nversion = {}\n",
        home.display(),
        environment.python_version
    );
    fs::write(at.join("pyvenv.cfg"), config)?;
    // `addsitedir` and not a bare path, so that .pth files of the shared environment count too
    let shared = environment.path.join(&packages);
    fs::write(
        own.join("_lazuli_environment.pth"),
        format!(
            "import site; site.addsitedir({:?})\n",
            shared.display().to_string()
        ),
    )?;
    symlink(&interpreter, bin.join("python"))?;
    for name in ["python3".to_owned(), format!("python{}", minor.join("."))] {
        symlink("python", bin.join(name))?;
    }
    for name in ["pip", "pip3"] {
        let script = bin.join(name);
        fs::write(
            &script,
            "#!/bin/sh\nexec \"$(dirname -- \"$0\")/python\" -m pip \"$@\"\n",
        )?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(at.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_sees_the_shared_packages_and_keeps_its_own_to_itself() {
        let home = tempfile::tempdir().unwrap();
        let shared = crate::environments::testing::plant(home.path(), "python").await;
        let minor: Vec<&str> = shared.python_version.split('.').take(2).collect();
        let packages = format!("lib/python{}/site-packages", minor.join("."));
        for name in ["one", "two"] {
            fs::write(
                shared.path.join(&packages).join(format!("{name}.py")),
                "where = 'shared'",
            )
            .unwrap();
        }
        let layer = create(&home.path().join("job"), &shared).unwrap();
        fs::write(layer.join(&packages).join("two.py"), "where = 'own'").unwrap();
        let ask = "import one, two, sys, sysconfig; print(one.where, two.where, sys.prefix, sysconfig.get_path('purelib'))";
        let answer = std::process::Command::new(layer.join("bin/python3"))
            .args(["-c", ask])
            .output()
            .unwrap();
        let expected = format!(
            "shared own {} {}\n",
            layer.display(),
            layer.join(&packages).display()
        );
        assert_eq!(
            String::from_utf8_lossy(&answer.stdout),
            expected,
            "{answer:?}"
        );
    }
}
