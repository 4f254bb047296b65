//! Files appear whole or not at all: written under a temporary name in the same folder, then renamed. What is no regular file
//! (`/dev/null`, a pipe) is written to as it stands: a rename would put a file in its place.

use crate::diag::UserError;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Bytes that are gathered before they are written; what comes in larger parts is written as it is.
const BUFFER: usize = 1 << 16;

/// Writes a file with what `fill` gives it; readable by its owner alone. An existing file needs `force`.
pub fn write_file(path: &Path, force: bool, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), UserError> {
    let fault = |what: &str, e: &dyn std::fmt::Display| UserError::new(format!("{}: {what}: {e}", path.display()));
    check_free(path, force)?;
    if is_special(path) {
        let special = std::fs::OpenOptions::new().write(true).open(path).map_err(|e| fault("cannot be written", &e))?;
        let mut out = BufWriter::with_capacity(BUFFER, special);
        return fill(&mut out).and_then(|()| out.flush()).map_err(|e| fault("cannot be written", &e));
    }
    // A link stays a link: the file that it points to is the one to overwrite.
    let target = std::fs::canonicalize(path);
    let path = target.as_deref().unwrap_or(path);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(UserError::new(format!("{}: the folder {} does not exist", path.display(), folder.display())).help("create the folder first"));
    }
    let temporary = tempfile::Builder::new().prefix(".auditmill-").tempfile_in(folder).map_err(|e| fault("cannot be written", &e))?;
    {
        let mut out = BufWriter::with_capacity(BUFFER, temporary.as_file());
        fill(&mut out).and_then(|()| out.flush()).map_err(|e| fault("cannot be written", &e))?;
    }
    if force {
        temporary.persist(path).map_err(|e| fault("cannot be put in place", &e.error))?;
    } else {
        temporary.persist_noclobber(path).map_err(|e| fault("cannot be put in place", &e.error))?;
    }
    Ok(())
}

/// Fails early when a file that may not be overwritten is there.
pub fn check_free(path: &Path, force: bool) -> Result<(), UserError> {
    if path.is_dir() {
        return Err(UserError::new(format!("{}: is a folder", path.display())).help("give a file name"));
    }
    if !force && path.exists() && !is_special(path) {
        return Err(UserError::new(format!("{}: the file exists", path.display())).help("give another name, or --force to overwrite it"));
    }
    Ok(())
}

/// Whether the path is there and neither a file nor a folder: a device, a pipe or a socket.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}
