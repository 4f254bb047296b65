//! Databases of addresses in MaxMind's format, opened once and shared by all workers.
//!
//! A file is read into memory: mapping it would be unsafe, since whoever changes the file changes memory under our feet.

use super::net24;
use super::record::{Facts, Holds, Node};
use super::special::{Special, carried, special};
use crate::diag::UserError;
use crate::event::derived::{ANONYMISERS, Derived, KINDS};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use maxminddb::{MaxMindDbError, Reader};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// How the flag that names databases is spelt.
const FLAG: &str = "--geoip";

/// Any number of databases, in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Databases {
    files: Vec<Arc<Database>>,
    /// What tests say of addresses; it goes before every file.
    given: HashMap<IpAddr, Facts>,
    /// What no database tells is simply not there, as in a test, which says all that is known.
    all_told: bool,
    fault: OnceLock<UserError>,
}

/// One database.
#[derive(Debug)]
pub struct Database {
    /// File, as the user named it.
    pub file: String,
    /// What it calls itself, such as `GeoLite2-City`.
    pub database_type: String,
    /// When it was built, UTC microseconds.
    pub built: i64,
    /// Which fields its records have.
    pub holds: Holds,
    reader: Reader<Vec<u8>>,
}

impl Databases {
    /// Opens files, and every `.mmdb` file of folders by name.
    ///
    /// # Errors
    /// Names the file that is not there or is broken.
    pub fn open(paths: &[PathBuf]) -> Result<Databases, UserError> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                let found = mmdb_files(path)?;
                if found.is_empty() {
                    return Err(UserError::new(format!("{}: the folder holds no database", path.display())).help("databases of addresses end in .mmdb"));
                }
                found.iter().try_for_each(|p| Database::open(p).map(|d| files.push(Arc::new(d))))?;
            } else {
                files.push(Arc::new(Database::open(path)?));
            }
        }
        Ok(Databases { files, ..Databases::default() })
    }

    /// What a test says of addresses, in the place of databases that hold every field.
    pub fn of_test(given: HashMap<IpAddr, Facts>) -> Databases {
        let given = given.into_iter().map(|(addr, facts)| (addr.to_canonical(), facts)).collect();
        Databases { given, all_told: true, ..Databases::default() }
    }

    /// The same databases, where what they cannot tell is taken for absent, not for unknown: to show of a single event what was seen.
    pub fn all_told(&self) -> Databases {
        Databases { files: self.files.clone(), given: self.given.clone(), all_told: true, fault: OnceLock::new() }
    }

    /// The databases, in the order in which they are asked.
    pub fn files(&self) -> &[Arc<Database>] {
        &self.files
    }

    /// Whether there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.all_told
    }

    fn any_holds(&self, what: impl Fn(&Holds) -> bool) -> bool {
        self.all_told || self.files.iter().any(|d| what(&d.holds))
    }

    /// Whether a derived field can have a value.
    pub fn can_tell(&self, derived: Derived) -> bool {
        match derived {
            Derived::IpCountry => self.any_holds(|h| h.country),
            Derived::IpCity => self.any_holds(|h| h.city),
            Derived::IpAsn => self.any_holds(|h| h.asn),
            Derived::IpOrg => self.any_holds(|h| h.org),
            Derived::IpLocation => self.any_holds(|h| h.location),
            Derived::IpKind | Derived::IpNet24 | Derived::UserAgentFamily | Derived::TimeHour | Derived::Principal => true,
        }
    }

    /// Whether `ip.kind` can be one of [`ANONYMISERS`].
    pub fn can_tell_anonymisers(&self) -> bool {
        self.any_holds(|h| h.anonymisers)
    }

    /// Why a rule that needs the field cannot be assessed; `None` where it can.
    pub fn lacks(&self, derived: Derived) -> Option<String> {
        (!self.can_tell(derived)).then(|| {
            let what = match derived {
                Derived::IpCountry => "countries",
                Derived::IpCity => "cities",
                Derived::IpAsn => "autonomous systems",
                Derived::IpOrg => "organisations",
                _ => "cities or coordinates",
            };
            self.lack(derived.name(), what)
        })
    }

    /// As [`Databases::lacks`], for the kinds that only a database of anonymisers tells.
    pub fn lacks_anonymisers(&self) -> Option<String> {
        (!self.can_tell_anonymisers()).then(|| self.lack(&format!("ip.kind {}", ANONYMISERS.join(", ")), "anonymisers"))
    }

    fn lack(&self, needs: &str, what: &str) -> String {
        if self.files.is_empty() {
            format!("it needs {needs}: give a database of {what} with {FLAG} FILE.mmdb")
        } else {
            format!("it needs {needs}, and the databases given hold no {what}")
        }
    }

    /// The first fault that a lookup met: the run is to end.
    pub fn fault(&self) -> Option<&UserError> {
        self.fault.get()
    }
}

