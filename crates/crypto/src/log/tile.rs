//! Tiles and entry bundles: the tree and its entries in files (C2SP tlog-tiles).

use std::{
    fmt::{self, Debug, Display},
    str::FromStr,
};

use thiserror::Error;

use super::{
    Hash,
    tree::{MAX_TREE_SIZE, TreeError, stored_index},
};

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// 256 consecutive hashes at one level of tiles, or fewer at the right edge of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// The level of tiles: 0 holds leaves, each hash of the next is a full tile of this.
    pub level: u8,
    /// The position within the level.
    pub index: u64,
    /// How many hashes it holds: 1 to 256.
    pub width: u16,
}

/// 256 consecutive log entries, or fewer at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bundle {
    /// The position.
    pub index: u64,
    /// How many entries it holds: 1 to 256.
    pub width: u16,
}

/// What is served below `tile/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TilePath {
    /// Log entries.
    Bundle(Bundle),
    /// Hashes.
    Tile(Tile),
}

/// The text is not the path of a tile or bundle.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("not the path of a tile")]
pub struct InvalidPath;

/// The bytes are not an entry bundle.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum InvalidBundle {
    /// An entry is longer than its length can say.
    #[error("a log entry has more than 65,535 bytes")]
    TooLong,
    /// It ends within an entry.
    #[error("the entry bundle is cut")]
    Truncated,
}

impl Tile {
    /// The tiles that a tree of `new_size` leaves has and one of `old_size` has not.
    #[must_use]
    pub fn new_tiles(old_size: u64, new_size: u64) -> Vec<Self> {
        let new_size = new_size.min(MAX_TREE_SIZE);
        let tiles = tlog_tiles::Tile::new_tiles(8, old_size.min(new_size), new_size);
        let ours = |tile: tlog_tiles::Tile| {
            let width = u16::try_from(tile.width()).unwrap_or(TILE_WIDTH);
            Self {
                level: tile.level(),
                index: tile.level_index(),
                width,
            }
        };
        tiles.into_iter().map(ours).collect()
    }

    /// Whether a tree of `size` leaves has all its hashes.
    #[must_use]
    pub fn is_within(&self, size: u64) -> bool {
        let nodes = size.checked_shr(u32::from(self.level) * 8).unwrap_or(0);
        let end = self
            .index
            .saturating_mul(TILE_WIDTH.into())
            .saturating_add(self.width.into());
        (1..=TILE_WIDTH).contains(&self.width) && end <= nodes
    }

    /// Where its hashes are stored; see [`super::tree`].
    ///
    /// # Errors
    /// When no tree has such a tile.
    pub fn stored_indexes(&self) -> Result<Vec<u64>, InvalidPath> {
        let level = self.level.checked_mul(8).ok_or(InvalidPath)?;
        let start = self
            .index
            .checked_mul(TILE_WIDTH.into())
            .ok_or(InvalidPath)?;
        let at = |offset| {
            start
                .checked_add(offset)
                .and_then(|n| stored_index(level, n))
        };
        (0..u64::from(self.width))
            .map(|offset| at(offset).ok_or(InvalidPath))
            .collect()
    }

    /// The bytes of the tile: its hashes, one after the other.
    ///
    /// # Errors
    /// When no tree has such a tile, or the store fails or lacks hashes.
    pub fn read<E: Debug + Display>(
        &self,
        mut read: impl FnMut(&[u64]) -> Result<Vec<Hash>, E>,
    ) -> Result<Vec<u8>, TreeError<E>> {
        let indexes = self
            .stored_indexes()
            .map_err(|InvalidPath| TreeError::Range {
                size: MAX_TREE_SIZE,
                index: self.index,
            })?;
        let hashes = read(&indexes).map_err(TreeError::Read)?;
        if hashes.len() != indexes.len() {
            return Err(TreeError::Inconsistent);
        }
        Ok(hashes.iter().flat_map(|hash| hash.0).collect())
    }
}

impl Bundle {
    /// The bundles that a log of `new_size` entries has and one of `old_size` has not.
    #[must_use]
    pub fn new_bundles(old_size: u64, new_size: u64) -> Vec<Self> {
        let tiles = Tile::new_tiles(old_size, new_size)
            .into_iter()
            .filter(|tile| tile.level == 0);
        tiles
            .map(|tile| Self {
                index: tile.index,
                width: tile.width,
            })
            .collect()
    }

    /// The index of its first entry in the log.
    #[must_use]
    pub const fn first_entry(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH as u64)
    }

    /// Whether a log of `size` entries has all its entries.
    #[must_use]
    pub fn is_within(&self, size: u64) -> bool {
        Tile {
            level: 0,
            index: self.index,
            width: self.width,
        }
        .is_within(size)
    }

    /// The bytes of a bundle: each entry after its length, two bytes, big end first.
    ///
    /// # Errors
    /// When an entry is too long.
    pub fn encode<'a>(
        entries: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<u8>, InvalidBundle> {
        let mut bytes = Vec::new();
        for entry in entries {
            let length = u16::try_from(entry.len()).map_err(|_| InvalidBundle::TooLong)?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        Ok(bytes)
    }

    /// The entries in the bytes of a bundle.
    ///
    /// # Errors
    /// When the bytes end within an entry.
    pub fn decode(mut bytes: &[u8]) -> Result<Vec<&[u8]>, InvalidBundle> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk().ok_or(InvalidBundle::Truncated)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (entry, rest) = rest
                .split_at_checked(length)
                .ok_or(InvalidBundle::Truncated)?;
            entries.push(entry);
            bytes = rest;
        }
        Ok(entries)
    }
}

