//! Values that hold no others: null, booleans, numbers, text and bytes.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, BinaryType, BinaryViewType, ByteArrayType, ByteViewType, Decimal32Type,
    Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, LargeBinaryType, LargeUtf8Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type, Utf8Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, GenericByteArray, GenericByteViewArray,
    PrimitiveArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::f16;

use super::{Cells, Pen, Unknown, Utf8};
use crate::decode::write;
use crate::error::{Code, Fault};

/// Values of which some are null.
pub(super) struct Nullable {
    pub nulls: NullBuffer,
    pub cells: Box<dyn Cells>,
}

impl Cells for Nullable {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        if self.nulls.is_null(row) {
            Nulls.write(row, out, pen)
        } else {
            self.cells.write(row, out, pen)
        }
    }
}

/// Values that are all null.
pub(super) struct Nulls;

impl Cells for Nulls {
    fn write(&self, _: usize, out: &mut Vec<u8>, _: &mut Pen<'_>) -> Result<(), Fault> {
        out.extend_from_slice(b"null");
        Ok(())
    }
}

/// `true` and `false`.
pub(super) struct Booleans(pub BooleanArray);

impl Cells for Booleans {
    fn write(&self, row: usize, out: &mut Vec<u8>, _: &mut Pen<'_>) -> Result<(), Fault> {
        out.extend_from_slice(if self.0.value(row) { b"true" } else { b"false" });
        Ok(())
    }
}

/// Numbers of any kind.
pub(super) fn numbers(array: &ArrayRef) -> Box<dyn Cells> {
    fn of<T: ArrowPrimitiveType>(array: &ArrayRef) -> Box<dyn Cells>
    where
        T::Native: Number,
    {
        Box::new(Numbers(array.as_primitive::<T>().clone()))
    }
    fn decimals<T: ArrowPrimitiveType>(array: &ArrayRef, scale: i8) -> Box<dyn Cells>
    where
        T::Native: std::fmt::Display,
    {
        Box::new(Decimals {
            values: array.as_primitive::<T>().clone(),
            scale,
        })
    }
    match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array),
        DataType::Int16 => of::<Int16Type>(array),
        DataType::Int32 => of::<Int32Type>(array),
        DataType::Int64 => of::<Int64Type>(array),
        DataType::UInt8 => of::<UInt8Type>(array),
        DataType::UInt16 => of::<UInt16Type>(array),
        DataType::UInt32 => of::<UInt32Type>(array),
        DataType::UInt64 => of::<UInt64Type>(array),
        DataType::Float16 => of::<Float16Type>(array),
        DataType::Float32 => of::<Float32Type>(array),
        DataType::Float64 => of::<Float64Type>(array),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale),
        DataType::Decimal256(_, scale) => decimals::<Decimal256Type>(array, *scale),
        other => Box::new(Unknown(other.clone())),
    }
}

struct Numbers<T: ArrowPrimitiveType>(PrimitiveArray<T>);

impl<T: ArrowPrimitiveType> Cells for Numbers<T>
where
    T::Native: Number,
{
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        if !self.0.value(row).digits(out) {
            pen.changes.nulled += 1;
            out.extend_from_slice(b"null");
        }
        Ok(())
    }
}

/// A number as JSON digits.
trait Number: Copy {
    /// Appends the digits; false, and nothing appended, when JSON has no such number.
    fn digits(self, out: &mut Vec<u8>) -> bool;
}

macro_rules! integers {
    ($($integer:ty)*) => {
        $(impl Number for $integer {
            #[inline]
            fn digits(self, out: &mut Vec<u8>) -> bool {
                out.extend_from_slice(itoa::Buffer::new().format(self).as_bytes());
                true
            }
        })*
    };
}
integers!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! floats {
    ($($float:ty)*) => {
        $(impl Number for $float {
            #[inline]
            fn digits(self, out: &mut Vec<u8>) -> bool {
                if self.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(self).as_bytes());
                }
                self.is_finite()
            }
        })*
    };
}
floats!(f32 f64);

impl Number for f16 {
    fn digits(self, out: &mut Vec<u8>) -> bool {
        if !self.is_finite() {
            return false;
        }
        // The fewest digits that read back as the same half; five always do (11 bits).
        let exact = self.to_f32();
        let short = (0..5)
            .filter_map(|digits| format!("{exact:.digits$e}").parse::<f32>().ok())
            .find(|short| f16::from_f32(*short) == self);
        short.unwrap_or(exact).digits(out)
    }
}

