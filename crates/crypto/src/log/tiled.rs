//! Reading a tree whose hashes are kept in tiles: what the functions of [`super::tree`] read by.

use tlog_tiles::tlog;

use super::{Hash, leaf::node_hash, tile::TILE_WIDTH};

/// Reads stored hashes out of tiles. `read_tile` gives the hashes of the tile at a level and index,
/// as many as it has. Nothing where a tile lacks a hash.
///
/// # Errors
/// What `read_tile` says.
pub fn read<E>(
    stored_indexes: &[u64],
    mut read_tile: impl FnMut(u8, u64) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, E> {
    let mut found = Vec::with_capacity(stored_indexes.len());
    let mut last: Option<((u8, u64), Vec<Hash>)> = None;
    for index in stored_indexes {
        let (level, n) = tlog::split_stored_hash_index(*index);
        let (tile_level, above) = (level / TILE_LEVELS, level % TILE_LEVELS);
        // The node at `above` levels over the tile's own hashes covers `width` of them.
        let width = 1_usize << above;
        let first = n << above;
        let place = (tile_level, first / u64::from(TILE_WIDTH));
        if last.as_ref().is_none_or(|(known, _)| *known != place) {
            last = Some((place, read_tile(place.0, place.1)?));
        }
        let start = usize::try_from(first % u64::from(TILE_WIDTH)).unwrap_or(usize::MAX);
        let covered = last
            .as_ref()
            .and_then(|(_, hashes)| hashes.get(start..start.checked_add(width)?));
        match covered.and_then(combine) {
            Some(hash) => found.push(hash),
            None => return Ok(found),
        }
    }
    Ok(found)
}

/// The root over a power of two of hashes.
fn combine(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [only] => Some(*only),
        several => {
            let (left, right) = several.split_at_checked(several.len() / 2)?;
            Some(node_hash(combine(left)?, combine(right)?))
        }
    }
}

const TILE_LEVELS: u8 = 8;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::log::{leaf::leaf_hash, tile::Tile, tree};

    #[test]
    fn a_tree_in_tiles_proves_what_a_tree_in_memory_proves() {
        let leaves: Vec<Hash> = (0..1500_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut tiles: HashMap<(u8, u64), Vec<Hash>> = HashMap::new();
        let mut size = 0;
        for batch in leaves.chunks(213) {
            let from_tiles = |indexes: &[u64]| {
                read(indexes, |level, index| {
                    Ok::<_, std::convert::Infallible>(
                        tiles.get(&(level, index)).cloned().unwrap_or_default(),
                    )
                })
            };
            let appended = tree::append(size, batch, from_tiles).unwrap();
            let mut new = HashMap::new();
            for tile in Tile::new_tiles(size, appended.size) {
                let bytes = tile
                    .read(|indexes| {
                        let one = |index: &u64| match index.checked_sub(appended.first_stored_index)
                        {
                            Some(offset) => appended.hashes[usize::try_from(offset).unwrap()],
                            None => from_tiles(&[*index]).unwrap()[0],
                        };
                        Ok::<_, std::convert::Infallible>(indexes.iter().map(one).collect())
                    })
                    .unwrap();
                let hashes = bytes
                    .chunks(32)
                    .map(|chunk| Hash(chunk.try_into().unwrap()))
                    .collect();
                new.insert((tile.level, tile.index), hashes);
            }
            tiles.extend(new);
            size = appended.size;
            let from_tiles = |indexes: &[u64]| {
                read(indexes, |level, index| {
                    Ok::<_, std::convert::Infallible>(
                        tiles.get(&(level, index)).cloned().unwrap_or_default(),
                    )
                })
            };
            let root = tree::root(size, from_tiles).unwrap();
            assert_eq!(root, appended.root);
            for index in [0, size / 3, size - 1] {
                let proof = tree::prove_record(size, index, from_tiles).unwrap();
                let leaf = leaves[usize::try_from(index).unwrap()];
                tree::check_record(&proof, size, root, index, leaf).unwrap();
            }
        }
    }
}
