//! What can go wrong: a code, a sentence, a place and a mend.
//!
//! A [`Fault`] is something wrong with one record; the record becomes a reject and the run goes on. An [`Error`] ends
//! the run. Both carry a [`Code`], which is stable, so that scripts and `explain` can rest on it.

pub mod explanation;

use std::fmt;

use crate::place::Spot;

/// The result of anything that can end a run.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// The stable name of one kind of trouble, as it stands in messages, rejects and reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of this file.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// The code as it is written: lower case, words joined by hyphens.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }
        }
    };
}

codes! {
    // Of one record.
    /// The text is not JSON.
    JsonSyntax = "json-syntax",
    /// JSON nested deeper than a server's parser follows (the contract, section 6: refused at 2,000 levels).
    JsonDepth = "json-depth",
    /// `NaN` or `Infinity` where JSON wants a number; the server answers 500 for the whole import.
    NotFinite = "not-finite",
    /// A number no double can hold, such as `1e400`; the server answers 500 for the whole import.
    NumberRange = "number-range",
    /// Half of a UTF-16 surrogate pair; once stored it breaks the whole project.
    LoneSurrogate = "lone-surrogate",
    /// A NUL character, which PostgreSQL refuses together with the whole import.
    Nul = "nul",
    /// Bytes that are not text in the source's encoding.
    Encoding = "encoding",
    /// A row with more or fewer cells than the header.
    RowLength = "row-length",
    /// A quoted cell that never ends.
    QuoteOpen = "quote-open",
    /// A record that does not fit in the memory a run may use.
    RecordTooLarge = "record-too-large",
    /// A task that alone is over the byte cap of an import.
    TaskTooLarge = "task-too-large",
    /// A value with no name of its own, and no one field of the labelling config for it.
    DataKey = "data-key",
    /// Two fields of one task would have the same name.
    FieldTwice = "field-twice",
    /// A task without a field that the labelling config needs; the server refuses the whole import for it.
    FieldMissing = "field-missing",
    /// A field of a type that the tag showing it does not take; the server refuses the whole import for it.
    FieldType = "field-type",
    /// A prediction that the labelling config has no place for, or a field that makes none.
    PredictionInvalid = "prediction-invalid",
    /// An annotation that the labelling config has no place for, or with an annotator who is no member.
    AnnotationInvalid = "annotation-invalid",
    /// A value with no JSON form.
    ValueUnsupported = "value-unsupported",
    /// A table that is joined to the tasks has no row for this one.
    JoinMissing = "join-missing",
    /// A task speaks of a file by its address, and no file is there.
    MediaDead = "media-dead",
    /// The text behind an address, which was to be put in its place, cannot be had or is none.
    NotInlined = "not-inlined",
    /// A task that the server refuses, by what it said.
    TaskRefused = "task-refused",
    // Of a source.
    /// No such file, or nothing matches the pattern.
    SourceMissing = "source-missing",
    /// The source cannot be opened or read.
    SourceRead = "source-read",
    /// The source is not the one that the run began with.
    SourceChanged = "source-changed",
    /// The compressed data is damaged or cut off.
    Compression = "compression",
    /// An archive is damaged, or has a member that is not read: encrypted, sparse, or with a name that leads elsewhere.
    Archive = "archive",
    /// The source is not what its format asks for.
    Format = "format",
    /// A third-party decoder panicked on the source.
    DecoderPanic = "decoder-panic",
    // Of a target.
    /// The target already holds something.
    TargetNotEmpty = "target-not-empty",
    /// The target cannot be written.
    TargetWrite = "target-write",
    /// The server does not accept the token, or does not let its user do this.
    Unauthorized = "unauthorized",
    /// The server has no such project, or the address is not that of a Label Studio.
    ProjectMissing = "project-missing",
    /// The server understood, and said no; asking again changes nothing.
    ServerRefused = "server-refused",
    /// The server cannot be reached, or asks to wait; nothing was stored, and the same command goes on later.
    ServerUnreachable = "server-unreachable",
    /// The server may or may not have done what it was asked for; only looking tells.
    OutcomeUnknown = "outcome-unknown",
    // Of a run.
    /// The command line asks for something that cannot be.
    Usage = "usage",
    /// The labelling config cannot be read, or Label Studio would not take it.
    LabelConfig = "label-config",
    /// More records were rejected than the run accepts.
    TooManyRejects = "too-many-rejects",
    /// What does not fit in memory cannot be kept on disk.
    Spill = "spill",
    /// A signal stopped the run.
    Interrupted = "interrupted",
    /// Another sluice may import into the server now, and this one may not.
    Lease = "lease",
    /// The record of runs and imports cannot be read or written, or does not allow what was to be recorded.
    Journal = "journal",
    /// A mistake in sluice itself.
    Internal = "internal",
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// The exit code of a run that ends with this error: 2 usage, 4 too many rejects, 5 temporary, 6 not authorised,
    /// 7 outcome unknown, 130 interrupted, 1 the rest.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Code::Usage | Code::DataKey | Code::TargetNotEmpty => 2,
            Code::TooManyRejects => 4,
            Code::ServerUnreachable | Code::Lease => 5,
            Code::Unauthorized => 6,
            Code::OutcomeUnknown => 7,
            Code::Interrupted => 130,
            _ => 1,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something wrong with one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of trouble.
    pub code: Code,
    /// One sentence, lower case, no full stop; the value at fault is quoted.
    pub reason: String,
    /// How to mend it, if there is a way.
    pub help: Option<String>,
    /// Byte offset of the trouble from the record's first byte.
    pub offset: usize,
}

