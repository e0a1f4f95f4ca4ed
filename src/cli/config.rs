//! The labelling config of a run: from a file, or from the project that the run fills.

use std::path::Path;

use super::args::ImportArguments;
use super::delivery::{Named, Projects};
use crate::error::{Code, Error, Result};
use crate::label_studio::client::Client;
use crate::label_studio::failure::Failure;
use crate::label_studio::project::Project;
use crate::labelling_config::LabellingConfig;
use crate::pipeline::alone;

/// The labelling config that tasks are to fit; none if nothing is known of it.
///
/// # Errors
/// When it cannot be read, or Label Studio would not take it.
pub(super) fn of(arguments: &ImportArguments, named: &Named) -> Result<Option<LabellingConfig>> {
    match (&arguments.fields.label_config, named) {
        (Some(path), _) => from_file(path).map(Some),
        (None, Named::Projects(projects)) => from_server(arguments, projects).map(Some),
        (None, Named::Directory(_) | Named::Stdout) => Ok(None),
    }
}

fn from_file(path: &Path) -> Result<LabellingConfig> {
    let shown = path.display();
    let xml = std::fs::read_to_string(path).map_err(|e| {
        Error::new(
            Code::LabelConfig,
            format!("the labelling config `{shown}` cannot be read: {e}"),
        )
    })?;
    LabellingConfig::parse(&xml)
        .map_err(|fault| Error::new(Code::LabelConfig, format!("{shown}:{fault}")))
}

/// The config of the first project; tasks that go to others are checked against it too.
fn from_server(arguments: &ImportArguments, projects: &Projects) -> Result<LabellingConfig> {
    let access = projects.access(&arguments.delivery.server.reach)?;
    let mut abouts = Vec::new();
    for address in &projects.addresses {
        let client = Client::new(address, access.token.clone(), access.settings.clone())?;
        let project = Project::new(client, address);
        let about = alone(async |_| project.about().await.map_err(Failure::into_error))?;
        abouts.push(about.label_config);
    }
    let first = abouts.first().map(String::as_str).unwrap_or_default();
    if abouts.iter().any(|other| other != first) {
        eprintln!(
            "warning: the projects differ in their labelling configs; tasks are held to the first one's"
        );
    }
    LabellingConfig::parse(first).map_err(|fault| {
        let message = format!("the project's labelling config cannot be understood: {fault}");
        Error::new(Code::LabelConfig, message)
            .help("name another with `--label-config FILE`, or go without with `--no-validation`")
    })
}
