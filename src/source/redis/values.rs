//! The values under a path, as lines: a task's JSON on one line, any other text as a JSON string.
//!
//! One round trip brings some values and, where no more than these are known, the next keys: `MGET` and `SCAN` in one
//! pipeline. How many values are asked for follows their size, so that memory stays constant.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read};

use redis::{Connection, Pipeline, cmd, pipe};

use super::Address;
use crate::error::{Code, Error, Result, SourceFault};

/// Keys that the server looks at for each page of them.
const PAGE: usize = 1_000;

/// Bytes of values that are asked for at a time, as far as that can be told beforehand.
const BYTES_AT_ONCE: usize = 4 << 20;

/// Values that are asked for at first, when nothing is known of their size.
const AT_FIRST: usize = 32;

/// Keys that are remembered, so that each is read once although the server may name one again while it moves them: twice
/// as many at most, some 64 MB.
const REMEMBERED: usize = 1 << 19;

/// All values under a path, in the order of the server.
pub struct Values {
    address: Address,
    connection: Connection,
    pattern: Vec<u8>,
    /// Where the server's list goes on; none if it has ended.
    cursor: Option<u64>,
    keys: VecDeque<Vec<u8>>,
    known: Known,
    /// Values to ask for next.
    at_once: usize,
    lines: Vec<u8>,
    /// Bytes of the lines that have been read.
    read: usize,
}

impl Values {
    /// Connects to the server.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn open(address: &Address) -> Result<Values> {
        Ok(Values {
            connection: address.connect()?,
            pattern: pattern(&address.path),
            address: address.clone(),
            cursor: Some(0),
            keys: VecDeque::new(),
            known: Known::default(),
            at_once: AT_FIRST,
            lines: Vec::new(),
            read: 0,
        })
    }

    /// Reads the next values; none are left if there are no lines then.
    fn next(&mut self) -> Result<()> {
        self.lines.clear();
        self.read = 0;
        while self.lines.is_empty() && (self.cursor.is_some() || !self.keys.is_empty()) {
            let count = self.keys.len().min(self.at_once);
            let keys: Vec<_> = self.keys.drain(..count).collect();
            let cursor = self.cursor.filter(|_| self.keys.len() < PAGE);
            let mut asked = pipe();
            if !keys.is_empty() {
                asked.cmd("MGET").arg(&keys);
            }
            if let Some(cursor) = cursor {
                let scan = asked.cmd("SCAN").arg(cursor);
                scan.arg("MATCH").arg(&self.pattern).arg("COUNT").arg(PAGE);
            }
            let (values, page) = self
                .ask(&asked, !keys.is_empty(), cursor.is_some())
                .map_err(|e| self.address.error(Code::SourceRead, &e))?;
            self.take(&keys, &values)?;
            if let Some((next, more)) = page {
                self.cursor = Some(next).filter(|next| *next != 0);
                let new = more.into_iter().filter(|key| self.known.is_new(key));
                self.keys.extend(new);
            }
        }
        Ok(())
    }

    fn ask(&mut self, asked: &Pipeline, values: bool, page: bool) -> redis::RedisResult<Answer> {
        let connection = &mut self.connection;
        Ok(match (values, page) {
            (true, true) => {
                let (values, page): (Vec<Option<Vec<u8>>>, Page) = asked.query(connection)?;
                (values, Some(page))
            }
            (true, false) => {
                let (values,): (Vec<Option<Vec<u8>>>,) = asked.query(connection)?;
                (values, None)
            }
            (false, _) => {
                let (page,): (Page,) = asked.query(connection)?;
                (Vec::new(), Some(page))
            }
        })
    }

    fn take(&mut self, keys: &[Vec<u8>], values: &[Option<Vec<u8>>]) -> Result<()> {
        for (key, value) in keys.iter().zip(values) {
            match value {
                Some(value) => line(value, &mut self.lines),
                None => self.not_text(key)?,
            }
        }
        if !keys.is_empty() {
            let each = self.lines.len() / keys.len() + 1;
            // Values may be larger than those before: no more than twice as many are asked for.
            self.at_once = (BYTES_AT_ONCE / each).clamp(1, PAGE).min(2 * self.at_once);
        }
        Ok(())
    }

    /// What there is where there is no text: nothing any more, or what is no task.
    fn not_text(&mut self, key: &[u8]) -> Result<()> {
        let kind: redis::RedisResult<String> = cmd("TYPE").arg(key).query(&mut self.connection);
        let kind = kind.map_err(|e| self.address.error(Code::SourceRead, &e))?;
        if kind == "none" || kind == "string" {
            // It went while the others were read, or came after.
            return Ok(());
        }
        let key = String::from_utf8_lossy(key);
        Err(Error::new(
            Code::SourceRead,
            format!("under the key `{key}` is a {kind}, not the text of a task"),
        )
        .help("give a path that only tasks are under"))
    }
}

type Page = (u64, Vec<Vec<u8>>);

type Answer = (Vec<Option<Vec<u8>>>, Option<Page>);

impl Read for Values {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.lines.len() {
            self.next()
                .map_err(|error| io::Error::other(SourceFault(error.into_fault())))?;
        }
        let read = (&self.lines[self.read..]).read(out)?;
        self.read += read;
        Ok(read)
    }
}

/// Appends a value as a line.
fn line(value: &[u8], out: &mut Vec<u8>) {
    let starts_json = matches!(value.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'));
    let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok();
    match std::str::from_utf8(value) {
        // What looks like JSON and is none is rejected with its place, as any such line.
        Ok(text) if !starts_json && !is_json() => {
            let text = serde_json::Value::from(text).to_string();
            out.extend_from_slice(text.as_bytes());
        }
        // Between the tokens of JSON a space is as good as a line end; in a string neither may stand.
        _ => out.extend(value.iter().map(|byte| match byte {
            b'\n' | b'\r' => b' ',
            byte => *byte,
        })),
    }
    out.push(b'\n');
}

/// The keys that start with a path, as a pattern of Redis.
fn pattern(path: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(path.len() + 1);
    for byte in path.bytes() {
        if b"*?[]^-\\".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

/// The keys that came last, by 128 bits of a cryptographic hash.
#[derive(Default)]
struct Known {
    now: HashSet<u128>,
    before: HashSet<u128>,
}

impl Known {
    fn is_new(&mut self, key: &[u8]) -> bool {
        let hash = blake3::hash(key);
        let half = hash.as_bytes().first_chunk();
        let hash = half.map_or(0, |half| u128::from_le_bytes(*half));
        if self.now.len() >= REMEMBERED {
            self.before = std::mem::take(&mut self.now);
        }
        !self.before.contains(&hash) && self.now.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::{line, pattern};

    #[test]
    fn a_value_is_one_line_whatever_it_is() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"{\"a\":\n 1}\r\n", b"{\"a\":  1}  \n"),
            (b"https://h/a.jpg", b"\"https://h/a.jpg\"\n"),
            (
                b"two\nlines \"quoted\"",
                b"\"two\\nlines \\\"quoted\\\"\"\n",
            ),
            (b"12", b"12\n"),
            (b"", b"\"\"\n"),
            (b"\"text\"", b"\"text\"\n"),
            (b"{\"broken\":\n", b"{\"broken\": \n"),
            (b"\xff\n", b"\xff \n"),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            line(value, &mut out);
            assert_eq!(out, expected, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_path_stands_for_itself() {
        assert_eq!(pattern("a*[b]?\\"), b"a\\*\\[b\\]\\?\\\\*");
    }
}
