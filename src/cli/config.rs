//! The labelling config of a run: from a file, or from the project that the run fills.

use std::path::Path;
use std::sync::Arc;

use super::delivery::{Named, Projects};
use super::import::Asked;
use crate::error::{Code, Error, Result};
use crate::label_studio::client::Client;
use crate::label_studio::failure::Failure;
use crate::label_studio::project::Project;
use crate::labelling_config::LabellingConfig;
use crate::labelling_config::prediction::Members;
use crate::pipeline::alone;
use crate::report::log;

/// What is known of what tasks are to fit.
pub(super) struct Known {
    /// The labelling config.
    pub(super) config: Arc<LabellingConfig>,
    /// Who may have made annotations.
    pub(super) members: Option<Members>,
}

/// What tasks are to fit; none if nothing is known of it.
///
/// # Errors
/// When it cannot be read, or Label Studio would not take it.
pub(super) fn of(asked: &Asked<'_>, named: &Named) -> Result<Option<Known>> {
    let path = asked.fields.label_config.as_deref();
    let held = !asked.fields.no_validation || !asked.fields.inline.is_empty();
    let (config, members) = match (path, named) {
        (None, Named::Directory(_) | Named::Stdout | Named::Objects(_) | Named::Redis(_)) => {
            return Ok(None);
        }
        (Some(path), Named::Directory(_) | Named::Stdout | Named::Objects(_) | Named::Redis(_)) => {
            (from_file(path)?, None)
        }
        (path, Named::Projects(projects)) => {
            let config = path.map(from_file).transpose()?;
            from_server(asked, projects, config)?
        }
    };
    if let Some(fault) = config.resolver_fault.as_ref().filter(|_| held) {
        let shown = path.map_or_else(
            || "the project's labelling config:".to_owned(),
            |path| format!("{}:", path.display()),
        );
        let message = format!("{shown}{fault}");
        return Err(Error::new(Code::LabelConfig, message).help(
            "Label Studio would take the config and show no text; `--no-validation` leaves that to it",
        ));
    }
    Ok(Some(Known {
        config: Arc::new(config),
        members,
    }))
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

/// The members of the first server, and the config of the first project if none is given; tasks that go to others are
/// checked against it too.
fn from_server(
    asked: &Asked<'_>,
    projects: &Projects,
    given: Option<LabellingConfig>,
) -> Result<(LabellingConfig, Option<Members>)> {
    let access = projects.access(asked.reach)?;
    let mut first: Option<(String, Option<Members>)> = None;
    for address in &projects.addresses {
        let client = Client::new(address, access.token.clone(), access.settings.clone())?;
        let project = Project::new(client, address);
        let xml = alone(async |_| project.about().await.map_err(Failure::into_error))?.label_config;
        match &first {
            None => {
                let members = alone(async |_| Ok(project.members().await.ok()))?;
                first = Some((xml, members));
            }
            Some((known, _)) if given.is_none() && *known != xml => {
                log::warn(format_args!(
                    "the projects differ in their labelling configs; tasks are held to the first one's"
                ));
            }
            Some(_) => {}
        }
    }
    let (xml, members) = first.unwrap_or_default();
    let config = match given {
        Some(config) => config,
        None => LabellingConfig::parse(&xml).map_err(|fault| {
            let message = format!("the project's labelling config cannot be understood: {fault}");
            Error::new(Code::LabelConfig, message).help(
                "name another with `--label-config FILE`, or go without with `--no-validation`",
            )
        })?,
    };
    Ok((config, members))
}