impl Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match self {
            Self::Bundle(bundle) => (bundle.index, bundle.width),
            Self::Tile(tile) => (tile.index, tile.width),
        };
        match self {
            Self::Bundle(_) => f.write_str("tile/entries/")?,
            Self::Tile(tile) => write!(f, "tile/{}/", tile.level)?,
        }
        let groups = (1..6)
            .rev()
            .map(|group| 1000_u64.pow(group))
            .filter(|unit| index >= *unit);
        for unit in groups {
            write!(f, "x{:03}/", index / unit % 1000)?;
        }
        write!(f, "{:03}", index % 1000)?;
        if width == TILE_WIDTH {
            Ok(())
        } else {
            write!(f, ".p/{width}")
        }
    }
}

impl FromStr for TilePath {
    type Err = InvalidPath;

    /// Reads `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`, in its one canonical form.
    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        if path.len() > MAX_PATH_BYTES {
            return Err(InvalidPath);
        }
        let rest = path.strip_prefix("tile/").ok_or(InvalidPath)?;
        let (kind, rest) = rest.split_once('/').ok_or(InvalidPath)?;
        let (position, width) = match rest.split_once(".p/") {
            Some((position, width)) => (position, width.parse().map_err(|_| InvalidPath)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index = 0_u64;
        for group in position.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            let digits: u64 = digits.parse().map_err(|_| InvalidPath)?;
            index = index.checked_mul(1000).ok_or(InvalidPath)?;
            index = index.checked_add(digits).ok_or(InvalidPath)?;
        }
        let parsed = match kind {
            "entries" => Self::Bundle(Bundle { index, width }),
            level => {
                let level = level
                    .parse()
                    .ok()
                    .filter(|level| *level < 64)
                    .ok_or(InvalidPath)?;
                Self::Tile(Tile {
                    level,
                    index,
                    width,
                })
            }
        };
        // Whatever is written in any other way than ours does not come back as it was.
        let canonical = (1..=TILE_WIDTH).contains(&width) && parsed.to_string() == path;
        if canonical {
            Ok(parsed)
        } else {
            Err(InvalidPath)
        }
    }
}

const MAX_PATH_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |level, index, width| {
            TilePath::Tile(Tile {
                level,
                index,
                width,
            })
        };
        let bundle = |index, width| TilePath::Bundle(Bundle { index, width });
        for (path, text) in [
            (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (tile(2, 0, 1), "tile/2/000.p/1"),
            (tile(0, 273, 112), "tile/0/273.p/112"),
            (bundle(1000, 256), "tile/entries/x001/000"),
            (bundle(1_000_000, 7), "tile/entries/x001/x000/000.p/7"),
        ] {
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse(), Ok(path));
        }
        for text in [
            "tile/0/0",
            "tile/0/x000/001",
            "tile/00/000",
            "tile/64/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/001/000",
            "tile/data/000",
            "tile/0/../../etc/passwd",
            "tile/0/+01",
            "entries/000",
        ] {
            assert_eq!(text.parse::<TilePath>(), Err(InvalidPath), "{text}");
        }
    }

    #[test]
    fn a_tree_of_70000_has_the_tiles_of_the_specification() {
        let tiles = Tile::new_tiles(0, 70_000);
        let count = |level| tiles.iter().filter(|tile| tile.level == level).count();
        assert_eq!((count(0), count(1), count(2)), (274, 2, 1));
        assert!(tiles.contains(&Tile {
            level: 0,
            index: 273,
            width: 112
        }));
        assert!(tiles.contains(&Tile {
            level: 1,
            index: 1,
            width: 17
        }));
        assert!(tiles.contains(&Tile {
            level: 2,
            index: 0,
            width: 1
        }));
        assert!(tiles.iter().all(|tile| tile.is_within(70_000)));
        assert!(
            !Tile {
                level: 0,
                index: 273,
                width: 113
            }
            .is_within(70_000)
        );
        assert!(
            !Tile {
                level: 9,
                index: 0,
                width: 1
            }
            .is_within(70_000)
        );
        assert_eq!(Bundle::new_bundles(69_900, 70_000).len(), 1);
    }

    #[test]
    fn bundles_read_back() {
        let entries: [&[u8]; 3] = [b"one", b"", &[7; 300]];
        let bytes = Bundle::encode(entries).unwrap();
        assert_eq!(Bundle::decode(&bytes).unwrap(), entries);
        assert_eq!(
            Bundle::decode(&bytes[..bytes.len() - 1]),
            Err(InvalidBundle::Truncated)
        );
        assert_eq!(
            Bundle::encode([vec![0; 65_536].as_slice()]),
            Err(InvalidBundle::TooLong)
        );
    }
}
