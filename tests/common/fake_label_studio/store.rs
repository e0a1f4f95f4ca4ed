//! What the server keeps, and what it accepts.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::answers::{Answer, repr, uuid};
use super::faults::Prng;
use super::{Database, Options};

/// A task as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub id: u64,
    pub inner_id: u64,
    pub data: Value,
    pub meta: Value,
    pub annotations: Vec<Value>,
    pub predictions: Vec<Value>,
    pub file_upload: Option<u64>,
}

/// A file that was sent.
#[derive(Clone, Debug)]
pub struct Upload {
    pub id: u64,
    /// `upload/<project>/<8 hex>-<name>`.
    pub file: String,
    pub bytes: Bytes,
}

impl Upload {
    /// Without the folder.
    #[must_use]
    pub fn stored_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or_default()
    }

    /// As the client named it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.stored_name()
            .split_once('-')
            .map_or("", |(_, name)| name)
    }
}

#[derive(Clone, Debug)]
pub struct Project {
    pub id: u64,
    pub title: String,
    pub label_config: String,
    /// In the order they were stored.
    pub tasks: Vec<Task>,
    pub uploads: Vec<Upload>,
    /// A task holds a lone surrogate: its tasks cannot be listed any more.
    pub poisoned: bool,
}

impl Project {
    #[must_use]
    pub fn tasks_of(&self, upload: u64) -> Vec<&Task> {
        self.tasks
            .iter()
            .filter(|task| task.file_upload == Some(upload))
            .collect()
    }
}

/// What an import without a reply of its own came to (other editions).
#[derive(Clone, Debug)]
pub struct Job {
    pub project: u64,
    pub status: &'static str,
    pub error: Option<String>,
    /// The members of the reply that the Community edition gives at once.
    pub result: Map<String, Value>,
}

/// A task that has been looked at and is ready to be stored.
#[derive(Clone, Debug)]
pub struct Item {
    data: Value,
    meta: Value,
    annotations: Vec<Value>,
    predictions: Vec<Value>,
    upload: Option<u64>,
    surrogate: bool,
}

impl Item {
    #[must_use]
    pub fn of(mut self, upload: u64) -> Item {
        self.upload = Some(upload);
        self
    }

    #[must_use]
    pub fn upload(&self) -> Option<u64> {
        self.upload
    }

    /// Of an upload that is only read.
    #[must_use]
    pub fn unchecked(item: Value) -> Item {
        ready_one(item)
    }

    #[must_use]
    pub fn is_annotated(&self) -> bool {
        !(self.annotations.is_empty() && self.predictions.is_empty())
    }
}

/// What came of storing.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub ids: Vec<u64>,
    pub annotations: usize,
    pub predictions: usize,
}

pub struct State {
    pub projects: BTreeMap<u64, Project>,
    /// Imports and reimports: numbered apart.
    pub jobs: BTreeMap<(&'static str, u64), Job>,
    pub prng: Prng,
    database: Database,
    next: [u64; 4],
}

const UPLOAD: usize = 0;
const TASK: usize = 1;
const PROJECT: usize = 2;
const PART: usize = 3;

impl State {
    pub fn new(options: &Options) -> State {
        let mut state = State {
            projects: BTreeMap::new(),
            jobs: BTreeMap::new(),
            prng: Prng::new(1),
            database: options.database,
            next: [0; 4],
        };
        for label_config in &options.projects {
            state.create("import-target", label_config);
        }
        state
    }

    fn number(&mut self, of: usize) -> u64 {
        self.next[of] += 1;
        self.next[of]
    }

    pub fn create(&mut self, title: &str, label_config: &str) -> u64 {
        let id = self.number(PROJECT);
        let (title, label_config) = (title.to_owned(), label_config.to_owned());
        let project = Project {
            id,
            title,
            label_config,
            tasks: Vec::new(),
            uploads: Vec::new(),
            poisoned: false,
        };
        self.projects.insert(id, project);
        id
    }

