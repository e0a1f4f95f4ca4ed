//! The calls that are no imports: looking, counting, deleting, creating.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use serde_json::{Map, Value, json};

use super::answers::{Answer, VERSION};
use super::serve::{Shared, bool_of, ids_of};
use super::store::{Project, State, Task, Upload, body_json};

/// Everything that is no import.
pub fn other(
    shared: &Shared,
    parts: &Parts,
    segments: &[&str],
    query: &BTreeMap<String, String>,
    bytes: &[u8],
) -> Answer {
    let ok = |body: Value| Answer::json(200, body.to_string());
    if let (_, ["api", "token", "refresh"]) = (parts.method.as_str(), segments) {
        return shared.refresh(bytes);
    }
    shared.with(|state| {
        let id = |text: &str| text.parse::<u64>().ok().filter(|id| state.projects.contains_key(id));
        let here = match segments {
            ["api", "projects", number, ..] => id(number),
            ["api", "tasks" | "dm", ..] => query.get("project").and_then(|number| id(number)),
            _ => None,
        };
        let missing = |state: &mut State| Answer::error(404, "No Project matches the given query.", &mut state.prng);
        match (parts.method.as_str(), segments) {
            (_, ["health"] | ["api", "health"]) => {
                Answer { html: true, ..Answer::json(200, r#"{"status": "UP"}"#.to_owned()) }
            }
            (_, ["api", "version"]) => ok(json!({"release": VERSION, "edition": "Community"})),
            (_, ["version"]) => {
                let body = format!("<pre>{{\n  \"release\": \"{VERSION}\",\n  \"edition\": \"Community\"\n}}</pre>");
                Answer { html: true, ..Answer::json(200, body) }
            }
            ("POST", ["api", "projects"]) => create(state, bytes),
            ("GET", ["api", "projects"]) => {
                let all: Vec<Value> = state.projects.values().map(project_json).collect();
                ok(json!({"count": all.len(), "next": null, "previous": null, "results": all}))
            }
            ("GET", ["api", "projects", "counts"]) => {
                let ids: Vec<u64> =
                    query.get("ids").into_iter().flat_map(|ids| ids.split(',')).filter_map(|id| id.parse().ok()).collect();
                let one = |project: &Project| json!({"id": project.id, "task_number": project.tasks.len()});
                let results: Vec<Value> = state.projects.values().filter(|one| ids.contains(&one.id)).map(one).collect();
                ok(json!({"count": results.len(), "next": null, "previous": null, "results": results}))
            }
            ("GET", ["api", "projects", _]) => match here {
                Some(id) => ok(only(project_json(&state.projects[&id]), query.get("include"))),
                None => missing(state),
            },
            ("GET", ["api", "projects", _, kind @ ("imports" | "reimports"), number]) => {
                let kind = if *kind == "imports" { "import" } else { "reimport" };
                let job = number.parse().ok().and_then(|number| state.jobs.get(&(kind, number)).map(|job| (number, job)));
                if let Some((number, job)) = job.filter(|(_, job)| Some(job.project) == here) {
                    let mut body = json!({
                        "id": number, "project": job.project, "status": job.status, "error": job.error,
                        "task_count": 0, "annotation_count": 0, "prediction_count": 0, "duration": 0,
                        "file_upload_ids": [], "found_formats": [], "data_columns": [],
                    });
                    body.as_object_mut().expect("an object").extend(job.result.clone());
                    return ok(body);
                }
                let model = if kind == "import" { "ProjectImport" } else { "ProjectReimport" };
                Answer::error(404, &format!("No {model} matches the given query."), &mut state.prng)
            }
            (method, ["api", "projects", _, "file-uploads"]) => {
                let Some(here) = here else { return Answer::html(404) };
                match method {
                    "GET" if bool_of(query, "all", false) == Ok(true) => {
                        let one = |one: &Upload| {
                            format!(r#"{{"id":{},"file":"{}","size":{}}}"#, one.id, one.file, one.bytes.len())
                        };
                        let all: Vec<String> = state.project(here).uploads.iter().map(one).collect();
                        Answer::json(200, format!("[{}]", all.join(",")))
                    }
                    "GET" => Answer::json(200, "[]".to_owned()),
                    "DELETE" => delete_uploads(state, here, bytes),
                    _ => Answer::error(405, &format!("Method \"{method}\" not allowed."), &mut state.prng),
                }
            }
            ("GET", ["api", "tasks"]) => match here {
                Some(here) => tasks(state, here, query),
                None => missing(state),
            },
            ("POST", ["api", "dm", "actions"]) => match here {
                Some(here) => delete_tasks(state, here, query, bytes),
                None => missing(state),
            },
            _ => Answer::html(404),
        }
    })
}

fn create(state: &mut State, bytes: &[u8]) -> Answer {
    let body = match body_json(bytes, &mut state.prng) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let (title, config) = (
        body["title"].as_str().unwrap_or(""),
        body["label_config"].as_str().unwrap_or("<View></View>"),
    );
    let length = title.chars().count();
    let wrong = match length {
        0..3 => Some("Ensure this field has at least 3 characters."),
        51.. => Some("Ensure this field has no more than 50 characters."),
        _ => None,
    };
    if let Some(why) = wrong {
        return Answer::invalid(&json!({ "title": [why] }), &mut state.prng);
    }
    let id = state.create(title, config);
    Answer::json(201, project_json(&state.projects[&id]).to_string())
}

fn project_json(project: &Project) -> Value {
    let count = |of: fn(&Task) -> usize| project.tasks.iter().map(of).sum::<usize>();
    json!({
        "id": project.id,
        "title": project.title,
        "description": "",
        "label_config": project.label_config,
        "organization": 1,
        "maximum_annotations": 1,
        "is_draft": false,
        "is_published": false,
        "created_by": {"id": 1, "first_name": "", "last_name": "", "email": "admin@example.com", "avatar": null},
        "task_number": project.tasks.len(),
        "total_annotations_number": count(|task| task.annotations.len()),
        "total_predictions_number": count(|task| task.predictions.len()),
        "parsed_label_config": {},
    })
}

/// The members that `include` names.
fn only(value: Value, include: Option<&String>) -> Value {
    let (Value::Object(members), Some(include)) = (&value, include) else {
        return value;
    };
    let wanted: Vec<&str> = include.split(',').collect();
    let kept = members
        .iter()
        .filter(|(name, _)| wanted.contains(&name.as_str()));
    Value::Object(
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// One filter.
type Test = Box<dyn Fn(&Task) -> bool>;

/// Whether a task is one that these filters of the Data Manager let through.
fn filter(filters: &Value, uploads: &[Upload]) -> Result<impl Fn(&Task) -> bool + use<>, String> {
    let mut tests: Vec<Test> = Vec::new();
    for item in filters["items"].as_array().into_iter().flatten() {
        let (name, operator) = (
            item["filter"].as_str().unwrap_or(""),
            item["operator"].as_str().unwrap_or(""),
        );
        let value = item["value"].clone();
        match (name.strip_prefix("filter:tasks:"), operator) {
            (Some("file_upload_id"), "equal") => {
                let wanted = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                tests.push(Box::new(move |task| {
                    task.file_upload == wanted && wanted.is_some()
                }));
            }
            (Some("file_upload"), "equal" | "contains") => {
                let text = value.as_str().unwrap_or("").to_lowercase();
                let exact = operator == "equal";
                let fits = |file: &str| {
                    if exact {
                        file == text
                    } else {
                        file.to_lowercase().contains(&text)
                    }
                };
                let ids: Vec<u64> = uploads
                    .iter()
                    .filter(|one| fits(&one.file))
                    .map(|one| one.id)
                    .collect();
                tests.push(Box::new(move |task| {
                    task.file_upload.is_some_and(|id| ids.contains(&id))
                }));
            }
            _ => return Err(format!("the fake does not know the filter {item}")),
        }
    }
    let any = filters["conjunction"] == "or";
    Ok(move |task: &Task| {
        if any {
            tests.iter().any(|test| test(task))
        } else {
            tests.iter().all(|test| test(task))
        }
    })
}

fn tasks(state: &mut State, here: u64, query: &BTreeMap<String, String>) -> Answer {
    let project = &state.projects[&here];
    let view: Value = query
        .get("query")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let keep = match filter(&view["filters"], &project.uploads) {
        Ok(keep) => keep,
        Err(why) => return Answer::error(500, &why, &mut state.prng),
    };
    let number = |name: &str, default: usize| {
        query
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (size, page) = (number("page_size", 100).max(1), number("page", 1));
    let found: Vec<&Task> = project.tasks.iter().filter(|task| keep(task)).collect();
    if page == 0 || page > 1 && (page - 1) * size >= found.len() {
        return Answer::error(404, "Invalid page.", &mut state.prng);
    }
    if project.poisoned {
        let detail =
            "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed";
        return Answer::error(500, detail, &mut state.prng);
    }
    let (mut annotations, mut predictions) = (0, 0);
    for task in &found {
        annotations += task.annotations.len();
        predictions += task.predictions.len();
    }
    let shown: Vec<Value> = found
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|task| only(task_json(task, project), query.get("include")))
        .collect();
    let total = found.len();
    let shown = Value::from(shown);
    Answer::json(
        200,
        format!(
            r#"{{"total_annotations":{annotations},"total_predictions":{predictions},"total":{total},"tasks":{shown}}}"#
        ),
    )
}

fn task_json(task: &Task, project: &Project) -> Value {
    let part = |part: &Value, more: Value| {
        let mut members: Map<String, Value> = more.as_object().cloned().unwrap_or_default();
        members.extend([
            ("task".to_owned(), task.id.into()),
            ("project".to_owned(), project.id.into()),
        ]);
        members.extend(part.as_object().cloned().unwrap_or_default());
        Value::Object(members)
    };
    let annotation =
        json!({"completed_by": 1, "was_cancelled": false, "ground_truth": true, "lead_time": null});
    let prediction =
        json!({"model_version": "undefined", "score": null, "cluster": null, "neighbors": null});
    let annotations: Vec<Value> = task
        .annotations
        .iter()
        .map(|one| part(one, annotation.clone()))
        .collect();
    let predictions: Vec<Value> = task
        .predictions
        .iter()
        .map(|one| part(one, prediction.clone()))
        .collect();
    let file = project
        .uploads
        .iter()
        .find(|one| Some(one.id) == task.file_upload)
        .map(Upload::stored_name);
    json!({
        "id": task.id,
        "inner_id": task.inner_id,
        "project": project.id,
        "data": task.data,
        "meta": if task.meta.is_null() { json!({}) } else { task.meta.clone() },
        "annotations": annotations,
        "predictions": predictions,
        "total_annotations": annotations.len(),
        "total_predictions": predictions.len(),
        "cancelled_annotations": 0,
        "drafts": [],
        "file_upload": file,
        "storage_filename": null,
        "is_labeled": !annotations.is_empty(),
        "overlap": 1,
    })
}

fn delete_tasks(
    state: &mut State,
    here: u64,
    query: &BTreeMap<String, String>,
    bytes: &[u8],
) -> Answer {
    let body = match body_json(bytes, &mut state.prng) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    if query.get("id").map(String::as_str) != Some("delete_tasks") {
        return Answer::html(404);
    }
    let keep = match filter(&body["filters"], &state.projects[&here].uploads) {
        Ok(keep) => keep,
        Err(why) => return Answer::error(500, &why, &mut state.prng),
    };
    let picked = &body["selectedItems"];
    let listed = |name: &str, id: u64| {
        picked[name]
            .as_array()
            .is_some_and(|ids| ids.contains(&id.into()))
    };
    let goes = |task: &Task| {
        let chosen = if picked["all"] == true {
            !listed("excluded", task.id)
        } else {
            listed("included", task.id)
        };
        chosen && keep(task)
    };
    let project = state.project(here);
    let before = project.tasks.len();
    project.tasks.retain(|task| !goes(task));
    let count = before - project.tasks.len();
    Answer::json(
        200,
        format!(r#"{{"processed_items":{count},"reload":false,"detail":"Deleted {count} tasks"}}"#),
    )
}

fn delete_uploads(state: &mut State, here: u64, bytes: &[u8]) -> Answer {
    let body = match body_json(bytes, &mut state.prng) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let ids = ids_of(&body);
    let project = state.project(here);
    let before = project.uploads.len();
    project.uploads.retain(|one| !ids.contains(&one.id));
    for task in &mut project.tasks {
        task.file_upload = task.file_upload.filter(|id| !ids.contains(id));
    }
    Answer::json(
        200,
        format!(r#"{{"deleted":{}}}"#, before - project.uploads.len()),
    )
}
