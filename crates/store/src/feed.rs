//! Following rows in the order of their commits, on a database where that is not the order of their numbers.
//!
//! On PostgreSQL a row carries the id of its transaction (`xid`). A number drawn early can become visible late, so a
//! reader that remembered only the highest number would miss it. There are two ways to follow:
//!
//! - *Strictly* (the sequencer): only rows whose transaction is below the lowest one still open, in the order
//!   `(xid, seq)`. Each row comes once; an open transaction delays everything behind it.
//! - *Eagerly* (caches, revocations): all visible rows; then read again from the lowest transaction that was open.
//!   A row can come more than once, so applying must be idempotent; an open transaction delays nothing.
//!
//! On SQLite every committed row is final and both are the same.

use crate::{db::Tx, error::StoreError, sql::Sql};

/// Where an eager follower stands. Keep it in memory and give it back; its content is the store's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    pub(crate) xid: i64,
    pub(crate) seq: i64,
    /// While a sweep takes several pages: the lowest transaction that was open when it began.
    floor: Option<i64>,
}

/// Rows of a feed, and where to go on.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows, some of them perhaps seen before.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Cursor,
    /// Whether there are more now: ask again at once.
    pub more: bool,
}

impl Cursor {
    /// Before the first row.
    pub const START: Self = Self {
        xid: 0,
        seq: 0,
        floor: None,
    };

    /// The position as text, for a follower that keeps it elsewhere.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "{}.{}.{}",
            self.xid,
            self.seq,
            self.floor
                .map_or_else(String::new, |floor| floor.to_string())
        )
    }

    /// The position of a text that [`Self::to_text`] made.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (xid, seq, floor) = (
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
            parts.next()?,
        );
        let floor = if floor.is_empty() {
            None
        } else {
            Some(floor.parse().ok()?)
        };
        Some(Self { xid, seq, floor })
    }

    /// The page after this cursor, from the rows that were found beyond it.
    pub(crate) fn page<T>(
        self,
        items: Vec<T>,
        last: Option<(i64, i64)>,
        limit: u32,
        lowest_open: i64,
    ) -> Page<T> {
        let floor = self.floor.unwrap_or(lowest_open);
        let more = items.len() >= limit as usize;
        let (xid, seq) = last.unwrap_or((self.xid, self.seq));
        let next = if more {
            Self {
                xid,
                seq,
                floor: Some(floor),
            }
        } else if xid < floor {
            Self {
                xid,
                seq,
                floor: None,
            }
        } else {
            // INVARIANT: numbers begin at 1, so (floor, 0) is before every row of that transaction.
            Self {
                xid: floor,
                seq: 0,
                floor: None,
            }
        };
        Page { items, next, more }
    }

    /// After everything that is committed now; rows of open transactions will still come.
    pub(crate) fn latest(tx: &mut Tx<'_>, newest: &'static Sql) -> Result<Self, StoreError> {
        let lowest_open = tx.lowest_open()?;
        if lowest_open < i64::MAX {
            return Ok(Self {
                xid: lowest_open,
                seq: 0,
                floor: None,
            });
        }
        Ok(Self {
            xid: 0,
            seq: tx.single(newest)?,
            floor: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_of_several_pages_ends_where_the_first_page_saw_an_open_transaction() {
        let first = Cursor::START.page(vec![(); 2], Some((7, 1)), 2, 5);
        assert!(first.more);
        // Meanwhile transaction 5 committed and 9 is the lowest open one; its rows must still come.
        let second = first.next.page(vec![()], Some((8, 4)), 2, 9);
        assert!(!second.more);
        assert_eq!(
            second.next,
            Cursor {
                xid: 5,
                seq: 0,
                floor: None
            }
        );
    }

    #[test]
    fn nothing_is_read_again_when_nothing_was_open() {
        let page = Cursor::START.page(vec![()], Some((0, 17)), 10, i64::MAX);
        assert_eq!(
            page.next,
            Cursor {
                xid: 0,
                seq: 17,
                floor: None
            }
        );
    }
}