    /// Keeps a file; the caller knows that the project is there.
    pub fn upload(&mut self, project: u64, name: &str, bytes: Bytes) -> u64 {
        let (id, prefix) = (self.number(UPLOAD), self.prng.next() >> 32);
        let mut name: String = name
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('_'),
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => Some(c),
                c if c.is_alphanumeric() => Some(c),
                _ => None,
            })
            .collect();
        let room = 100 - format!("upload/{project}/").len() - 9;
        if name.len() > room {
            let (stem, end) = name.rsplit_once('.').unwrap_or((&name, ""));
            let stem: String = stem.chars().take(room - end.len() - 9).collect();
            name = format!("{stem}_{:07x}.{end}", self.prng.next() >> 36);
        }
        let file = format!("upload/{project}/{prefix:08x}-{name}");
        self.project(project)
            .uploads
            .push(Upload { id, file, bytes });
        id
    }

    pub fn project(&mut self, id: u64) -> &mut Project {
        self.projects
            .get_mut(&id)
            .expect("the request was refused if the project is not there")
    }

    /// The items of an upload, wrapped as the server wraps them; a 400 if it is no list of tasks.
    pub fn read(&mut self, project: u64, upload: u64) -> Result<Vec<Value>, Answer> {
        let upload = self
            .project(project)
            .uploads
            .iter()
            .find(|one| one.id == upload)
            .cloned();
        let Some(upload) = upload else {
            return Ok(Vec::new());
        };
        let failed =
            |why: &str| format!("Failed to parse input file {}: {why}", upload.stored_name());
        let text = String::from_utf8_lossy(&upload.bytes);
        let value = match serde_json::from_str::<Value>(&text) {
            Ok(value) => value,
            // These the server's own parser takes, and then they break what comes after it.
            Err(_) => serde_json::from_str(&without_oddities(&text)).map_err(|_| {
                let why = failed("Unexpected character found when decoding array value (2)");
                Answer::invalid(&json!({ "non_field_errors": [why] }), &mut self.prng)
            })?,
        };
        let items = match value {
            Value::Array(items) => items,
            object => vec![object],
        };
        let mut wrapped = Vec::with_capacity(items.len());
        for item in items {
            let Value::Object(mut item) = item else {
                let kind = match item {
                    Value::Null => "NoneType",
                    Value::Bool(_) => "bool",
                    Value::Number(number) if number.is_f64() => "float",
                    Value::Number(_) => "int",
                    Value::String(_) => "str",
                    _ => "list",
                };
                let why = failed(&format!("'{kind}' object has no attribute 'get'"));
                return Err(Answer::invalid(
                    &json!({ "non_field_errors": [why] }),
                    &mut self.prng,
                ));
            };
            if !item.get("data").is_some_and(truthy) {
                item = Map::from_iter([("data".to_owned(), Value::Object(item))]);
            }
            item.insert("file_upload_id".to_owned(), upload.id.into());
            wrapped.push(Value::Object(item));
        }
        Ok(wrapped)
    }

    /// Looks at every item as the server does before it stores any.
    pub fn check(&mut self, project: u64, items: Vec<Value>) -> Result<Vec<Item>, Answer> {
        if items.is_empty() {
            let errors = json!({ "non_field_errors": ["load_tasks: No tasks added"] });
            return Err(Answer::invalid(&errors, &mut self.prng));
        }
        if items.iter().any(Value::is_null) {
            return Err(Answer::error(
                500,
                "argument of type 'NoneType' is not iterable",
                &mut self.prng,
            ));
        }
        let keys = required(&self.project(project).label_config);
        let mut errors = Vec::new();
        let mut ready = Vec::new();
        for (i, item) in items.into_iter().enumerate() {
            match check_one(&keys, &item) {
                Ok(()) => errors.push(json!({})),
                Err(why) => {
                    errors.push(format!("Error at item {i}: {why} :: {}", shown(&item)).into());
                    // The server's own rule, which is not quite what its authors meant.
                    if errors.len() >= 100 {
                        errors[99] = "...".into();
                        break;
                    }
                }
            }
            ready.push(item);
        }
        if errors.iter().any(Value::is_string) {
            return Err(Answer::invalid(
                &json!({ "non_field_errors": errors }),
                &mut self.prng,
            ));
        }
        for annotation in ready
            .iter()
            .filter_map(|item| item["annotations"].as_array())
            .flatten()
        {
            if annotation["completed_by"]
                .as_u64()
                .is_some_and(|id| id != 1)
            {
                let id = &annotation["completed_by"];
                let why = format!(
                    "Import data contains completed_by={id} which is not a valid annotator's email or ID"
                );
                return Err(Answer::invalid(
                    &json!({ "non_field_errors": [why] }),
                    &mut self.prng,
                ));
            }
        }
        let text = Value::Array(ready.clone()).to_string();
        if text.contains(NOT_FINITE)
            || self.database == Database::Postgres && text.contains(SURROGATE)
        {
            let detail = match self.database {
                Database::Sqlite => {
                    "CHECK constraint failed: (JSON_VALID(\"data\") OR \"data\" IS NULL)"
                }
                Database::Postgres => "invalid input syntax for type json",
            };
            return Err(Answer::error(500, detail, &mut self.prng));
        }
        if self.database == Database::Postgres && text.contains("\\u0000") {
            return Err(Answer::error(
                500,
                "unsupported Unicode escape sequence",
                &mut self.prng,
            ));
        }
        Ok(ready.into_iter().map(ready_one).collect())
    }

    /// Stores all items at once and removes these tasks.
    pub fn store(&mut self, project: u64, items: &[Item], remove: &[u64], extras: bool) -> Stored {
        let last = self
            .projects
            .values()
            .flat_map(|project| &project.tasks)
            .map(|task| task.id)
            .max()
            .unwrap_or(0);
        let mut stored = Stored::default();
        let kept = self.project(project);
        kept.tasks.retain(|task| !remove.contains(&task.id));
        let mut inner_id = kept
            .tasks
            .iter()
            .map(|task| task.inner_id)
            .max()
            .unwrap_or(0);
        let mut id = match self.database {
            Database::Sqlite => last,
            Database::Postgres => self.next[TASK].max(last),
        };
        for item in items {
            (id, inner_id) = (id + 1, inner_id + 1);
            let mut task = Task {
                id,
                inner_id,
                data: item.data.clone(),
                meta: item.meta.clone(),
                annotations: if extras {
                    item.annotations.clone()
                } else {
                    Vec::new()
                },
                predictions: if extras {
                    item.predictions.clone()
                } else {
                    Vec::new()
                },
                file_upload: item.upload,
            };
            for part in task.annotations.iter_mut().chain(&mut task.predictions) {
                let number = self.number(PART);
                part["id"] = number.into();
            }
            stored.annotations += task.annotations.len();
            stored.predictions += task.predictions.len();
            stored.ids.push(id);
            let kept = self.project(project);
            kept.poisoned |= item.surrogate;
            kept.tasks.push(task);
        }
        self.next[TASK] = self.next[TASK].max(id);
        stored
    }

    pub fn job(&mut self, kind: &'static str, project: u64) -> u64 {
        let id = 1 + self
            .jobs
            .keys()
            .filter(|(of, _)| *of == kind)
            .map(|(_, id)| *id)
            .max()
            .unwrap_or(0);
        self.jobs.insert(
            (kind, id),
            Job {
                project,
                status: "created",
                error: None,
                result: Map::new(),
            },
        );
        id
    }

    pub fn uuid(&mut self) -> String {
        uuid(&mut self.prng)
    }
}