/// The databases of a folder, and of those in it, by name.
fn mmdb_files(folder: &Path) -> Result<Vec<PathBuf>, UserError> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|e| UserError::new(format!("{}: {e}", folder.display())))?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("mmdb")) {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

/// Nodes up to which every network of a database is looked at, to learn which fields it has.
const FEW_NODES: u32 = 1 << 14;
/// Lookups that tell which fields a larger database has, for each version of addresses.
const PROBES: u32 = 1 << 10;

impl Database {
    /// Opens one file.
    ///
    /// # Errors
    /// Names the file when it cannot be read, is no database, or is broken where it was probed.
    pub fn open(path: &Path) -> Result<Database, UserError> {
        let file = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|e| UserError::new(format!("{file}: {e}")).help(format!("{FLAG} takes .mmdb files and folders of them")))?;
        let reader = Reader::from_source(bytes).map_err(|e| {
            UserError::new(format!("{file}: not a database of addresses: {e}"))
                .help(format!("{FLAG} takes files in MaxMind's format (.mmdb); get the file anew"))
        })?;
        let meta = reader.metadata();
        let seconds = i64::try_from(meta.build_epoch).unwrap_or(0);
        let mut database = Database {
            file,
            database_type: meta.database_type.clone(),
            built: seconds.saturating_mul(crate::event::time::SECOND),
            holds: Holds::of_product(&meta.database_type),
            reader,
        };
        let found = database.probe().map_err(|(addr, e)| database.broken(addr, &e))?;
        database.holds = database.holds.or(found);
        Ok(database)
    }

    fn broken(&self, addr: IpAddr, error: &MaxMindDbError) -> UserError {
        UserError::new(format!("{}: the database is broken: looking up {addr}: {error}", self.file))
            .help(format!("get the file anew, or leave it out of {FLAG}"))
    }

    /// Which fields the records have: of all networks of a small database, of evenly spread ones of a large one.
    fn probe(&self) -> Result<Holds, (IpAddr, MaxMindDbError)> {
        let few = self.reader.metadata().node_count <= FEW_NODES;
        let mut seen = HashMap::<usize, (), RandomState>::default();
        let mut holds = Holds::default();
        let v4 = |bits: u128| IpAddr::V4(Ipv4Addr::from_bits(bits as u32));
        let v6 = |bits: u128| IpAddr::V6(Ipv6Addr::from_bits(bits));
        // Hosts of the Internet: all of version 4, and 2000::/3.
        for (first, last, width) in [(0, u128::from(u32::MAX), 32), (0x2000 << 112, (0x4000 << 112) - 1, 128)] {
            let address = |bits| if width == 32 { v4(bits) } else { v6(bits) };
            if width == 128 && self.reader.metadata().ip_version == 4 {
                continue;
            }
            let step = if few { 1 } else { (last - first) / u128::from(PROBES) };
            let mut at = first;
            for _ in 0..if few { FEW_NODES * 2 } else { PROBES } {
                let addr = address(at);
                let fail = |e| (addr, e);
                let found = self.reader.lookup(addr).map_err(fail)?;
                if let Some(offset) = found.offset()
                    && seen.insert(offset, ()).is_none()
                    && let Some(record) = found.decode::<Node>().map_err(fail)?
                {
                    holds = holds.or(record.holds());
                }
                let network = found.network().map_err(fail)?;
                // An address of version 4 in a tree without such a part has a network of version 6.
                let size = if network.is_ipv4() == (width == 32) { 1u128.checked_shl(width - u32::from(network.prefix())).unwrap_or(u128::MAX) } else { 1 };
                let end = at | (size - 1);
                match end.max(at.saturating_add(step - 1)).checked_add(1) {
                    Some(next) if next <= last => at = next,
                    _ => break,
                }
            }
        }
        Ok(holds)
    }

    /// Offset of the record of an address.
    fn offset(&self, addr: IpAddr) -> Result<Option<usize>, MaxMindDbError> {
        if addr.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Ok(None);
        }
        Ok(self.reader.lookup(addr)?.offset())
    }

    fn record(&self, addr: IpAddr) -> Result<Option<Node>, MaxMindDbError> {
        self.reader.lookup(addr)?.decode()
    }
}

/// Names what was found of an address, within one [`Lookups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactsId(u32);

