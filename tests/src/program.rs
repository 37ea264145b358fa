//! Programs that the tests start and end by handle.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::process::{Child, Command};

/// Starts a program. It is killed when the handle is dropped.
///
/// # Panics
///
/// With `install`, the line that installs it, when the program is missing.
pub fn start(command: &mut Command, install: &str) -> Child {
    let started = command.kill_on_drop(true).spawn();
    let name = command.as_std().get_program().to_string_lossy();
    expect(&name, started, install)
}

/// What a program's start came to.
///
/// # Panics
///
/// With `install`, the line that installs it, when the program is missing.
pub fn expect<T>(name: &str, started: io::Result<T>, install: &str) -> T {
    started.unwrap_or_else(|error| panic!("{name}: {error}\n{install}"))
}

/// A program of this name in `PATH`, or among those for administrators, which are not in everybody's `PATH`.
pub fn find(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file()).unwrap_or_else(|| name.into())
}

/// A folder for the files of one test. It goes away with it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let path = unused_path(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What a program that dies still writes there then stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A path in the folder for what is temporary, another one each time.
pub(crate) fn unused_path(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("buttress-{name}-{}-{count}", process::id()))
}