/// The item as an error shows it: the task's own members first, as a client would write them.
fn shown(item: &Value) -> String {
    let Value::Object(members) = item else {
        return repr(item);
    };
    let first = ["data", "meta", "annotations", "predictions"];
    let mut names: Vec<&String> = members.keys().collect();
    names.sort_by_key(|name| {
        (
            first.iter().position(|one| one == name).unwrap_or(4),
            *name == "file_upload_id",
        )
    });
    let member = |name: &&String| format!("'{name}': {}", repr(&members[*name]));
    format!(
        "{{{}}}",
        names.iter().map(member).collect::<Vec<_>>().join(", ")
    )
}

fn check_one(keys: &[(String, String)], item: &Value) -> Result<(), String> {
    let Value::Object(members) = item else {
        return Err("Task item should be dict".to_owned());
    };
    let (data, assumed) = match members.get("data") {
        Some(data) => (data, "[assume: item[\"data\"] = task root with values]"),
        None => (item, "[assume: item as is = task root with values] "),
    };
    let Value::Object(data) = data else {
        return Err("Task item should be dict".to_owned());
    };
    for (tag, key) in keys {
        let Some(value) = data.get(key) else {
            return Err(format!("\"{key}\" key is expected in task data {assumed}"));
        };
        let kind = match value {
            Value::Null => "NoneType",
            Value::Object(_) => "dict",
            _ => continue,
        };
        if tag == "Text" {
            return Err(format!(
                "data['{key}']={} is of type '{kind}', but the object tag Text expects the following types: \
                 ['str', 'int', 'float', 'list'] {assumed}",
                repr(value)
            ));
        }
    }
    let annotations = members.get("annotations").and_then(Value::as_array);
    if annotations.is_some_and(|all| all.iter().any(|one| one.get("result").is_none())) {
        return Err("Annotation must have \"result\" fields".to_owned());
    }
    Ok(())
}

