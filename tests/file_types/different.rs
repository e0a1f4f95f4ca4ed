//! What sluice does otherwise than Label Studio, on purpose.

use Ours::{Refused, Tasks};

/// What sluice makes of a case.
#[derive(Debug)]
pub enum Ours {
    /// The data of each task.
    Tasks(&'static [&'static str]),
    /// It is refused, with this code.
    Refused(&'static str),
}

const A: Ours = Tasks(&[r#"{"text":"a"}"#]);

const BOM: &str = "a byte order mark says no more of JSON than of other text, and is passed over";
const LINES: &str =
    "JSON Lines are what large files are mostly kept in; content tells them from JSON";
const CONTENT: &str = "content tells what a file is where its name does not";
const SCALAR: &str =
    "a JSON value that is no object is a value with no name of its own, as a line of text is";
const SURROGATE: &str =
    "once stored, it breaks the whole project: the server's own list of tasks is an error 500";
const NUL: &str = "PostgreSQL refuses it together with the whole import; `--nul replace` puts U+FFFD in its place";
const STRICT: &str = "the server reads files with a laxer parser than request bodies; text that is not JSON is a mistake";
const CASE: &str = "an upper-case suffix is a suffix: the server stores such a file's address, which nobody wants of text";
const MIXED: &str = "each task is what its own file makes it: lines and media go under the data key, as the server has them \
                     in other imports, and need not be sent apart";
const FORM: &str =
    "the server loses the first of two files in one form field; sluice sends no such form";
const UTF16: &str = "UTF-16 with a byte order mark is beyond doubt, and decoded";

const BODY: &str = "a request body is read as a file is: an empty `data` is a field like another, as the server has it in files";
const MEMBERS: &str =
    "who the members are is asked of the project; with a labelling config from a file nobody knows";
const JUDGED: &str =
    "the server logs it and stores what nobody can see; `--no-validation` sends it";

/// The cases, what sluice makes of each, and why.
pub const DIFFERENT: &[(&str, Ours, &str)] = &[
    ("body-bom", A, BOM),
    ("json-bom", A, BOM),
    ("ext-jsonl", A, LINES),
    ("ext-JSONL", A, LINES),
    (
        "json-ndjson",
        Tasks(&[r#"{"text":"a"}"#, r#"{"text":"b"}"#]),
        LINES,
    ),
    ("ext-gz", A, CONTENT),
    ("ext-md", A, CONTENT),
    ("json-list-of-int", Tasks(&[r#"{"text":1}"#]), SCALAR),
    (
        "json-list-of-list",
        Tasks(&[r#"{"text":[{"text":"a"}]}"#]),
        SCALAR,
    ),
    ("json-scalar", Tasks(&[r#"{"text":5}"#]), SCALAR),
    ("json-string", Tasks(&[r#"{"text":"x"}"#]), SCALAR),
    ("json-true", Tasks(&[r#"{"text":true}"#]), SCALAR),
    ("body-lone-surrogate", Refused("lone-surrogate"), SURROGATE),
    ("json-lone-surrogate", Refused("lone-surrogate"), SURROGATE),
    ("json-nul", Refused("nul"), NUL),
    ("csv-nul", Refused("nul"), NUL),
    ("txt-nul", Refused("nul"), NUL),
    ("json-leading-zero", Refused("json-syntax"), STRICT),
    ("json-raw-control", Refused("json-syntax"), STRICT),
    ("html-uppercase", Tasks(&[r#"{"html":"<p>x</p>"}"#]), CASE),
    ("json-uppercase-ext", A, CASE),
    (
        "csv-uppercase-ext",
        Tasks(&[r#"{"text":"hello","id":1}"#]),
        CASE,
    ),
    (
        "body-empty-data-plus-text",
        Tasks(&[r#"{"data":{},"text":"a"}"#]),
        BODY,
    ),
    (
        "body-null-data-plus-text",
        Tasks(&[r#"{"data":null,"text":"a"}"#]),
        BODY,
    ),
    ("json-completed-by-bad-id", A, MEMBERS),
    ("json-completed-by-unknown", A, MEMBERS),
    (
        "json-prediction-bad-from-name",
        Refused("prediction-invalid"),
        JUDGED,
    ),
    (
        "json-prediction-bad-label",
        Refused("prediction-invalid"),
        JUDGED,
    ),
    (
        "multi-png-csv",
        Tasks(&[
            r#"{"image":"/data/upload/{project}/0-a.png"}"#,
            r#"{"image":"http://h/x.png"}"#,
        ]),
        MIXED,
    ),
    (
        "multi-txt-json",
        Tasks(&[r#"{"text":"line"}"#, r#"{"text":"j"}"#]),
        MIXED,
    ),
    (
        "multi-same-field",
        Tasks(&[r#"{"text":"first"}"#, r#"{"text":"second"}"#]),
        FORM,
    ),
    ("txt-utf16", Tasks(&[r#"{"text":"one"}"#]), UTF16),
];

const EMPTY: &str = "a source without records is no mistake: nothing is sent";

/// The same of Label Studio's own upload tests: those that are nothing here and an error there.
pub const NOTHING: &[(&str, &str)] = &[
    ("test_json_task_upload[12]", EMPTY),
    ("test_csv_tsv_task_upload[3]-tsv", EMPTY),
    ("test_csv_tsv_task_upload[4]-tsv", EMPTY),
    ("test_txt_task_upload[1]", EMPTY),
];
