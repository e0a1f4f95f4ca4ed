//! Dates, times, instants and spans of time, as ISO 8601.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, IntervalDayTimeType, IntervalMonthDayNanoType,
    IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::{Cells, Pen, Unknown, unsupported};
use crate::error::Fault;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Dates, times of day and timestamps.
pub(super) fn instants(array: &ArrayRef) -> Box<dyn Cells> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match array.data_type() {
        DataType::Date32 => primitive::<Date32Type>(array, Form::Date),
        DataType::Date64 => primitive::<Date64Type>(array, Form::DateAndTime),
        DataType::Time32(Second) => primitive::<Time32SecondType>(array, Form::Time(Second)),
        DataType::Time32(_) => primitive::<Time32MillisecondType>(array, Form::Time(Millisecond)),
        DataType::Time64(Nanosecond) => {
            primitive::<Time64NanosecondType>(array, Form::Time(Nanosecond))
        }
        DataType::Time64(_) => primitive::<Time64MicrosecondType>(array, Form::Time(Microsecond)),
        DataType::Timestamp(unit, zone) => {
            let form = Form::Timestamp(*unit, Zone::of(zone.as_deref()));
            match unit {
                Second => primitive::<TimestampSecondType>(array, form),
                Millisecond => primitive::<TimestampMillisecondType>(array, form),
                Microsecond => primitive::<TimestampMicrosecondType>(array, form),
                Nanosecond => primitive::<TimestampNanosecondType>(array, form),
            }
        }
        other => Box::new(Unknown(other.clone())),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef, form: Form) -> Box<dyn Cells>
where
    T::Native: Into<i64>,
{
    Box::new(Instants {
        values: array.as_primitive::<T>().clone(),
        form,
    })
}

struct Instants<T: ArrowPrimitiveType> {
    values: PrimitiveArray<T>,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// Days.
    Date,
    /// Milliseconds; the time of day only where there is one.
    DateAndTime,
    Time(TimeUnit),
    Timestamp(TimeUnit, Zone),
    Duration(TimeUnit),
}

/// How the zone of a timestamp is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zone {
    None,
    /// Seconds east of UTC.
    Offset(i64),
}

impl Zone {
    /// A zone as Arrow has it: an offset, or a name, whose rules are not known here, so that UTC stands for it.
    fn of(zone: Option<&str>) -> Zone {
        let Some(zone) = zone else { return Zone::None };
        Zone::Offset(offset(zone).unwrap_or(0))
    }
}

/// `+02:00`, `-0530` or `+02` in seconds.
fn offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.as_bytes().split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        _ => return None,
    };
    let two = |digits: &[u8]| match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i64::from((tens - b'0') * 10 + (ones - b'0')))
        }
        _ => None,
    };
    let (hours, minutes) = match digits {
        [hours @ .., b':', m1, m2] => (two(hours)?, two(&[*m1, *m2])?),
        [h1, h2, m1, m2] => (two(&[*h1, *h2])?, two(&[*m1, *m2])?),
        hours => (two(hours)?, 0),
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

impl<T: ArrowPrimitiveType> Cells for Instants<T>
where
    T::Native: Into<i64>,
{
    fn write(&self, row: usize, out: &mut Vec<u8>, _: &mut Pen<'_>) -> Result<(), Fault> {
        let value: i64 = self.values.value(row).into();
        out.push(b'"');
        match self.form {
            Form::Date => date(out, value),
            Form::DateAndTime => {
                let (seconds, fraction) = split(value, TimeUnit::Millisecond);
                date(out, seconds.div_euclid(DAY));
                if seconds.rem_euclid(DAY) != 0 || fraction != 0 {
                    out.push(b'T');
                    clock(
                        out,
                        seconds.rem_euclid(DAY),
                        fraction,
                        TimeUnit::Millisecond,
                    );
                }
            }
            Form::Time(unit) => {
                let (seconds, fraction) = split(value, unit);
                // 24:00:00, the end of the day, is a time too (ISO 8601).
                if !(0..=DAY).contains(&seconds) {
                    return Err(unsupported(format_args!(
                        "the time {value} {} is not within a day",
                        plural(unit)
                    )));
                }
                clock(out, seconds, fraction, unit);
            }
            Form::Timestamp(unit, zone) => {
                let (seconds, fraction) = split(value, unit);
                let east = if let Zone::Offset(east) = zone {
                    east
                } else {
                    0
                };
                let seconds = seconds.saturating_add(east);
                date(out, seconds.div_euclid(DAY));
                out.push(b'T');
                clock(out, seconds.rem_euclid(DAY), fraction, unit);
                match zone {
                    Zone::None => {}
                    Zone::Offset(0) => out.push(b'Z'),
                    Zone::Offset(east) => {
                        out.push(if east < 0 { b'-' } else { b'+' });
                        two(out, east.abs() / 3_600);
                        out.push(b':');
                        two(out, east.abs() / 60 % 60);
                    }
                }
            }
            Form::Duration(unit) => {
                let (digits, per_second) = scale(unit);
                out.extend_from_slice(b"PT");
                signed_seconds(out, i128::from(value), digits, i128::from(per_second));
            }
        }
        out.push(b'"');
        Ok(())
    }
}

/// Digits of a second that a unit has, and how many of it a second is.
fn scale(unit: TimeUnit) -> (u32, i64) {
    match unit {
        TimeUnit::Second => (0, 1),
        TimeUnit::Millisecond => (3, 1_000),
        TimeUnit::Microsecond => (6, 1_000_000),
        TimeUnit::Nanosecond => (9, 1_000_000_000),
    }
}

fn plural(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}

/// Whole seconds, and what is left of the unit.
fn split(value: i64, unit: TimeUnit) -> (i64, i64) {
    let (_, per_second) = scale(unit);
    (value.div_euclid(per_second), value.rem_euclid(per_second))
}

/// Appends the date that is `days` after 1970-01-01, in the proleptic Gregorian calendar (Hinnant, "chrono-compatible
/// low-level date algorithms", `civil_from_days`).
///
/// Years outside 0000 to 9999 are written as ISO 8601 has it by agreement: a sign, and as many digits as it takes.
fn date(out: &mut Vec<u8>, days: i64) {
    // Eras of 400 years that start on a March 1st; 719,468 days from 0000-03-01 to 1970-01-01.
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(0..=9_999).contains(&year) {
        out.push(if year < 0 { b'-' } else { b'+' });
    }
    padded(out, year.unsigned_abs(), 4);
    out.push(b'-');
    two(out, month);
    out.push(b'-');
    two(out, day);
}

/// Appends a time of day.
fn clock(out: &mut Vec<u8>, seconds: i64, fraction: i64, unit: TimeUnit) {
    two(out, seconds / 3_600);
    out.push(b':');
    two(out, seconds / 60 % 60);
    out.push(b':');
    two(out, seconds % 60);
    if fraction != 0 {
        out.push(b'.');
        padded(out, fraction.unsigned_abs(), scale(unit).0);
    }
}

/// Appends a number below 100 as two digits.
#[inline]
fn two(out: &mut Vec<u8>, number: i64) {
    let digit = |n: i64| b'0' + u8::try_from(n % 10).unwrap_or(0);
    out.extend_from_slice(&[digit(number / 10), digit(number)]);
}

/// Appends a number with zeros before it.
fn padded(out: &mut Vec<u8>, number: u64, digits: u32) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number);
    out.resize(
        out.len() + (digits as usize).saturating_sub(text.len()),
        b'0',
    );
    out.extend_from_slice(text.as_bytes());
}