fn ready_one(mut item: Value) -> Item {
    let surrogate = item.to_string().contains(SURROGATE);
    let parts = |value: Value| value.as_array().cloned().unwrap_or_default();
    let upload = item["file_upload_id"].as_u64();
    match item.get_mut("data").map(Value::take) {
        Some(data) => Item {
            data,
            meta: item["meta"].take(),
            annotations: parts(item["annotations"].take()),
            predictions: parts(item["predictions"].take()),
            upload,
            surrogate,
        },
        None => Item {
            data: item,
            meta: Value::Null,
            annotations: vec![],
            predictions: vec![],
            upload,
            surrogate,
        },
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(true) => true,
    }
}

/// Tag and key of every element that names one: `<Text name="t" value="$text"/>`.
fn required(label_config: &str) -> Vec<(String, String)> {
    let element = |text: &str| {
        let tag: String = text
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let value = text.split_once("value=\"$")?.1.split_once('"')?.0;
        text.contains("name=\"").then(|| (tag, value.to_owned()))
    };
    label_config.split('<').filter_map(element).collect()
}

/// A request's body as JSON, or the server's answer to what is none.
pub fn body_json(bytes: &[u8], prng: &mut Prng) -> Result<Value, Answer> {
    // Nothing, which a chunked body looks like, is read as an empty form.
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    let text = String::from_utf8_lossy(bytes);
    let error = match serde_json::from_str(&text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Ok(value) = serde_json::from_str(&without_oddities(&text)) {
        return match ["NaN", "Infinity"]
            .iter()
            .find(|token| text.contains(*token))
        {
            Some(token) => {
                let why = format!(
                    "JSON parse error - Out of range float values are not JSON compliant: '{token}'"
                );
                Err(Answer::error(400, &why, prng))
            }
            None => Ok(value),
        };
    }
    let (line, column) = (error.line(), error.column().max(1));
    let before: usize = text.lines().take(line - 1).map(|line| line.len() + 1).sum();
    let place = format!("line {line} column {column} (char {})", before + column - 1);
    Err(Answer::error(
        400,
        &format!("JSON parse error - Expecting value: {place}"),
        prng,
    ))
}

/// Stands in the stored text for what JSON cannot hold, for the database to trip over.
const NOT_FINITE: &str = "\u{f8ff}not-finite";
const SURROGATE: &str = "\u{f8ff}surrogate";

/// The text with NaN, Infinity and 1e400 (`x` below), and lone surrogates, made into marks that parse.
fn without_oddities(text: &str) -> String {
    let mut out = text.to_owned();
    for token in ["-Infinity", "Infinity", "NaN", "1e400"] {
        for before in [":", ": ", "[", ",", ", "] {
            out = out.replace(
                &format!("{before}{token}"),
                &format!("{before}\"{NOT_FINITE}\""),
            );
        }
    }
    for digit in ["\\ud8", "\\udc", "\\uD8", "\\uDC"] {
        while let Some(at) = out.find(digit) {
            let end = out.len().min(at + 6);
            out.replace_range(at..end, SURROGATE);
        }
    }
    out
}
