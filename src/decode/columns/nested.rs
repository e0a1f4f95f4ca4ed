//! Values that hold or stand for others: lists, structs, maps, dictionaries, runs and unions.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, OffsetSizeTrait, PrimitiveArray, UnionArray};
use arrow_buffer::{ArrowNativeType, OffsetBuffer, RunEndBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::{Cells, Pen, Unknown, Utf8, cells, unsupported};
use crate::decode::{Changes, Nul, write};
use crate::error::Fault;
use crate::read::names;

/// The cells of an array that holds or stands for others.
pub(super) fn nested(array: &ArrayRef, utf8: Utf8, nul: Nul) -> Box<dyn Cells> {
    let of = |child: &ArrayRef| cells(child, utf8, nul);
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            Box::new(Lists {
                spans: list.offsets().clone(),
                items: of(list.values()),
            })
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            Box::new(Lists {
                spans: list.offsets().clone(),
                items: of(list.values()),
            })
        }
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            Box::new(Lists {
                spans: Fixed(list.value_length().as_usize()),
                items: of(list.values()),
            })
        }
        DataType::ListView(_) => {
            let list = array.as_list_view::<i32>();
            let spans = Views {
                offsets: list.offsets().clone(),
                sizes: list.sizes().clone(),
            };
            Box::new(Lists {
                spans,
                items: of(list.values()),
            })
        }
        DataType::LargeListView(_) => {
            let list = array.as_list_view::<i64>();
            let spans = Views {
                offsets: list.offsets().clone(),
                sizes: list.sizes().clone(),
            };
            Box::new(Lists {
                spans,
                items: of(list.values()),
            })
        }
        DataType::Struct(_) => {
            let fields = array.as_struct();
            let names = fields
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect();
            let columns = fields.columns().iter().map(of).collect();
            Structs::boxed(names, columns, nul)
        }
        DataType::Map(..) => {
            let map = array.as_map();
            Box::new(Maps {
                spans: map.offsets().clone(),
                keys: of(map.keys()),
                values: of(map.values()),
            })
        }
        DataType::Dictionary(key, _) => {
            let values = of(array.as_any_dictionary().values());
            match **key {
                DataType::Int8 => dictionary::<Int8Type>(array, values),
                DataType::Int16 => dictionary::<Int16Type>(array, values),
                DataType::Int32 => dictionary::<Int32Type>(array, values),
                DataType::Int64 => dictionary::<Int64Type>(array, values),
                DataType::UInt8 => dictionary::<UInt8Type>(array, values),
                DataType::UInt16 => dictionary::<UInt16Type>(array, values),
                DataType::UInt32 => dictionary::<UInt32Type>(array, values),
                DataType::UInt64 => dictionary::<UInt64Type>(array, values),
                _ => Box::new(Unknown(array.data_type().clone())),
            }
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array, of),
            DataType::Int32 => runs::<Int32Type>(array, of),
            DataType::Int64 => runs::<Int64Type>(array, of),
            _ => Box::new(Unknown(array.data_type().clone())),
        },
        DataType::Union(..) => {
            let union = array.as_union().clone();
            let mut children: Vec<Option<Box<dyn Cells>>> = Vec::new();
            for (id, _) in union.fields().iter() {
                let slot = usize::try_from(id).unwrap_or(0);
                children.resize_with(children.len().max(slot + 1), || None);
                children[slot] = Some(of(union.child(id)));
            }
            Box::new(Unions { union, children })
        }
        other => Box::new(Unknown(other.clone())),
    }
}

/// Which of the items are a row's.
trait Spans: Send {
    fn span(&self, row: usize) -> std::ops::Range<usize>;
}

impl<O: OffsetSizeTrait> Spans for OffsetBuffer<O> {
    #[inline]
    fn span(&self, row: usize) -> std::ops::Range<usize> {
        self[row].as_usize()..self[row + 1].as_usize()
    }
}

struct Fixed(usize);

impl Spans for Fixed {
    fn span(&self, row: usize) -> std::ops::Range<usize> {
        row * self.0..(row + 1) * self.0
    }
}

struct Views<O: ArrowNativeType> {
    offsets: ScalarBuffer<O>,
    sizes: ScalarBuffer<O>,
}

impl<O: OffsetSizeTrait> Spans for Views<O> {
    fn span(&self, row: usize) -> std::ops::Range<usize> {
        let start = self.offsets[row].as_usize();
        start..start + self.sizes[row].as_usize()
    }
}

struct Lists<S> {
    spans: S,
    items: Box<dyn Cells>,
}

impl<S: Spans> Cells for Lists<S> {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        out.push(b'[');
        let span = self.spans.span(row);
        let first = span.start;
        for item in span {
            if item > first {
                out.push(b',');
            }
            // Lists of lists can share their items, so that no size of the array bounds that of its JSON.
            pen.room(out, 1)?;
            self.items.write(item, out, pen)?;
        }
        out.push(b']');
        Ok(())
    }
}

struct Structs {
    /// What comes before each value: a brace or a comma, the name, a colon.
    before: Vec<Vec<u8>>,
    columns: Vec<Box<dyn Cells>>,
}

