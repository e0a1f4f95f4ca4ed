//! An import, or some of its tasks: what is sent at a time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::body::Body;
use crate::batch::import::{Import, TaskAt};
use crate::batch::limits::Wanted;
use crate::error::{Code, Error, Result};
use crate::place::Place;

/// Bytes around the tasks of an array: its brackets.
const BRACKETS: usize = 2;

/// Some tasks of an import, in order. There is always one.
#[derive(Clone, Debug)]
pub(super) struct Part {
    import: Arc<Whole>,
    /// Which of its tasks, none twice, in order; no range is empty.
    kept: Vec<Range<usize>>,
    /// Where the record of the first task after the part starts, if there is one.
    next: Option<Place>,
}

#[derive(Debug)]
struct Whole {
    body: Bytes,
    tasks: Vec<TaskAt>,
}

impl Whole {
    /// The bytes of some tasks that follow each other, with the commas between them.
    fn bytes(&self, tasks: &Range<usize>) -> Range<usize> {
        let start = tasks
            .start
            .checked_sub(1)
            .map_or(1, |before| self.tasks[before].end + 1);
        start..self.tasks[tasks.end - 1].end
    }
}

impl Part {
    /// All of an import.
    ///
    /// # Errors
    /// When it does not know its tasks one by one.
    pub(super) fn all(import: Import) -> Result<Self> {
        let Import { about, body, tasks } = import;
        match body {
            Body::Memory(body) if tasks.len() == about.tasks && !tasks.is_empty() => Ok(Part {
                kept: std::iter::once(0..tasks.len()).collect(),
                import: Arc::new(Whole {
                    body: Bytes::from(body),
                    tasks,
                }),
                next: about.next,
            }),
            _ => Err(Error::new(
                Code::Internal,
                "a server takes imports that can be divided",
            )),
        }
    }

    /// How many tasks it has.
    pub(super) fn len(&self) -> usize {
        self.kept.iter().map(Range::len).sum()
    }

    /// Where its first task's record starts.
    pub(super) fn first(&self) -> Place {
        self.import.tasks[self.kept[0].start].place
    }

    /// Where its last task's record starts.
    pub(super) fn last(&self) -> Place {
        self.import.tasks[self.kept[self.kept.len() - 1].end - 1].place
    }

    /// Where the record of the first task after it starts, if there is one.
    pub(super) fn next(&self) -> Option<Place> {
        self.next
    }

    /// The array of its tasks. Nothing is copied if it is all of an import.
    pub(super) fn content(&self) -> Bytes {
        if self.len() == self.import.tasks.len() {
            return self.import.body.clone();
        }
        let mut content = Vec::with_capacity(self.bytes());
        for range in &self.kept {
            content.push(if content.is_empty() { b'[' } else { b',' });
            content.extend_from_slice(&self.import.body[self.import.bytes(range)]);
        }
        content.push(b']');
        Bytes::from(content)
    }

    /// The size of its content.
    pub(super) fn bytes(&self) -> usize {
        let tasks: usize = self
            .kept
            .iter()
            .map(|range| self.import.bytes(range).len() + 1)
            .sum();
        tasks - 1 + BRACKETS
    }

    /// A task, counted from 0 in what is sent: where its record starts, and its bytes.
    pub(super) fn task(&self, number: usize) -> Option<(Place, &[u8])> {
        let at = self.position(number)?;
        let bytes = &self.import.body[self.import.bytes(&(at..at + 1))];
        Some((self.import.tasks[at].place, bytes))
    }

    fn position(&self, mut number: usize) -> Option<usize> {
        for range in &self.kept {
            if number < range.len() {
                return Some(range.start + number);
            }
            number -= range.len();
        }
        None
    }

    /// Without some tasks, counted from 0 in what is sent; nothing if none is left.
    pub(super) fn without(&self, numbers: &[usize]) -> Option<Part> {
        let mut gone: Vec<usize> = numbers
            .iter()
            .filter_map(|number| self.position(*number))
            .collect();
        gone.sort_unstable();
        let mut kept = Vec::new();
        for range in &self.kept {
            let mut start = range.start;
            for &at in gone.iter().filter(|at| range.contains(*at)) {
                kept.push(start..at);
                start = at + 1;
            }
            kept.push(start..range.end);
        }
        kept.retain(|range| !range.is_empty());
        (!kept.is_empty()).then(|| Part {
            kept,
            ..self.clone()
        })
    }

