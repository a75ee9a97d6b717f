//! Where things stand in a job's directory.

use std::io;
use std::path::{Path, PathBuf};

use lazuli_spec::runner::{RESULT_FILE, STD_LOG, SYSTEM_LOG};

/// The directory of one job.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the folders that every job has.
    pub(super) fn create(&self) -> io::Result<()> {
        for folder in [
            self.code(),
            self.inputs(),
            self.outputs(),
            self.root.join("log/user_logs"),
            self.root.join("log/system_logs"),
        ] {
            std::fs::create_dir_all(folder)?;
        }
        // Azure's jobs find these two in their working directory
        std::fs::create_dir_all(self.code().join("outputs"))?;
        std::fs::create_dir_all(self.code().join("logs"))
    }

    /// The whole directory; also the marker of the job's processes.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The job's own copy of its code: the working directory.
    pub(super) fn code(&self) -> PathBuf {
        self.root.join("code")
    }

    /// Inputs that were copied.
    pub(super) fn inputs(&self) -> PathBuf {
        self.root.join("inputs")
    }

    /// Named outputs.
    pub(super) fn outputs(&self) -> PathBuf {
        self.root.join("named-outputs")
    }

    /// The job's layer over its environment.
    pub(super) fn environment(&self) -> PathBuf {
        self.root.join("environment")
    }

    /// The server's certificate authority, for the job's own client.
    pub(super) fn authority(&self) -> PathBuf {
        self.root.join("ca.pem")
    }

    /// What the job said.
    pub(super) fn std_log(&self) -> PathBuf {
        self.root.join("log").join(STD_LOG)
    }

    /// What the runner did.
    pub(super) fn system_log(&self) -> PathBuf {
        self.root.join("log").join(SYSTEM_LOG)
    }

    /// The last report.
    pub(super) fn result(&self) -> PathBuf {
        self.root.join(RESULT_FILE)
    }
}
