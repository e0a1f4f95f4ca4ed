//! The records that have passed, by their hashes, so that those that come again are left out.
//!
//! Memory is bounded: what is too much goes into a private database on disk, in order, and a filter in memory spares
//! most of the looks at it.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use crate::error::{Code, Error, Result};

/// Bytes that a hash takes in a hash set, about: 16 at up to 7 of 8 places, and twice as many places while it grows.
const BYTES_PER_HASH: usize = 48;

/// Bits of the filter that are looked at for one hash.
const LOOKS: usize = 4;

/// The hashes of all records that have passed.
pub struct Known {
    /// The latest.
    recent: HashSet<u128>,
    /// How many of them are held at most.
    most: usize,
    /// All others, if there are more.
    older: Option<Older>,
}

/// Hashes on disk.
struct Older {
    database: Connection,
    /// A bit for each of a few parts of a hash: a hash is only there if all of them are set.
    filter: Vec<u64>,
}

impl Known {
    /// Nothing has passed yet; `memory` bytes may be taken, about half of them for the filter once there is one.
    #[must_use]
    pub fn new(memory: usize) -> Self {
        Known {
            recent: HashSet::new(),
            most: (memory / 2 / BYTES_PER_HASH).max(1),
            older: None,
        }
    }

    /// Takes a hash; whether it is new.
    ///
    /// # Errors
    /// When the disk does not take what is too much for memory.
    pub fn is_new(&mut self, hash: u128) -> Result<bool> {
        if self.recent.contains(&hash) {
            return Ok(false);
        }
        if let Some(older) = &self.older
            && older.holds(hash).map_err(|e| unkept(&e))?
        {
            return Ok(false);
        }
        if self.recent.len() >= self.most {
            self.spill().map_err(|e| unkept(&e))?;
        }
        self.recent.insert(hash);
        Ok(true)
    }

    /// Moves all that is in memory to the disk.
    fn spill(&mut self) -> rusqlite::Result<()> {
        let older = match &mut self.older {
            Some(older) => older,
            None => {
                let words = (self.most * BYTES_PER_HASH / 8).next_power_of_two();
                self.older.insert(Older::new(words)?)
            }
        };
        let mut hashes: Vec<u128> = self.recent.drain().collect();
        // In the order of the table, so that its pages are written one after another.
        hashes.sort_unstable_by_key(|hash| hash.to_be_bytes());
        older.add(&hashes)
    }
}

impl Older {
    fn new(words: usize) -> rusqlite::Result<Self> {
        // A database without a name is a file that nobody else sees, and that is gone with its connection.
        let database = Connection::open("")?;
        database.execute_batch(
            "pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -16384;
             create table known (hash blob primary key) without rowid;",
        )?;
        Ok(Older {
            database,
            filter: vec![0; words],
        })
    }

    fn add(&mut self, hashes: &[u128]) -> rusqlite::Result<()> {
        let transaction = self.database.transaction()?;
        {
            let mut insert = transaction.prepare_cached("insert into known values (?)")?;
            for hash in hashes {
                insert.execute(params![hash.to_be_bytes()])?;
            }
        }
        transaction.commit()?;
        for hash in hashes {
            for (word, bit) in places(*hash, self.filter.len()) {
                self.filter[word] |= bit;
            }
        }
        Ok(())
    }

    fn holds(&self, hash: u128) -> rusqlite::Result<bool> {
        if places(hash, self.filter.len()).any(|(word, bit)| self.filter[word] & bit == 0) {
            return Ok(false);
        }
        let mut find = self
            .database
            .prepare_cached("select 1 from known where hash = ?")?;
        find.exists(params![hash.to_be_bytes()])
    }
}

/// The bits of a filter of so many words, a power of two, that stand for a hash: parts of it, since it is even already.
fn places(hash: u128, words: usize) -> impl Iterator<Item = (usize, u64)> {
    (0..LOOKS).map(move |look| {
        let part = (hash >> (look * 32)) as u32 as usize;
        let bit = (hash >> (look * 32 + 26)) as u32 & 63;
        (part & (words - 1), 1 << bit)
    })
}

#[cold]
fn unkept(cause: &rusqlite::Error) -> Error {
    Error::new(
        Code::Spill,
        format!("what `--dedupe` has to remember cannot be kept on disk: {cause}"),
    )
    .help("make room in the folder for temporary files, or name another with SQLITE_TMPDIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_another_and_nothing_passes_twice() {
        let hash = |i: u64| {
            let bytes = *blake3::hash(&i.to_le_bytes()).as_bytes();
            u128::from_le_bytes(bytes[..16].try_into().expect("16 bytes"))
        };
        for most in [1, 7, 1_000, 100_000] {
            let mut known = Known::new(most * BYTES_PER_HASH * 2);
            let records = 5_000;
            for i in 0..records {
                assert!(known.is_new(hash(i)).expect("room"), "{i} is new");
                assert!(!known.is_new(hash(i / 2)).expect("room"), "{i} / 2 is not");
            }
            assert_eq!(known.older.is_some(), most < 5_000);
            assert!(known.recent.len() <= most);
        }
    }
}
