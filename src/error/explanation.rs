//! What each code means, what brings it about, and how it is mended: `sluice explain`.

use super::Code;

/// What there is to know of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it means. The first sentence says it; those after it say why that is trouble.
    pub meaning: &'static str,
    /// What brings it about.
    pub example: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

impl Explanation {
    /// The first sentence of the meaning, without its full stop.
    #[must_use]
    pub fn title(&self) -> &'static str {
        let first = self.meaning.split_once(". ");
        first.map_or(self.meaning.trim_end_matches('.'), |(first, _)| first)
    }
}

macro_rules! explained {
    ($($name:ident: $meaning:literal, $example:literal, $mend:literal;)+) => {
        impl Code {
            /// What there is to know of it.
            #[must_use]
            pub const fn explanation(self) -> Explanation {
                match self {
                    $(Code::$name => Explanation { meaning: $meaning, example: $example, mend: $mend },)+
                }
            }
        }
    };
}

explained! {
    JsonSyntax:
        "The text is not JSON. In JSON Lines the record is rejected and the next line is read; in an array nothing after it can be trusted, so the run ends there.",
        "{\"text\": tru}",
        "Mend the record at the line and column that the message names. If each line is a value of its own, and the file is called .json, try `--format jsonl`.";
    JsonDepth:
        "JSON is nested deeper than a server's parser follows. Label Studio would refuse the whole import.",
        "[[[[ ... ]]]], a thousand deep",
        "Flatten the record, or give the deep part as text.";
    NotFinite:
        "There is NaN or Infinity where JSON wants a number. The server answers 500 to the whole import for it.",
        "{\"score\": NaN}",
        "Write null, or leave the field out. In Parquet and Arrow this is done for you, and counted.";
    NumberRange:
        "A number is larger than any double. The server answers 500 to the whole import for it.",
        "{\"n\": 1e400}",
        "Write it as text, in quotes, or mend the program that wrote it.";
    LoneSurrogate:
        "Text holds half of a UTF-16 surrogate pair. Once it is stored, the whole project can no longer be exported.",
        "{\"text\": \"\\ud800\"}",
        "Mend the program that cut the text between the halves of a character, or replace the escape by \\ufffd.";
    Nul:
        "Text holds a NUL character. PostgreSQL refuses the whole import for it.",
        "{\"text\": \"a\\u0000b\"}",
        "Take it out, or have it replaced by U+FFFD with `--nul replace`.";
    Encoding:
        "There are bytes that are not text in the source's encoding. No byte is ever replaced unasked.",
        "a file in windows-1252 that is read as UTF-8",
        "Name the encoding: `--encoding windows-1252`. `sluice inspect SOURCE` shows how the text reads.";
    RowLength:
        "A row has more or fewer cells than the header.",
        "a,b,c\n1,2",
        "Mend the row. If most rows are rejected, the delimiter is another: try `--delimiter`. With `--csv-types label-studio` short rows are filled as Label Studio does.";
    QuoteOpen:
        "A quoted cell never ends. Everything after the quote would be one cell.",
        "a,b\n\"1,2",
        "Close the quote, or double it where it is part of the text: \"\".";
    RecordTooLarge:
        "A record does not fit in the memory that a run may use. A record may take a quarter of it.",
        "a line of 100 MB with `--memory 256MiB`",
        "Raise `--memory` to four times the record's size. If it is many records in truth, `--format` or `--delimiter` tells how they end.";
    TaskTooLarge:
        "A task alone has more bytes than an import may hold. The server would refuse it with 413.",
        "a document of 60 MB as one task, where an import holds 50 MB",
        "Split the record, leave out fields with `--pick`, or refer to the document by its address. Raise `--max-bytes` if you lowered it.";
    DataKey:
        "There are values with no name of their own, and it is not clear which field they are for. The labelling config names several.",
        "a file of text lines, and a labelling config that shows $title and $body",
        "Name the field: `--data-key body`.";
    FieldTwice:
        "Two fields of one task would have the same name. One of them would be lost.",
        "`--map text=title` where the record has a field text too",
        "Rename the other one, or leave it out with `--pick`.";
    FieldMissing:
        "A task lacks a field that the labelling config needs. The server refuses the whole import for it.",
        "{\"txt\": \"A penguin\"} for <Text value=\"$text\"/>",
        "Rename the field: `--map text=txt`. Where only some records lack it, they are set aside as rejects. `sluice inspect SOURCE --label-config FILE` shows what matches.";
    FieldType:
        "A field is of a type that the tag showing it does not take. The server refuses the whole import for it.",
        "{\"text\": [\"a\", \"b\"]} for <Text value=\"$text\"/>",
        "Mend the value. Where only some records have it, they are set aside as rejects.";
    PredictionInvalid:
        "A prediction names what the labelling config does not have, or a field makes none. Label Studio would store it, and show nothing.",
        "a label that is called POS, where the config has Positive",
        "Mend the name that the message quotes, in the data or in the config; or leave the predictions out.";
    AnnotationInvalid:
        "An annotation names what the labelling config does not have, or an annotator who is no member.",
        "\"completed_by\": 99, where the project has no user 99",
        "Mend what the message quotes, or invite the member first.";
    ValueUnsupported:
        "A value has no JSON form.",
        "a date in the year 300,000 in a Parquet file",
        "Convert the column before, or leave it out with `--pick`.";
    JoinMissing:
        "The table that is joined to the tasks has no row for this one.",
        "photos/a.jpg, and no row with `a.jpg` in the column that `--on` names",
        "Add the row, or mend the name: it is compared letter by letter.";
    MediaDead:
        "A task speaks of a file by its address, and there is no such file. Annotators would see an error in its place.",
        "https://files.example.com/a.jpg, which the server answers with 404",
        "Put the file there, or mend the address: `--media-url` says what stands before its path.";
    NotInlined:
        "A text that `--inline` was to put in the place of its address cannot be had. It is not there, is no text, or is too large.",
        "https://files.example.com/a.txt, which the server answers with 404",
        "Put the text there, or mend the address; a text in another encoding needs a server that says its charset.";
    TaskRefused:
        "The server refuses a task, by what it said. The others of its import are sent without it.",
        "an annotation that the server's own validation does not take",
        "Mend what the server names, in the rejects file, and import that file.";
    SourceMissing:
        "There is no such file, or nothing matches the pattern.",
        "sluice import 'data/*.cvs'",
        "Look at the name. In patterns `*` stays within a folder, and `**` crosses folders; quote them, so that the shell leaves them alone.";
    SourceRead:
        "The source cannot be opened or read.",
        "a file of another user; a connection that breaks again and again",
        "Mend what the message says. A run into a server goes on with the same command.";
    SourceChanged:
        "The source is not the one that the run began with. To go on in the middle of it would lose or repeat records.",
        "a file to which rows were added since the run was cut off",
        "Put the old one back, or go on all the same with `--accept-changed-sources`.";
    Compression:
        "The compressed data is damaged or cut off. Everything before that is read.",
        "a .gz whose download ended early",
        "Fetch it again; `gzip -t FILE` and its kin check it.";
    Archive:
        "An archive is damaged or cut off, or has a member that is not read. Such a member is encrypted, sparse or another archive, or has a name that leads elsewhere.",
        "a zip with a password; a tar with a member called ../../etc/passwd",
        "Pack it again without that member, or unpack it and name the folder.";
    Format:
        "The source is not what its format asks for.",
        "a Parquet file without its footer; a spreadsheet",
        "Look what it is with `sluice inspect SOURCE`, tell another with `--format`, or convert it: CSV, JSON Lines and Parquet are read.";
    DecoderPanic:
        "A decoder of another library gave up on the source. It is most likely damaged.",
        "a Parquet file with bytes changed in the middle",
        "Write the file again. If other tools read it, please report it with the file.";
    TargetNotEmpty:
        "The target already holds something. Nothing there is overwritten unasked.",
        "sluice import data --to out, for the second time",
        "Name another target, or replace what is there with `--overwrite`.";
    TargetWrite:
        "The target cannot be written.",
        "a full disk; a folder of another user",
        "Make room, or name another target. No import is there by half.";
    Unauthorized:
        "The server does not accept the token, or does not let its user do this.",
        "a legacy token at a server where these are turned off",
        "Put a token of the account page into LABEL_STUDIO_API_KEY, and see that its user is a member of the project.";
    ProjectMissing:
        "The server has no such project, or the address is not that of a Label Studio.",
        "--to http://localhost:8080/projects/999",
        "Copy the address from the browser while the project is open.";
    ServerRefused:
        "The server understood, and said no. To ask again changes nothing.",
        "a server that takes no file uploads",
        "Mend what it names; then the same command goes on.";
    ServerUnreachable:
        "The server cannot be reached, or asks to wait. Nothing is lost.",
        "connection refused; 503 with Retry-After",
        "Run the same command again later: it goes on where it stopped.";
    OutcomeUnknown:
        "The server may or may not have done what it was asked for. Only looking tells, and nothing is sent twice before that.",
        "a proxy that answered 504 while the server went on",
        "Look with `sluice verify RUN`; `--repair` mends what is not right.";
    Usage:
        "The command line asks for something that cannot be.",
        "--to given twice for folders",
        "Follow the help of the message, or read `sluice COMMAND --help`.";
    LabelConfig:
        "The labelling config cannot be read, or Label Studio would not take it.",
        "<Text name=\"t\" value=\"$text\">, never closed",
        "Mend it at the line and column that the message names, or leave it to the server with `--no-validation`.";
    TooManyRejects:
        "More records were rejected than the run accepts. Mostly one mend helps them all.",
        "1,000 rows that are all one cell too long",
        "See the rejects by their code with `sluice plan SOURCE`, mend their cause, or accept more with `--max-rejects`.";
    Spill:
        "What does not fit in memory cannot be kept on the disk.",
        "no room in the folder for temporary files",
        "Make room there, name another folder in TMPDIR, or raise `--memory`.";
    Interrupted:
        "A signal stopped the run. Whole imports are kept.",
        "Ctrl-C",
        "Into a server the same command goes on; into a folder, start anew with `--overwrite`.";
    Lease:
        "Another sluice imports into the server, or may: one at a time has the server's lease. Nothing is sent meanwhile.",
        "two machines that push the same run",
        "Run the same command again when the other has ended, or wait for that with `--wait`: it goes on where the last one stopped.";
    Journal:
        "The record of runs and imports cannot be read or written, or does not allow what was to be recorded. Without it nothing is sent, since nothing could be gone on with.",
        "a state folder on a full disk; two processes with one run",
        "Mend what the message says, or name another folder with `--state-dir`.";
    Internal:
        "This is a mistake in sluice itself.",
        "a thread that ended without a word",
        "Please report it, with the message and the command.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_in_whole_sentences() {
        for code in Code::ALL {
            let Explanation {
                meaning,
                example,
                mend,
            } = code.explanation();
            assert!(meaning.ends_with('.') && mend.ends_with('.'), "{code}");
            assert!(!example.is_empty(), "{code}");
            let title = code.explanation().title();
            assert!((10..100).contains(&title.len()), "{code}: {title}");
        }
    }
}