    /// Its first `tasks` tasks and the rest; both have at least one, so it must have two.
    fn split_at(self, tasks: usize) -> (Part, Part) {
        let (mut first, mut rest, mut left) = (Vec::new(), Vec::new(), tasks);
        for range in self.kept {
            let middle = range.start + left.min(range.len());
            left -= middle - range.start;
            first.push(range.start..middle);
            rest.push(middle..range.end);
        }
        first.retain(|range| !range.is_empty());
        rest.retain(|range| !range.is_empty());
        let next = self.import.tasks[rest[0].start].place;
        let part = |kept, next| Part {
            import: Arc::clone(&self.import),
            kept,
            next,
        };
        (part(first, Some(next)), part(rest, self.next))
    }

    /// In so many parts of about the same number of tasks each; fewer if it has fewer tasks.
    pub(super) fn divided(self, parts: usize) -> Vec<Part> {
        let (mut rest, mut divided) = (self, Vec::new());
        for left in (2..=parts.min(rest.len())).rev() {
            let tasks = rest.len() / left;
            let (part, others) = rest.split_at(tasks);
            divided.push(part);
            rest = others;
        }
        divided.push(rest);
        divided
    }

    /// Its first `most` tasks, and the rest if there are more.
    pub(super) fn up_to(self, most: usize) -> (Part, Option<Part>) {
        if self.len() <= most {
            return (self, None);
        }
        let (part, rest) = self.split_at(most.max(1));
        (part, Some(rest))
    }

    /// In how many parts it has about what is wanted of each; `slack` times that is about that.
    pub(super) fn parts(&self, wanted: Wanted, slack: f64) -> usize {
        let over = |there: usize, wanted: usize| there as f64 / wanted.max(1) as f64;
        let times = over(self.len(), wanted.tasks).max(over(self.bytes(), wanted.bytes));
        if times <= slack {
            1
        } else {
            times.ceil() as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::import::{About, Digest};
    use crate::place::{At, SourceId};

    fn place(record: u64) -> Place {
        let at = At::Row {
            group: 0,
            row: record,
        };
        Place {
            source: SourceId(0),
            record,
            at,
        }
    }

    /// An import of the numbers 0 to `tasks` - 1.
    fn part(tasks: usize) -> Part {
        let mut body = String::from("[");
        let mut each = Vec::new();
        for task in 0..tasks {
            if task > 0 {
                body.push(',');
            }
            body.push_str(&task.to_string());
            each.push(TaskAt {
                end: body.len(),
                place: place(task as u64),
            });
        }
        body.push(']');
        let about = About {
            number: 1,
            tasks,
            bytes: body.len(),
            blake3: Digest(String::new()),
            first: place(0),
            last: place(tasks as u64 - 1),
            next: Some(place(tasks as u64)),
        };
        Part::all(Import {
            about,
            body: Body::Memory(body.into_bytes()),
            tasks: each,
        })
        .expect("divisible")
    }

    fn numbers(part: &Part) -> Vec<usize> {
        let content = part.content();
        assert_eq!(content.len(), part.bytes());
        let numbers: Vec<usize> = serde_json::from_slice(&content).expect("an array");
        assert_eq!(numbers.len(), part.len());
        numbers
    }

    #[test]
    fn parts_together_are_the_whole_in_order() {
        for tasks in 1..40 {
            for parts in 1..tasks + 3 {
                let whole = part(tasks);
                let divided = whole.clone().divided(parts);
                let all: Vec<usize> = divided.iter().flat_map(numbers).collect();
                assert_eq!(all, (0..tasks).collect::<Vec<_>>());
                for pair in divided.windows(2) {
                    assert_eq!(pair[0].next(), Some(pair[1].first()));
                }
                assert_eq!(divided.last().and_then(Part::next), whole.next());
            }
        }
    }

    #[test]
    fn what_is_taken_out_is_gone_and_all_else_is_there() {
        let whole = part(10);
        let some = whole.without(&[0, 4, 9]).expect("seven are left");
        assert_eq!(numbers(&some), [1, 2, 3, 5, 6, 7, 8]);
        assert_eq!((some.first(), some.last()), (place(1), place(8)));
        assert_eq!(some.next(), whole.next());
        let fewer = some.without(&[0, 3]).expect("five are left");
        assert_eq!(numbers(&fewer), [2, 3, 6, 7, 8]);
        assert_eq!(fewer.task(2), Some((place(6), &b"6"[..])));
        let halves = fewer.clone().divided(2);
        assert_eq!(numbers(&halves[0]), [2, 3]);
        assert_eq!(numbers(&halves[1]), [6, 7, 8]);
        assert_eq!(halves[0].next(), Some(place(6)));
        assert!(fewer.without(&[0, 1, 2, 3, 4]).is_none());
    }
}