/// Appends seconds as `-1.5S`.
fn signed_seconds(out: &mut Vec<u8>, value: i128, digits: u32, per_second: i128) {
    if value < 0 {
        out.push(b'-');
    }
    let (whole, fraction) = (value.abs() / per_second, value.abs() % per_second);
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    if fraction != 0 {
        out.push(b'.');
        padded(out, u64::try_from(fraction).unwrap_or(0), digits);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'S');
}

/// Durations and intervals.
pub(super) fn spans(array: &ArrayRef) -> Box<dyn Cells> {
    match array.data_type() {
        DataType::Duration(unit) => {
            let form = Form::Duration(*unit);
            match unit {
                TimeUnit::Second => primitive::<DurationSecondType>(array, form),
                TimeUnit::Millisecond => primitive::<DurationMillisecondType>(array, form),
                TimeUnit::Microsecond => primitive::<DurationMicrosecondType>(array, form),
                TimeUnit::Nanosecond => primitive::<DurationNanosecondType>(array, form),
            }
        }
        DataType::Interval(IntervalUnit::YearMonth) => Box::new(Intervals(
            array.as_primitive::<IntervalYearMonthType>().clone(),
        )),
        DataType::Interval(IntervalUnit::DayTime) => Box::new(Intervals(
            array.as_primitive::<IntervalDayTimeType>().clone(),
        )),
        DataType::Interval(IntervalUnit::MonthDayNano) => Box::new(Intervals(
            array.as_primitive::<IntervalMonthDayNanoType>().clone(),
        )),
        other => Box::new(Unknown(other.clone())),
    }
}

struct Intervals<T: ArrowPrimitiveType>(PrimitiveArray<T>);

impl<T: Parts> Cells for Intervals<T> {
    fn write(&self, row: usize, out: &mut Vec<u8>, _: &mut Pen<'_>) -> Result<(), Fault> {
        let (months, days, nanoseconds) = T::parts(self.0.value(row));
        let part = |out: &mut Vec<u8>, number: i32, letter: u8| {
            if number != 0 {
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                out.push(letter);
            }
        };
        out.extend_from_slice(b"\"P");
        part(out, months / 12, b'Y');
        part(out, months % 12, b'M');
        part(out, days, b'D');
        if nanoseconds != 0 || (months == 0 && days == 0) {
            out.push(b'T');
            signed_seconds(out, i128::from(nanoseconds), 9, 1_000_000_000);
        }
        out.push(b'"');
        Ok(())
    }
}

/// An interval in its parts.
trait Parts: ArrowPrimitiveType {
    /// Months, days and nanoseconds.
    fn parts(value: Self::Native) -> (i32, i32, i64);
}

impl Parts for IntervalYearMonthType {
    fn parts(value: Self::Native) -> (i32, i32, i64) {
        (value, 0, 0)
    }
}

impl Parts for IntervalDayTimeType {
    fn parts(value: Self::Native) -> (i32, i32, i64) {
        (0, value.days, i64::from(value.milliseconds) * 1_000_000)
    }
}

impl Parts for IntervalMonthDayNanoType {
    fn parts(value: Self::Native) -> (i32, i32, i64) {
        (value.months, value.days, value.nanoseconds)
    }
}
