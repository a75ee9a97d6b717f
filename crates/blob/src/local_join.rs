//! Joining files of the storage's folder into one, by the kernel's own copying: nothing passes through this process, and file systems
//! that can share blocks copy nothing at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path as FilePath, PathBuf};

use object_store::Result;
use object_store::path::Path;

use crate::local::{generic, look};
use crate::local_small::{at, sync_folder};

/// How often a folder is made again that somebody removed as empty in the meantime.
const ATTEMPTS: u32 = 5;

/// What is to be joined into what.
pub(crate) struct Join {
    pub(crate) root: PathBuf,
    pub(crate) parts: Vec<Path>,
    /// Where it grows; nothing is there yet.
    pub(crate) stage: Path,
    pub(crate) target: Path,
}

/// Refuses a target that leads through a symbolic link, is a folder, or lies below a file.
pub(crate) fn check_target(root: &FilePath, target: &Path) -> Result<()> {
    let obstructed = |kind: ErrorKind| Err(generic(kind.into()));
    match look(root.to_path_buf(), target)? {
        Some(found) if found.is_dir() => return obstructed(ErrorKind::IsADirectory),
        Some(_) => return Ok(()),
        None => {}
    }
    let mut at = root.to_path_buf();
    for part in target.parts() {
        at.push(part.as_ref());
        match fs::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return obstructed(ErrorKind::NotADirectory),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(generic(error)),
        }
    }
    Ok(())
}

impl Join {
    /// Makes the target of the parts; it is there whole, and on the disk, or not at all.
    pub(crate) fn run(&self) -> Result<()> {
        check_target(&self.root, &self.target)?;
        // the mark of what is unfinished: listings leave it out, the sweep takes it
        let mut stage = self.at(&self.stage).into_os_string();
        stage.push("#1");
        let stage = PathBuf::from(stage);
        let done = self.copy(&stage).and_then(|()| self.publish(&stage));
        if done.is_err() {
            let _ = fs::remove_file(&stage);
        }
        done.map_err(generic)
    }

    fn at(&self, location: &Path) -> PathBuf {
        at(&self.root, location)
    }

    fn copy(&self, stage: &FilePath) -> io::Result<()> {
        let mut whole = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(stage)?;
        for part in &self.parts {
            io::copy(&mut File::open(self.at(part))?, &mut whole)?;
        }
        whole.sync_all()
    }

    fn publish(&self, stage: &FilePath) -> io::Result<()> {
        let target = self.at(&self.target);
        let folder = target.parent().unwrap_or(&self.root);
        for attempt in 1.. {
            fs::create_dir_all(folder)?;
            match fs::rename(stage, &target) {
                Err(error) if error.kind() == ErrorKind::NotFound && attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        // the folder's own entry may be as new as the file's
        for folder in folder.ancestors() {
            sync_folder(folder)?;
            if folder == self.root {
                break;
            }
        }
        Ok(())
    }
}
