//! Files as each system exports them.

use super::clock::{date, day_of};
use super::record::{ACCOUNT, Event, Source};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How records stand in a file.
struct Shape {
    name: PathBuf,
    open: &'static str,
    between: &'static str,
    close: &'static str,
}

fn shape(source: Source, day: i64) -> Shape {
    let date = date(day);
    let (path, open, between, close) = match source {
        Source::CloudTrail => {
            let day = date.format("%Y/%m/%d").to_string();
            let file = format!("{ACCOUNT}_CloudTrail_us-east-1_{}T2355Z_k3Jd82hFqLwz0Xty.json.gz", date.format("%Y%m%d"));
            (format!("cloudtrail/AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{day}/{file}"), r#"{"Records":["#, ",", "]}")
        }
        // Blobs of a storage account: a record a line.
        Source::Entra => (format!("entra/y={}/m={}/d={}/PT1H.json", date.format("%Y"), date.format("%m"), date.format("%d")), "", "\n", "\n"),
        Source::GitHub => (format!("github/{}.json.log.gz", date.format("%Y-%m-%d")), "", "\n", "\n"),
        Source::Google => (format!("google/{}.json", date.format("%Y-%m-%d")), r#"{"kind":"admin#reports#activities","items":["#, ",", "]}"),
        Source::Okta => (format!("okta/{}.json", date.format("%Y-%m-%d")), "[", ",", "]"),
    };
    Shape { name: path.into(), open, between, close }
}

/// A file for each day and system that has such events.
pub fn write(events: &[Event], folder: &Path, wanted: impl Fn(&Event) -> bool) -> io::Result<()> {
    let mut files: BTreeMap<(Source, i64), Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|e| wanted(e)) {
        files.entry((event.source, day_of(event.at))).or_default().push(event);
    }
    for ((source, day), events) in files {
        let shape = shape(source, day);
        let path = folder.join(&shape.name);
        fs::create_dir_all(path.parent().expect("a folder"))?;
        let file = BufWriter::new(File::create(&path)?);
        let packed = path.extension().is_some_and(|e| e == "gz");
        let mut out: Box<dyn Write> = if packed { Box::new(GzEncoder::new(file, Compression::new(3))) } else { Box::new(file) };
        out.write_all(shape.open.as_bytes())?;
        for (i, event) in events.iter().enumerate() {
            if i > 0 {
                out.write_all(shape.between.as_bytes())?;
            }
            out.write_all(event.text.as_bytes())?;
        }
        out.write_all(shape.close.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}
