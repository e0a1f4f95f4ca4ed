//! The projects that a run fills, one after another; new ones are made when those it was given are full.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::target::Target;
use crate::deliver::Run;
use crate::error::Result;
use crate::label_studio::failure::Failure;
use crate::label_studio::projects::{self, NewProject, TITLE_CHARACTERS};

use super::send::interrupted;

/// Tasks in one project that Label Studio's import guide advises.
pub const ADVISED_TASKS: u64 = 100_000;

/// Tries to make a project before a run gives up.
const TRIES: u32 = 5;

/// How tasks are spread over projects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Tasks in one project, at most; the guide advises about 100,000.
    pub most: u64,
    /// The titles of new projects: `{title}` stands for the first project's, `{number}` for a number from 2 on.
    pub title: String,
}

/// The titles of new projects, unless the user asks for others.
pub const TITLE: &str = "{title} {number}";

/// The projects of a run.
pub(super) struct Projects {
    spread: Option<Spread>,
    all: Mutex<Vec<Filled>>,
}

struct Filled {
    target: Target,
    /// How many more tasks it takes.
    room: u64,
}

impl Projects {
    pub(super) fn new(targets: Vec<Target>, spread: Option<Spread>) -> Self {
        let filled = |target| Filled {
            target,
            room: u64::MAX,
        };
        Projects {
            spread,
            all: Mutex::new(targets.into_iter().map(filled).collect()),
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Filled>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in the order in which they are filled.
    pub(super) fn targets(&self) -> Vec<Target> {
        self.all()
            .iter()
            .map(|filled| filled.target.clone())
            .collect()
    }

    /// Sees whether they are there, and how much room they have.
    ///
    /// # Errors
    /// When one cannot be asked.
    pub(super) async fn look(&self) -> Result<()> {
        for (at, target) in self.targets().iter().enumerate() {
            let about = target.project.about().await.map_err(Failure::into_error)?;
            if let Some(spread) = &self.spread {
                self.all()[at].room = spread.most.saturating_sub(about.task_number);
            }
        }
        Ok(())
    }

    /// Takes in the projects that a run has made before.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub(super) async fn adopt(&self, run: &str) -> Result<()> {
        if self.spread.is_none() {
            return Ok(());
        }
        let first = self.first();
        let made = projects::described(first.project.client(), &description(run))
            .await
            .map_err(Failure::into_error)?;
        for project in made {
            self.all().push(Filled {
                target: first.sibling(project),
                room: 0,
            });
        }
        self.look().await
    }

    fn first(&self) -> Target {
        // There is always one: what a run was given.
        self.all()[0].target.clone()
    }

    /// How much the project that is filled now takes, and which one it is; nothing if none has room.
    pub(super) fn current(&self) -> Option<(Target, u64)> {
        let all = self.all();
        let filled = all.iter().find(|filled| filled.room > 0)?;
        Some((filled.target.clone(), filled.room))
    }

    /// The one to ask what is wanted of the next import, and the room it has, or a new one would have.
    pub(super) fn next(&self) -> (Target, u64) {
        let most = self.spread.as_ref().map_or(u64::MAX, |spread| spread.most);
        self.current().unwrap_or_else(|| (self.first(), most))
    }

    /// A project with room; a new one is made if none has.
    ///
    /// # Errors
    /// When it cannot be made, or the run is stopped.
    pub(super) async fn with_room(&self, run_id: &str, run: &dyn Run) -> Result<(Target, u64)> {
        loop {
            if let Some(current) = self.current() {
                return Ok(current);
            }
            self.make(run_id, run).await?;
        }
    }

    async fn make(&self, run_id: &str, run: &dyn Run) -> Result<()> {
        let first = self.first();
        let about = first.project.about().await.map_err(Failure::into_error)?;
        let client = first.project.client();
        let (number, most) = match &self.spread {
            Some(spread) => (self.all().len() + 1, spread),
            None => return Ok(()),
        };
        let new = NewProject {
            title: title(&most.title, &about.title, number),
            description: description(run_id),
            label_config: about.label_config,
        };
        let known = self.targets();
        let mut tries = 0;
        let project = loop {
            tries += 1;
            let failure = match projects::create(client, &new).await {
                Ok(project) => break project,
                Err(failure) => failure,
            };
            if !failure.is_passing() || tries == TRIES {
                return Err(failure.into_error());
            }
            tokio::select! {
                () = tokio::time::sleep(client.settings().poll_interval * tries) => {}
                () = run.stopped() => return Err(interrupted()),
            }
            // The answer may be lost, and the project there.
            let made = projects::described(client, &new.description)
                .await
                .map_err(Failure::into_error)?;
            let unknown = |id: u64| known.iter().all(|target| target.project.id() != id);
            if let Some(project) = made.into_iter().find(|project| unknown(project.id())) {
                break project;
            }
        };
        self.all().push(Filled {
            target: first.sibling(project),
            room: most.most,
        });
        Ok(())
    }

    /// Tasks have come into a project.
    pub(super) fn filled(&self, target: &Target, tasks: usize) {
        let mut all = self.all();
        let filled = all
            .iter_mut()
            .find(|filled| filled.target.name == target.name && filled.room != u64::MAX);
        if let Some(filled) = filled {
            filled.room = filled.room.saturating_sub(tasks as u64);
        }
    }
}

/// What is said of a project that a run has made; it is found again by that.
fn description(run: &str) -> String {
    format!("made by sluice, run {run}")
}

/// The title of a new project; the first one's is cut so that all fits.
fn title(pattern: &str, first: &str, number: usize) -> String {
    let rest = pattern
        .replace("{number}", &number.to_string())
        .replacen("{title}", "", 1);
    let room = TITLE_CHARACTERS.saturating_sub(rest.chars().count());
    let first: String = first.chars().take(room).collect();
    let title = pattern
        .replace("{number}", &number.to_string())
        .replacen("{title}", &first, 1);
    title.chars().take(TITLE_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_fit_and_keep_their_number() {
        assert_eq!(title(TITLE, "Penguins", 2), "Penguins 2");
        assert_eq!(
            title("{title} ({number})", "é".repeat(60).as_str(), 12),
            format!("{} (12)", "é".repeat(45))
        );
        assert_eq!(title("part {number}", "Penguins", 3), "part 3");
        assert_eq!(
            title(&"x".repeat(60), "", 3).chars().count(),
            TITLE_CHARACTERS
        );
    }
}
