//! The index of evidence: which records of the log stand under a term.
//!
//! An entry is the tag of a term (the first eight bytes of a SHA-256 over tenant and term) and a record's place within
//! the stretch of the log that its tile covers. A tile of level 0 covers the 256 records of one full tile of the log and
//! is written with it; sixteen tiles of a level are folded into one of the next, cut into sixteen times as many parts by
//! the first bits of the tags. So every write is at the end of a table, however many records and identities there are,
//! and a search reads a few parts of each level. A tag only leads to a record: whoever searches compares its terms.

use countersign_crypto::{digest, log::tile::TILE_WIDTH};
use countersign_model::{Id, id, time::Timestamp};
use countersign_store::{
    StoreError, Tx,
    evidence::tiles::{self, TermTile, TermTiles},
};

use super::terms::Term;

/// How many records a tile of level 0 covers: one full tile of the log.
pub(crate) const BLOCK: i64 = TILE_WIDTH as i64;

/// How many tiles are folded into one, and into how many times more parts.
const FAN: i64 = 16;
const FAN_BITS: i64 = 4;

/// The highest level, of 65,536 records a tile: a part has some fifteen kilobytes, and a term that all of its records
/// share makes one of 800. A search through a hundred million records then reads 1,500 of them.
const TOP: i64 = 2;

/// Bytes of a tag, of a place, and of both.
const TAG: usize = 8;
const ENTRY: usize = TAG + 4;

/// How many parts of a level are read at once, of a term that few records have.
const PARTS: u32 = 64;

/// How many bytes of parts are read at once, of a term that many have: five of the largest. One part is read in any
/// case.
const AT_ONCE: usize = 4 << 20;

/// What a term is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag([u8; TAG]);

impl Tag {
    pub(crate) fn of(tenant: Id<id::Tenant>, term: &str) -> Self {
        let hash = digest::sha256_of(&[&tenant.bytes(), term.as_bytes()]);
        let mut tag = [0; TAG];
        tag.copy_from_slice(hash.split_at(TAG).0);
        Self(tag)
    }

    /// The part of a level that holds it: its first bits.
    fn part(self, level: i64) -> i64 {
        let bits = level * FAN_BITS;
        let first = i64::from(self.0[0]) << 8 | i64::from(self.0[1]);
        first >> (16 - bits)
    }
}

/// How many records a tile of this level covers.
const fn span(level: i64) -> i64 {
    BLOCK << (level * FAN_BITS)
}

/// The tile of level 0 over the records of a block, each with its place in it.
pub(crate) fn tile(
    generation: i64,
    n: i64,
    times: (Timestamp, Timestamp),
    terms: impl IntoIterator<Item = (u32, Term)>,
) -> TermTile {
    let entries = terms
        .into_iter()
        .map(|(place, (tenant, term))| entry(Tag::of(tenant, &term), place));
    TermTile {
        generation,
        level: 0,
        n,
        part: 0,
        first_at: times.0,
        last_at: times.1,
        entries: sorted(entries.collect()),
    }
}

fn entry(tag: Tag, place: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let (front, back) = entry.split_at_mut(TAG);
    front.copy_from_slice(&tag.0);
    back.copy_from_slice(&place.to_be_bytes());
    entry
}

fn sorted(mut entries: Vec<[u8; ENTRY]>) -> Vec<u8> {
    entries.sort_unstable();
    entries.dedup();
    entries.into_flattened()
}

/// The places under a tag, in order.
fn places(entries: &[u8], tag: Tag) -> Vec<i64> {
    let (entries, _) = entries.as_chunks::<ENTRY>();
    let first = entries.partition_point(|entry| entry[..TAG] < tag.0[..]);
    entries
        .iter()
        .skip(first)
        .take_while(|entry| entry[..TAG] == tag.0[..])
        .map(|entry| i64::from(place(entry)))
        .collect()
}

fn place(entry: &[u8; ENTRY]) -> u32 {
    let [.., a, b, c, d] = *entry;
    u32::from_be_bytes([a, b, c, d])
}

/// Folds one part of the oldest sixteen tiles of a level into the next, if there are as many.
///
/// # Errors
/// When the database fails.
pub(crate) fn fold(tx: &mut Tx<'_>, generation: i64) -> Result<(), StoreError> {
    for level in 0..TOP {
        let Some((n, part)) = tiles::oldest(tx, generation, level)? else {
            continue;
        };
        let first = n - n % FAN;
        let children = tiles::of_part(
            tx,
            &TermTiles {
                generation,
                level,
                part,
                before: first + FAN,
                from: Timestamp::from_micros(i64::MIN),
                until: Timestamp::from_micros(i64::MAX),
                limit: u32::try_from(FAN).unwrap_or(u32::MAX),
            },
        )?;
        if i64::try_from(children.len()) != Ok(FAN) {
            continue;
        }
        // Another server may fold the same at this moment: whoever removes the tiles writes what they become.
        if tiles::remove(tx, generation, level, part, first..first + FAN)? != FAN as u64 {
            return Ok(());
        }
        return folded(&children, first)
            .iter()
            .try_for_each(|parent| tiles::put(tx, parent));
    }
    Ok(())
}