impl Fault {
    /// A fault at the record's first byte.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Fault {
            code,
            reason: reason.into(),
            help: None,
            offset: 0,
        }
    }

    /// The same fault, `offset` bytes into the record.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// The same fault, with a way to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What ends a run: a code, a sentence, where, and how to mend it.
///
/// Displayed as a compiler would: the code and the sentence, the place, the help, each on its own line.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    spot: Option<Spot>,
    help: Option<String>,
    exit_code: u8,
}

impl Error {
    /// An error with no place yet.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            code,
            message: message.into(),
            spot: None,
            help: None,
            exit_code: code.exit_code(),
        }))
    }

    /// What went wrong with reading or decompressing a source.
    pub(crate) fn of_reading(cause: &std::io::Error) -> Self {
        match cause
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<SourceFault>())
        {
            Some(SourceFault(fault)) => fault.clone().into(),
            None => Error::new(Code::SourceRead, format!("cannot be read: {cause}")),
        }
    }

    /// What kind of trouble.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// One sentence, lower case, no full stop.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where, if it has a place.
    #[must_use]
    pub fn spot(&self) -> Option<&Spot> {
        self.0.spot.as_ref()
    }

    /// How to mend it, if there is a way.
    #[must_use]
    pub fn how_to_mend(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The process's exit code for this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.0.exit_code
    }

    /// What it says, without a place: for a way that takes only that.
    #[must_use]
    pub fn into_fault(self) -> Fault {
        let Inner {
            code,
            message,
            help,
            ..
        } = *self.0;
        Fault {
            code,
            reason: message,
            help,
            offset: 0,
        }
    }

    /// The same error, with the place if it has none yet.
    #[must_use]
    pub fn at(mut self, spot: impl FnOnce() -> Spot) -> Self {
        self.0.spot.get_or_insert_with(spot);
        self
    }

    /// The same error, with a way to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The same error, ending the process with another exit code.
    #[must_use]
    pub fn exit_with(mut self, exit_code: u8) -> Self {
        self.0.exit_code = exit_code;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.0.code, self.0.message)?;
        if let Some(spot) = &self.0.spot {
            write!(f, "\n  --> {spot}")?;
        }
        if let Some(help) = &self.0.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let error = Error::new(fault.code, fault.reason);
        match fault.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// A fault of a whole source, on its way through `std::io`.
#[derive(Debug)]
pub(crate) struct SourceFault(pub Fault);

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.reason)
    }
}

impl std::error::Error for SourceFault {}