impl Structs {
    fn boxed(names: Vec<String>, columns: Vec<Box<dyn Cells>>, nul: Nul) -> Box<dyn Cells> {
        let mut before = Vec::with_capacity(names.len());
        for name in names::unique(names) {
            let mut text = vec![if before.is_empty() { b'{' } else { b',' }];
            if let Err(fault) = write::string(&mut text, &name, nul, &mut Changes::default()) {
                return Box::new(Faulty(fault));
            }
            text.push(b':');
            before.push(text);
        }
        Box::new(Structs { before, columns })
    }
}

impl Cells for Structs {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        if self.columns.is_empty() {
            out.push(b'{');
        }
        for (before, column) in self.before.iter().zip(&self.columns) {
            pen.room(out, before.len())?;
            out.extend_from_slice(before);
            column.write(row, out, pen)?;
        }
        out.push(b'}');
        Ok(())
    }
}

/// Values none of which can be written, for a reason that stands in their type.
struct Faulty(Fault);

impl Cells for Faulty {
    fn write(&self, _: usize, _: &mut Vec<u8>, _: &mut Pen<'_>) -> Result<(), Fault> {
        Err(self.0.clone())
    }
}

struct Maps {
    spans: OffsetBuffer<i32>,
    keys: Box<dyn Cells>,
    values: Box<dyn Cells>,
}

impl Cells for Maps {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        let (start, changes) = (out.len(), *pen.changes);
        let span = self.spans.span(row);
        let mut keys = Vec::new();
        out.push(b'{');
        for entry in span.clone() {
            if !keys.is_empty() {
                out.push(b',');
            }
            pen.room(out, 1)?;
            let key = out.len();
            self.keys.write(entry, out, pen)?;
            if out[key] != b'"' {
                quote(out, key, pen)?;
            }
            keys.push(key..out.len());
            out.push(b':');
            self.values.write(entry, out, pen)?;
        }
        out.push(b'}');
        if repeats(&mut keys, out) {
            out.truncate(start);
            *pen.changes = changes;
            return self.pairs(span, out, pen);
        }
        Ok(())
    }
}

impl Maps {
    /// The form that loses nothing where a key is there twice.
    fn pairs(
        &self,
        span: std::ops::Range<usize>,
        out: &mut Vec<u8>,
        pen: &mut Pen<'_>,
    ) -> Result<(), Fault> {
        out.push(b'[');
        let first = span.start;
        for entry in span {
            out.extend_from_slice(if entry > first { b",[" } else { b"[" });
            pen.room(out, 1)?;
            self.keys.write(entry, out, pen)?;
            out.push(b',');
            self.values.write(entry, out, pen)?;
            out.push(b']');
        }
        out.push(b']');
        Ok(())
    }
}

/// Makes a JSON string of the JSON text that starts at `start`.
fn quote(out: &mut Vec<u8>, start: usize, pen: &mut Pen<'_>) -> Result<(), Fault> {
    let text = out.split_off(start);
    out.push(b'"');
    write::escaped(out, &text, pen.nul, pen.changes)?;
    out.push(b'"');
    Ok(())
}

/// Whether two of the keys are the same.
fn repeats(keys: &mut [std::ops::Range<usize>], out: &[u8]) -> bool {
    keys.sort_unstable_by(|a, b| out[a.clone()].cmp(&out[b.clone()]));
    keys.windows(2)
        .any(|pair| out[pair[0].clone()] == out[pair[1].clone()])
}

fn dictionary<K: ArrowDictionaryKeyType>(
    array: &ArrayRef,
    values: Box<dyn Cells>,
) -> Box<dyn Cells> {
    Box::new(Dictionaries {
        keys: array.as_dictionary::<K>().keys().clone(),
        values,
    })
}

struct Dictionaries<K: ArrowDictionaryKeyType> {
    keys: PrimitiveArray<K>,
    values: Box<dyn Cells>,
}

impl<K: ArrowDictionaryKeyType> Cells for Dictionaries<K> {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        self.values.write(self.keys.value(row).as_usize(), out, pen)
    }
}

fn runs<E: RunEndIndexType>(
    array: &ArrayRef,
    of: impl Fn(&ArrayRef) -> Box<dyn Cells>,
) -> Box<dyn Cells> {
    match array.as_run_opt::<E>() {
        Some(runs) => Box::new(Runs {
            ends: runs.run_ends().clone(),
            values: of(runs.values()),
        }),
        None => Box::new(Unknown(array.data_type().clone())),
    }
}

struct Runs<E: ArrowNativeType> {
    ends: RunEndBuffer<E>,
    values: Box<dyn Cells>,
}

impl<E: ArrowNativeType> Cells for Runs<E> {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        self.values
            .write(self.ends.get_physical_index(row), out, pen)
    }
}

struct Unions {
    union: UnionArray,
    /// By type id.
    children: Vec<Option<Box<dyn Cells>>>,
}

impl Cells for Unions {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        let id = self.union.type_id(row);
        let child = usize::try_from(id)
            .ok()
            .and_then(|slot| self.children.get(slot)?.as_ref());
        match child {
            Some(child) => child.write(self.union.value_offset(row), out, pen),
            None => Err(unsupported(format_args!(
                "the union has no child for type id {id}"
            ))),
        }
    }
}
