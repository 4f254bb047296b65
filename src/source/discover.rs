//! From paths to inputs: files, folders, globs, zip members and standard input, each once, sorted by name.

use crate::diag::{Reject, UserError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most members of one zip archive that are read.
const MAX_MEMBERS: usize = 100_000;

/// Where an input's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// A member of a zip archive.
    ZipMember(PathBuf, usize),
    /// Standard input.
    Stdin,
    /// Bytes at hand.
    Bytes(std::sync::Arc<Vec<u8>>),
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Name in every output: relative to the path that was given, never a machine's path.
    pub name: String,
    /// Where the bytes come from.
    pub origin: Origin,
    /// The user named the file itself: it must hold events.
    pub named: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Discovered {
    /// Inputs, sorted by name.
    pub inputs: Vec<Input>,
    /// What could not be opened or listed.
    pub rejects: Vec<Reject>,
}

/// Expands the paths of a command line. A path that does not exist is the user's error; an empty folder too.
pub fn discover(paths: &[String]) -> Result<Discovered, UserError> {
    let mut found: BTreeMap<PathBuf, (Vec<String>, bool)> = BTreeMap::new();
    let mut out = Discovered::default();
    let mut stdin = false;
    for path in paths {
        if path == "-" {
            stdin = true;
            continue;
        }
        let before = found.len();
        let direct = Path::new(path);
        if direct.exists() {
            add(direct, true, &mut found, &mut out.rejects);
            if direct.is_dir()
                && found.len() == before
                && out.rejects.is_empty()
                && !found.keys().any(|f| f.starts_with(direct.canonicalize().unwrap_or_default()))
            {
                return Err(UserError::new(format!("{path}: the folder is empty")).help("give a folder that holds exported logs"));
            }
        } else if path.contains(['*', '?', '[']) {
            let matches = glob::glob(path).map_err(|e| UserError::new(format!("{path}: {e}")))?;
            let mut any = false;
            for m in matches.flatten() {
                any = true;
                add(&m, m.is_file(), &mut found, &mut out.rejects);
            }
            if !any {
                return Err(UserError::new(format!("{path}: no file matches")).help("quote the pattern, and check the folder"));
            }
        } else if std::fs::symlink_metadata(direct).is_ok() {
            out.rejects.push(Reject { file: file_name(direct), record: None, reason: "the link points to a file that does not exist".into() });
        } else {
            let parent = direct.parent().filter(|p| !p.as_os_str().is_empty() && !p.exists());
            let help = match parent {
                Some(p) => format!("the folder {} does not exist", p.display()),
                None => "give a file, a folder, a quoted pattern such as 'logs/*.gz', or - for standard input".into(),
            };
            return Err(UserError::new(format!("{path}: no such file or folder")).help(help));
        }
    }
    for (path, (tails, named)) in found {
        let parts = tails;
        let name = parts.join("/");
        expand(&path, name, named, &mut out);
    }
    if stdin {
        out.inputs.push(Input { name: "-".into(), origin: Origin::Stdin, named: true });
    }
    distinguish(&mut out.inputs);
    out.inputs.sort_by(|a, b| (&a.name, &a.origin).cmp(&(&b.name, &b.origin)));
    Ok(out)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Adds a file, or every file below a folder. A file reached twice keeps its longer name.
fn add(path: &Path, named: bool, found: &mut BTreeMap<PathBuf, (Vec<String>, bool)>, rejects: &mut Vec<Reject>) {
    let mut keep = |file: &Path, parts: Vec<String>, named: bool| {
        let key = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        let entry = found.entry(key).or_insert_with(|| (parts.clone(), named));
        if (parts.len(), &parts) > (entry.0.len(), &entry.0) {
            entry.0 = parts;
        }
        entry.1 |= named;
    };
    if !path.is_dir() {
        return keep(path, vec![file_name(path)], named);
    }
    for entry in walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name() {
        match entry {
            Ok(e) if e.file_type().is_file() => {
                let relative = e.path().strip_prefix(path).unwrap_or(e.path());
                let parts: Vec<String> = relative.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
                keep(e.path(), parts, false);
            }
            Ok(_) => {}
            Err(e) => {
                let file = e.path().and_then(|p| p.strip_prefix(path).ok()).map_or_else(|| path.display().to_string(), |p| p.display().to_string());
                rejects.push(Reject {
                    file,
                    record: None,
                    reason: e.io_error().map_or_else(|| "links form a loop".into(), |io| format!("cannot be read: {}", io.kind())),
                });
            }
        }
    }
}

/// A zip archive stands for its members.
fn expand(path: &Path, name: String, named: bool, out: &mut Discovered) {
    let mut magic = [0u8; 4];
    let is_zip = File::open(path).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && magic == *b"PK\x03\x04";
    if !is_zip {
        out.inputs.push(Input { name, origin: Origin::File(path.to_path_buf()), named });
        return;
    }
    let archive = File::open(path).map_err(|e| e.to_string()).and_then(|f| zip::ZipArchive::new(std::io::BufReader::new(f)).map_err(|e| e.to_string()));
    match archive {
        Err(e) => out.rejects.push(Reject { file: name, record: None, reason: format!("not a readable zip archive: {e}") }),
        Ok(archive) => {
            for i in 0..archive.len().min(MAX_MEMBERS) {
                let member = archive.name_for_index(i).unwrap_or_default().to_owned();
                if !member.ends_with('/') {
                    let clean: String = member.chars().filter(|c| !c.is_control()).collect();
                    out.inputs.push(Input { name: format!("{name}/{clean}"), origin: Origin::ZipMember(path.to_path_buf(), i), named: false });
                }
            }
            if archive.len() > MAX_MEMBERS {
                out.rejects.push(Reject {
                    file: name,
                    record: None,
                    reason: format!("the archive has {} members; the first {MAX_MEMBERS} were read", archive.len()),
                });
            }
        }
    }
}

/// Two inputs of one name (from two folders) get as many parent folders as tell them apart.
fn distinguish(inputs: &mut [Input]) {
    for depth in 1..32 {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for i in inputs.iter() {
            *count.entry(i.name.clone()).or_default() += 1;
        }
        let mut changed = false;
        for input in inputs.iter_mut() {
            let (Origin::File(path) | Origin::ZipMember(path, _)) = &input.origin else { continue };
            if count[&input.name] < 2 {
                continue;
            }
            let parts: Vec<String> = path.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
            let tail = if let Origin::ZipMember(..) = input.origin { parts.len().saturating_sub(1) } else { parts.len() };
            let own = input.name.split('/').count();
            if let Some(parent) = tail.checked_sub(own + 1).and_then(|i| parts.get(i)) {
                input.name = format!("{parent}/{}", input.name);
                changed = true;
            }
        }
        if !changed || depth == 31 {
            return;
        }
    }
}