/// One worker's lookups: each distinct record of a database is decoded once.
pub struct Lookups {
    databases: Arc<Databases>,
    /// By database: the facts of the record at an offset.
    records: Vec<HashMap<usize, u32, RandomState>>,
    /// The facts of several databases together, by the facts of each.
    combined: HashMap<Box<[u32]>, u32, RandomState>,
    facts: Vec<Facts>,
    key: Vec<u32>,
}

/// The special ranges, whose facts stand first, after those of an address of which nothing is known.
const SPECIALS: [Special; 7] =
    [Special::Private, Special::Loopback, Special::LinkLocal, Special::Cgnat, Special::Documentation, Special::Multicast, Special::Reserved];

/// An address of which no database knows.
const UNKNOWN: u32 = 0;

impl Lookups {
    /// Lookups in these databases.
    pub fn new(databases: Arc<Databases>) -> Lookups {
        let special = SPECIALS.iter().map(|s| Facts { kind: s.name(), ..Facts::default() });
        Lookups {
            records: databases.files.iter().map(|_| HashMap::default()).collect(),
            databases,
            combined: HashMap::default(),
            facts: [Facts::default()].into_iter().chain(special).collect(),
            key: Vec::new(),
        }
    }

    /// Looks an address up in every database. A fault ends the run, see [`Databases::fault`]; nothing is then known.
    pub fn look_up(&mut self, addr: IpAddr) -> FactsId {
        if self.databases.all_told
            && let Some(facts) = self.databases.given.get(&addr.to_canonical())
        {
            self.facts.push(facts.clone());
            return FactsId(self.facts.len() as u32 - 1);
        }
        if let Some(special) = special(addr) {
            let place = SPECIALS.iter().position(|s| *s == special).map_or(UNKNOWN, |i| i as u32 + 1);
            return FactsId(place);
        }
        let addr = carried(addr);
        let databases = self.databases.clone();
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for (i, database) in databases.files.iter().enumerate() {
            key.push(self.record(i, database, addr).unwrap_or_else(|e| {
                databases.fault.get_or_init(|| database.broken(addr, &e));
                UNKNOWN
            }));
        }
        let id = match key.as_slice() {
            [] => UNKNOWN,
            [only] => *only,
            several => self.combine(several),
        };
        self.key = key;
        FactsId(id)
    }

    fn record(&mut self, index: usize, database: &Database, addr: IpAddr) -> Result<u32, MaxMindDbError> {
        let Some(offset) = database.offset(addr)? else { return Ok(UNKNOWN) };
        if let Some(&id) = self.records[index].get(&offset) {
            return Ok(id);
        }
        let id = self.facts.len() as u32;
        self.facts.push(database.record(addr)?.map(|r| r.facts()).unwrap_or_default());
        self.records[index].insert(offset, id);
        Ok(id)
    }

    /// The first database that has a field fills it.
    fn combine(&mut self, key: &[u32]) -> u32 {
        if let Some(&id) = self.combined.get(key) {
            return id;
        }
        let mut facts = Facts::default();
        key.iter().for_each(|&part| facts.fill_from(&self.facts[part as usize]));
        let id = self.facts.len() as u32;
        self.facts.push(facts);
        self.combined.insert(key.into(), id);
        id
    }

    /// What was found.
    pub fn facts(&self, id: FactsId) -> &Facts {
        &self.facts[id.0 as usize]
    }

    /// A derived field of an address that was looked up.
    pub fn value(&self, derived: Derived, addr: IpAddr, id: FactsId) -> Option<std::borrow::Cow<'_, str>> {
        match derived {
            Derived::IpNet24 => Some(net24(addr).into()),
            _ => self.facts(id).get(derived).map(Into::into),
        }
    }
}

/// The facts that a test gives an address: `country`, `city`, `asn`, `org`, `kind` and `location`, each optional. Without a
/// kind the address is a public one, also in a range for documentation.
///
/// # Errors
/// Says which key or value is not known.
pub fn facts_of_test(given: &BTreeMap<String, String>) -> Result<Facts, String> {
    let mut facts = Facts::default();
    for (key, text) in given {
        let place = match key.as_str() {
            "country" => &mut facts.country,
            "city" => &mut facts.city,
            "asn" => &mut facts.asn,
            "org" => &mut facts.org,
            "location" => &mut facts.location,
            "kind" => {
                facts.kind = KINDS.iter().find(|k| *k == text).ok_or_else(|| format!("`{text}` is not a kind: {}", KINDS.join(", ")))?;
                continue;
            }
            other => return Err(format!("`{other}` is not known of an address: country, city, asn, org, kind, location")),
        };
        *place = Some(text.as_str().into());
    }
    Ok(facts)
}