/// The sixteen parts that one part of sixteen tiles becomes.
fn folded(children: &[TermTile], first: i64) -> Vec<TermTile> {
    let Some(newest) = children.first() else {
        return Vec::new();
    };
    let level = newest.level + 1;
    let mut parts: Vec<Vec<[u8; ENTRY]>> = vec![Vec::new(); FAN as usize];
    for child in children {
        let shift = u32::try_from((child.n - first) * span(child.level)).unwrap_or(u32::MAX);
        for old in child.entries.as_chunks::<ENTRY>().0 {
            let mut tag = Tag([0; TAG]);
            tag.0.copy_from_slice(old.split_at(TAG).0);
            let within = usize::try_from(tag.part(level) % FAN).unwrap_or_default();
            if let Some(part) = parts.get_mut(within) {
                part.push(entry(tag, place(old).saturating_add(shift)));
            }
        }
    }
    let first_at = children.iter().map(|child| child.first_at).min();
    let last_at = children.iter().map(|child| child.last_at).max();
    (newest.part * FAN..)
        .zip(parts)
        .map(|(part, entries)| TermTile {
            generation: newest.generation,
            level,
            n: first / FAN,
            part,
            first_at: first_at.unwrap_or(newest.first_at),
            last_at: last_at.unwrap_or(newest.last_at),
            entries: sorted(entries),
        })
        .collect()
}

/// How many bytes of the index and of records looking may still read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(crate) const fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    pub(crate) const fn is_spent(self) -> bool {
        self.0 == 0
    }
}

/// How far a walk came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// There are no more places.
    All,
    /// The next places, newest first.
    Places(Vec<i64>),
    /// The budget is spent: what stands at this place or after it was looked at.
    Spent(i64),
}

/// Walks the places under all of these tags, newest first: a level at a time, for the higher ones are older.
pub(crate) struct Walk {
    tags: Vec<Tag>,
    generation: i64,
    from: Timestamp,
    until: Timestamp,
    /// Only places before this.
    before: i64,
    level: i64,
    /// Whether any tile was read: a walk that did not get on would be asked for the same again.
    begun: bool,
}

impl Walk {
    pub(crate) fn new(
        tags: Vec<Tag>,
        generation: i64,
        times: (Timestamp, Timestamp),
        before: i64,
    ) -> Self {
        Self {
            tags,
            generation,
            from: times.0,
            until: times.1,
            before,
            level: 0,
            begun: false,
        }
    }

    /// The next places, newest first, while the budget lasts.
    pub(crate) fn next(
        &mut self,
        tx: &mut Tx<'_>,
        budget: &mut Budget,
    ) -> Result<Walked, StoreError> {
        while self.level <= TOP {
            if self.begun && budget.is_spent() {
                return Ok(Walked::Spent(self.before));
            }
            let (found, lowest) = self.step(tx, budget)?;
            match lowest {
                Some(lowest) => {
                    self.before = self.before.min(lowest);
                    self.begun = true;
                }
                None => self.level += 1,
            }
            if !found.is_empty() {
                return Ok(Walked::Places(found));
            }
        }
        Ok(Walked::All)
    }

    /// Some tiles of this level: the places in them, and where the oldest of them begins.
    fn step(
        &self,
        tx: &mut Tx<'_>,
        budget: &mut Budget,
    ) -> Result<(Vec<i64>, Option<i64>), StoreError> {
        let span = span(self.level);
        let Some((lead, others)) = self.tags.split_first() else {
            return Ok((Vec::new(), None));
        };
        // The tile that holds the last place is read too.
        let before = (self.before + span - 1).div_euclid(span);
        let bytes = AT_ONCE.min(budget.0);
        let led = tiles::newest_of_part(tx, &self.wanted(*lead, before, PARTS), bytes)?;
        let mut found = Vec::new();
        for tile in &led {
            budget.spend(tile.entries.len());
            let mut places = places(&tile.entries, *lead);
            for tag in others {
                if places.is_empty() {
                    break;
                }
                let theirs = tiles::of_part(tx, &self.wanted(*tag, tile.n + 1, 1))?;
                budget.spend(theirs.iter().map(|other| other.entries.len()).sum());
                // Where one part is folded already and the other is not, the records themselves decide.
                let Some(theirs) = theirs.first().filter(|other| other.n == tile.n) else {
                    continue;
                };
                let theirs = self::places(&theirs.entries, *tag);
                places.retain(|place| theirs.binary_search(place).is_ok());
            }
            found.extend(
                places
                    .into_iter()
                    .rev()
                    .map(|place| tile.n * span + place)
                    .filter(|place| *place < self.before),
            );
        }
        Ok((found, led.last().map(|oldest| oldest.n * span)))
    }

