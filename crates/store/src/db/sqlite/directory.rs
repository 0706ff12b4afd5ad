//! The data directory: who may use it, and whether it can hold a database at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::error::StoreError;

/// The lock on a directory, for as long as the server lives. The operating system drops it when the process ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

/// The database file of a directory.
pub(crate) fn database_file(directory: &Path) -> PathBuf {
    directory.join("countersign.db")
}

/// Makes the directory (for this user alone) when it is missing, and takes its lock.
pub(crate) fn claim(directory: &Path) -> Result<DirectoryLock, StoreError> {
    if !directory.is_dir() {
        private(&mut DirBuilder::new())
            .recursive(true)
            .create(directory)
            .map_err(|error| StoreError::from_io(directory, &error))?;
    }
    refuse_network(directory)?;
    let path = directory.join("countersign.lock");
    let file = private_file(OpenOptions::new().create(true).truncate(false).write(true))
        .open(&path)
        .map_err(|error| StoreError::from_io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Locked(directory.display().to_string()));
        }
        Err(TryLockError::Error(error)) => return Err(StoreError::from_io(&path, &error)),
    }
    // The companions of the file (-wal, -shm) take its permissions, so it must be private from the first byte.
    let database = database_file(directory);
    private_file(OpenOptions::new().create(true).truncate(false).write(true))
        .open(&database)
        .map_err(|error| StoreError::from_io(&database, &error))?;
    Ok(DirectoryLock { _file: file })
}

/// File locks and shared memory do not work over a network: two servers would damage the file.
fn refuse_network(directory: &Path) -> Result<(), StoreError> {
    let Ok(path) = fs::canonicalize(directory) else {
        return Ok(());
    };
    // Only Linux has this list; elsewhere the documentation has to do.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    match network_type(&path, &mounts) {
        Some(kind) => Err(StoreError::Unavailable(format!(
            "`{}` is on a network file system ({kind}): use a local disk, or PostgreSQL",
            directory.display()
        ))),
        None => Ok(()),
    }
}

fn network_type<'a>(path: &Path, mounts: &'a str) -> Option<&'a str> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind)
        .filter(|kind| NETWORK.contains(kind))
}

#[cfg(unix)]
fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700)
}

#[cfg(not(unix))]
fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder
}

#[cfg(unix)]
fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

const NETWORK: [&str; 9] = [
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse.sshfs",
    "glusterfs",
    "nfs",
    "nfs4",
    "smb3",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_decides() {
        let mounts = "disk / ext4 rw 0 0\nhost:/x /srv nfs4 rw 0 0\ndisk2 /srv/local ext4 rw 0 0\n";
        assert_eq!(network_type(Path::new("/srv/data"), mounts), Some("nfs4"));
        assert_eq!(network_type(Path::new("/srv/local/data"), mounts), None);
        assert_eq!(network_type(Path::new("/var"), mounts), None);
    }
}
