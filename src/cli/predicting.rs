//! What the user says of predictions, made into what makes them.

use std::sync::Arc;

use super::args::FieldArguments;
use crate::error::{Code, Error, Result};
use crate::labelling_config::LabellingConfig;
use crate::normalize::predictions::PredictionsFrom;
use crate::plan::Plan;

impl FieldArguments {
    /// Has a plan make predictions, if fields for them are given: the fields are read even where they are not picked.
    ///
    /// # Errors
    /// When there is no labelling config, or it has no such controls.
    pub(super) fn predict(
        &self,
        plan: &mut Plan,
        config: Option<Arc<LabellingConfig>>,
    ) -> Result<()> {
        if self.predictions_from.is_empty() {
            return Ok(());
        }
        let Some(config) = config else {
            return Err(Error::new(
                Code::Usage,
                "`--predictions-from` needs the labelling config",
            )
            .help("name the file it is in with `--label-config`"));
        };
        let from = self.predictions_from.iter().map(|words| {
            let (control, column) = words.split_once('=').unwrap_or((words, words));
            (control.to_owned(), column.to_owned())
        });
        let from: Vec<_> = from.collect();
        let (version, score) = (&self.model_version, self.score_from.as_deref());
        let from = PredictionsFrom::new(config, &from, version, score)?;
        if let Some(pick) = &mut plan.reading.pick {
            let picked = pick.len();
            for column in from.columns() {
                if !pick[..picked].contains(column) {
                    pick.push(column.clone());
                }
            }
        }
        Arc::make_mut(&mut plan.normalizer).predictions = Some(Arc::new(from));
        Ok(())
    }
}