    fn wanted(&self, tag: Tag, before: i64, limit: u32) -> TermTiles {
        TermTiles {
            generation: self.generation,
            level: self.level,
            part: tag.part(self.level),
            before,
            from: self.from,
            until: self.until,
            limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use countersign_store::{Store, StoreConfig, WriteMode};

    use super::*;

    /// Tiles of a few records each: what is folded does not ask how full they are.
    const TILES: i64 = 3 * FAN * FAN + 2 * FAN + 3;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::sqlite(directory.path())).unwrap();
        (directory, store)
    }

    /// Terms as a busy system has them: one of every record, some of many, some of one.
    fn terms_of(index: i64) -> Vec<String> {
        let mut terms = vec!["source:one".to_owned(), format!("txn:{index}")];
        terms.push(format!("identity:{}", index % 7));
        terms.push(format!("run:{}", index / 100));
        terms
    }

    fn second(n: i64) -> Timestamp {
        Timestamp::from_seconds(1_000 + n)
    }

    fn walk(store: &Store, terms: &[&str], times: (Timestamp, Timestamp), before: i64) -> Vec<i64> {
        let tags = terms
            .iter()
            .map(|term| Tag::of(Id::from_bytes([1; 16]), term));
        let tags: Vec<_> = tags.collect();
        let found = store.read(move |tx| {
            let mut walk = Walk::new(tags.clone(), 1, times, before);
            let (mut all, mut budget) = (Vec::new(), Budget::new(usize::MAX));
            while let Walked::Places(places) = walk.next(tx, &mut budget)? {
                all.extend(places);
            }
            Ok::<_, StoreError>(all)
        });
        found.wait().unwrap()
    }

    #[test]
    fn what_stands_under_a_term_is_found_newest_first_however_far_it_is_folded() {
        let (_directory, store) = store();
        let tenant = Id::from_bytes([1; 16]);
        let always = (
            Timestamp::from_micros(i64::MIN),
            Timestamp::from_micros(i64::MAX),
        );
        let mut under: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut size = 0;
        for n in 0..TILES {
            let mut found = Vec::new();
            for place in [0, 1, 200, 255] {
                let index = n * BLOCK + place;
                for term in terms_of(index) {
                    under.entry(term.clone()).or_default().push(index);
                    found.push((u32::try_from(place).unwrap(), (tenant, term)));
                }
            }
            let tile = tile(1, n, (second(n), second(n)), found);
            let folds = store.write(WriteMode::Housekeeping, move |tx| {
                tiles::put(tx, &tile)?;
                // Less often than it could be, so that it is halfway through all the while.
                if n % 5 < 4 { fold(tx, 1) } else { Ok(()) }
            });
            folds.wait().unwrap();
            size = (n + 1) * BLOCK;
            if n % 97 == 0 || n + 1 == TILES {
                for term in ["source:one", "identity:3", "txn:512", "run:4"] {
                    let mut expected = under.get(term).cloned().unwrap_or_default();
                    expected.reverse();
                    assert_eq!(
                        walk(&store, &[term], always, size),
                        expected,
                        "{term} at {n}"
                    );
                }
            }
        }
        let levels: Vec<_> = (0..=TOP)
            .map(|level| {
                store
                    .read(move |tx| tiles::oldest(tx, 1, level))
                    .wait()
                    .unwrap()
            })
            .collect();
        assert!(levels.iter().all(Option::is_some), "{levels:?}");

        let both = walk(&store, &["identity:3", "source:one"], always, size);
        assert_eq!(both, walk(&store, &["identity:3"], always, size));
        let middle = size / 2;
        let mut older = under.get("identity:3").cloned().unwrap_or_default();
        older.retain(|index| *index < middle);
        older.reverse();
        assert_eq!(walk(&store, &["identity:3"], always, middle), older);
        let since = walk(&store, &["identity:3"], (second(TILES - 2), always.1), size);
        assert!(since.iter().all(|index| *index >= (TILES - 2) * BLOCK) && !since.is_empty());
        assert!(walk(&store, &["identity:8"], always, size).is_empty());
    }

    #[test]
    fn the_same_term_of_another_tenant_has_another_tag() {
        let tag = |tenant: u8| Tag::of(Id::from_bytes([tenant; 16]), "identity:1");
        assert_ne!(tag(1), tag(2));
        assert_eq!(tag(1).part(0), 0);
        assert_eq!(tag(1).part(1), i64::from(tag(1).0[0] >> 4));
        assert_eq!(tag(1).part(2), i64::from(tag(1).0[0]));
    }
}
