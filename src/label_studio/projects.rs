//! The projects of a server: made, and found by what is said of them.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, Payload, Purpose};
use super::failure::Outcome;
use super::project::{Project, or_default};

/// Projects on one page of the server's list.
const PAGE: usize = 100;

/// Characters of a project's title, at most (the contract, section 1).
pub const TITLE_CHARACTERS: usize = 50;

/// What a new project is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProject {
    /// Its title, of 3 to [`TITLE_CHARACTERS`] characters.
    pub title: String,
    /// What is said of it; [`described`] finds it by that.
    pub description: String,
    /// Its labelling config, an XML text.
    pub label_config: String,
}

/// Makes a project on a client's server.
///
/// # Errors
/// [`Failure::Invalid`](super::failure::Failure::Invalid) when the server refuses the title or the labelling config;
/// those of any request. If it is [`Failure::Unknown`](super::failure::Failure::Unknown), the project may be there.
pub async fn create(client: &Client, new: &NewProject) -> Outcome<Project> {
    #[derive(Deserialize)]
    struct Created {
        id: u64,
    }
    let NewProject {
        title,
        description,
        label_config,
    } = new;
    let payload =
        json!({ "title": title, "description": description, "label_config": label_config });
    let mut call = client.send(
        Method::POST,
        "api/projects",
        Payload::Json(payload),
        Purpose::Change,
    );
    call.timeout = client.settings().answer_timeout;
    let created: Created = client.call(&call).await?.parse()?;
    Ok(Project::of(client, created.id))
}

/// The projects with exactly this description, the oldest first.
///
/// # Errors
/// Those of a request that only reads, after its retries.
pub async fn described(client: &Client, description: &str) -> Outcome<Vec<Project>> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default)]
        next: Option<String>,
        results: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        id: u64,
        #[serde(default, deserialize_with = "or_default")]
        description: String,
    }
    let mut found = Vec::new();
    for page in 1.. {
        let mut call = client.get("api/projects");
        call.query = vec![
            ("page", page.to_string()),
            ("page_size", PAGE.to_string()),
            ("include", "id,description".into()),
        ];
        let page: Page = client.look(&call).await?.parse()?;
        let ours = page
            .results
            .iter()
            .filter(|listed| listed.description == description);
        found.extend(ours.map(|listed| listed.id));
        if page.next.is_none() {
            break;
        }
    }
    found.sort_unstable();
    Ok(found
        .into_iter()
        .map(|id| Project::of(client, id))
        .collect())
}