struct Decimals<T: ArrowPrimitiveType> {
    values: PrimitiveArray<T>,
    scale: i8,
}

impl<T: ArrowPrimitiveType> Cells for Decimals<T>
where
    T::Native: std::fmt::Display,
{
    fn write(&self, row: usize, out: &mut Vec<u8>, _: &mut Pen<'_>) -> Result<(), Fault> {
        let text = self.values.value(row).to_string();
        let digits = text.strip_prefix('-').unwrap_or(&text);
        if digits.len() < text.len() {
            out.push(b'-');
        }
        let digits = digits.as_bytes();
        let scale = usize::from(self.scale.unsigned_abs());
        if self.scale <= 0 {
            out.extend_from_slice(digits);
            if digits != b"0" {
                out.resize(out.len() + scale, b'0');
            }
            return Ok(());
        }
        let whole = digits.len().saturating_sub(scale);
        if whole == 0 {
            out.push(b'0');
        }
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(&digits[whole..]);
        Ok(())
    }
}

/// Text of any kind.
pub(super) fn strings(array: &ArrayRef, utf8: Utf8) -> Box<dyn Cells> {
    match array.data_type() {
        DataType::Utf8 => Box::new(Texts {
            bytes: array.as_bytes::<Utf8Type>().clone(),
            utf8,
        }),
        DataType::LargeUtf8 => Box::new(Texts {
            bytes: array.as_bytes::<LargeUtf8Type>().clone(),
            utf8,
        }),
        // As bytes, so that no `str` is made of what may not be UTF-8.
        _ => Box::new(Texts {
            bytes: array.as_string_view().clone().to_binary_view(),
            utf8,
        }),
    }
}

/// Bytes of any kind.
pub(super) fn binaries(array: &ArrayRef) -> Box<dyn Cells> {
    match array.data_type() {
        DataType::Binary => Box::new(Binaries(array.as_bytes::<BinaryType>().clone())),
        DataType::LargeBinary => Box::new(Binaries(array.as_bytes::<LargeBinaryType>().clone())),
        DataType::FixedSizeBinary(_) => Box::new(Binaries(array.as_fixed_size_binary().clone())),
        _ => Box::new(Binaries(array.as_byte_view::<BinaryViewType>().clone())),
    }
}

/// An array whose values are bytes.
trait Bytes: Send {
    fn bytes(&self, row: usize) -> &[u8];
}

impl<T: ByteArrayType> Bytes for GenericByteArray<T> {
    #[inline]
    fn bytes(&self, row: usize) -> &[u8] {
        use arrow_buffer::ArrowNativeType;
        let offsets = self.value_offsets();
        &self.value_data()[offsets[row].as_usize()..offsets[row + 1].as_usize()]
    }
}

impl<T: ByteViewType + ?Sized> Bytes for GenericByteViewArray<T> {
    #[inline]
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row).as_ref()
    }
}

impl Bytes for FixedSizeBinaryArray {
    #[inline]
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row)
    }
}

struct Texts<B> {
    bytes: B,
    utf8: Utf8,
}

impl<B: Bytes> Cells for Texts<B> {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        let text = self.bytes.bytes(row);
        pen.room(out, text.len())?;
        if self.utf8 == Utf8::Unchecked && simdutf8::basic::from_utf8(text).is_err() {
            return Err(Fault::new(Code::Encoding, "the text is not UTF-8"));
        }
        out.push(b'"');
        write::escaped(out, text, pen.nul, pen.changes)?;
        out.push(b'"');
        Ok(())
    }
}

struct Binaries<B>(B);

impl<B: Bytes> Cells for Binaries<B> {
    fn write(&self, row: usize, out: &mut Vec<u8>, pen: &mut Pen<'_>) -> Result<(), Fault> {
        let bytes = self.0.bytes(row);
        let encoded = bytes.len().div_ceil(3).saturating_mul(4);
        pen.room(out, encoded)?;
        out.push(b'"');
        let start = out.len();
        out.resize(start + encoded, 0);
        // Cannot fail: base64 with padding takes exactly that many bytes.
        let written = STANDARD
            .encode_slice(bytes, &mut out[start..])
            .unwrap_or(encoded);
        out.truncate(start + written);
        out.push(b'"');
        Ok(())
    }
}
