//! Evaluation data sets: made, found, tagged, and used by experiments. Their records stand in `evaluation_records.rs`.
//! Part of the MLflow dialect.

use lazuli_spec::evaluation_datasets::{self as rules, EvaluationDataset, TAG_USER};
use lazuli_spec::experiments::ExperimentId;
use lazuli_spec::filters::{parse_filter, parse_order_by, vocabularies};
use lazuli_spec::runs::KeyValue;
use lazuli_spec::{Action, ErrorCode, Page, limits};
use lazuli_store::evaluation_dataset_search::{Search, search};
use lazuli_store::evaluation_datasets::{self as rows, DatasetRow};
use lazuli_store::{Tx, experiments};

use crate::experiments::SearchRequest;
use crate::tracking_pages::{read_place, write_place};
use crate::{Access, Caller, Core, Error, Result};

impl Core {
    /// Makes a data set for some experiments.
    pub async fn create_evaluation_dataset(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        tags: Vec<KeyValue>,
        experiments: Vec<ExperimentId>,
    ) -> Result<EvaluationDataset> {
        rules::name(name)?;
        let access = self.writing(caller, workspace).await?;
        let (id, now) = (access.workspace_id().to_owned(), self.now());
        let user = tags.iter().find(|tag| tag.key == TAG_USER);
        let user = user.map(|tag| tag.value.clone());
        let dataset = EvaluationDataset {
            dataset_id: format!("d-{}", self.ids().uuid_hex()),
            name: name.to_owned(),
            tags,
            schema: None,
            records: 0,
            digest: rules::digest(name, now),
            created_at: now,
            updated_at: now,
            created_by: user.clone(),
            last_updated_by: user,
        };
        access
            .write(target(&dataset.dataset_id), move |tx, _| {
                let dataset_no = rows::insert(tx, &id, &dataset)?;
                let numbers = numbers(tx, &id, &experiments)?;
                rows::link(tx, dataset_no, &numbers)?;
                Ok(dataset)
            })
            .await
    }

    /// One data set.
    pub async fn get_evaluation_dataset(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
    ) -> Result<EvaluationDataset> {
        let access = self.reading(caller, workspace).await?;
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        access
            .read(move |tx| Ok(existing(tx, &id, &dataset_id, false)?.dataset))
            .await
    }

    /// Deletes a data set with its records; one that is not there is no error.
    pub async fn delete_evaluation_dataset(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
    ) -> Result<()> {
        let action = Action::EvaluationDatasetsDelete;
        let access = self.access(caller, workspace, action).await?;
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        access
            .write(target(&dataset_id), move |tx, change| {
                if !rows::delete(tx, &id, &dataset_id)? {
                    change.nothing();
                }
                Ok(())
            })
            .await
    }

    /// Data sets that fulfil a filter, of some experiments or of all; newest first unless ordered otherwise.
    pub async fn search_evaluation_datasets(
        &self,
        caller: &Caller,
        workspace: &str,
        experiments: Vec<ExperimentId>,
        request: SearchRequest,
    ) -> Result<Page<EvaluationDataset>> {
        let access = self.reading(caller, workspace).await?;
        let limit = limits::page_size(request.limit.into())?;
        let vocabulary = &vocabularies::EVALUATION_DATASETS;
        let mut query = request.fingerprint("evaluation-datasets");
        query.extend(experiments.iter().map(ToString::to_string));
        let wanted = Search {
            experiments,
            filter: parse_filter(vocabulary, &request.filter)?,
            order: parse_order_by(vocabulary, &request.order_by)?,
            after: request
                .page_token
                .as_deref()
                .map(|token| read_place(&query, token))
                .transpose()?,
            limit: limit + 1,
        };
        let id = access.workspace_id().to_owned();
        let found = access.read(move |tx| Ok(search(tx, &id, &wanted)?)).await?;
        let page = Page::from_rows(found, limit, |(_, place)| write_place(&query, place));
        Ok(page.map(|(row, _)| row.dataset))
    }

    /// Sets tags. That changes neither the digest nor the time of the last change.
    pub async fn set_evaluation_dataset_tags(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        tags: Vec<KeyValue>,
    ) -> Result<()> {
        let access = self.writing(caller, workspace).await?;
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        access
            .write(target(&dataset_id), move |tx, _| {
                let row = existing(tx, &id, &dataset_id, true)?;
                for tag in &tags {
                    rows::set_tag(tx, row.dataset_no, tag)?;
                }
                Ok(())
            })
            .await
    }

    /// Removes a tag; what is not there is no error.
    pub async fn delete_evaluation_dataset_tag(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        key: &str,
    ) -> Result<()> {
        let access = self.writing(caller, workspace).await?;
        let id = access.workspace_id().to_owned();
        let (dataset_id, key) = (dataset_id.to_owned(), key.to_owned());
        access
            .write(target(&dataset_id), move |tx, change| {
                let row = rows::find(tx, &id, &dataset_id, true)?;
                let gone = match row {
                    Some(row) => rows::delete_tag(tx, row.dataset_no, &key)?,
                    None => false,
                };
                if !gone {
                    change.nothing();
                }
                Ok(())
            })
            .await
    }

    /// The experiments that use a data set; none when there is no such data set.
    pub async fn evaluation_dataset_experiments(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
    ) -> Result<Vec<ExperimentId>> {
        let access = self.reading(caller, workspace).await?;
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        access
            .read(move |tx| {
                let Some(row) = rows::find(tx, &id, &dataset_id, false)? else {
                    return Ok(Vec::new());
                };
                Ok(rows::experiments(tx, row.dataset_no)?)
            })
            .await
    }

    /// Says that experiments use a data set. All of them must exist.
    pub async fn add_evaluation_dataset_to_experiments(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        experiments: Vec<ExperimentId>,
    ) -> Result<EvaluationDataset> {
        self.change_experiments(caller, workspace, dataset_id, move |tx, id, dataset_no| {
            let numbers = numbers(tx, id, &experiments)?;
            rows::link(tx, dataset_no, &numbers)?;
            Ok(true)
        })
        .await
    }

    /// Says that experiments use a data set no longer. Those that did not use it are no error.
    pub async fn remove_evaluation_dataset_from_experiments(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        experiments: Vec<ExperimentId>,
    ) -> Result<EvaluationDataset> {
        self.change_experiments(caller, workspace, dataset_id, move |tx, id, dataset_no| {
            let numbers = experiments::numbers(tx, id, &experiments)?;
            Ok(rows::unlink(tx, dataset_no, &numbers)? > 0)
        })
        .await
    }

    async fn change_experiments(
        &self,
        caller: &Caller,
        workspace: &str,
        dataset_id: &str,
        edit: impl FnOnce(&mut Tx<'_>, &str, i64) -> Result<bool> + Send + 'static,
    ) -> Result<EvaluationDataset> {
        let access = self.writing(caller, workspace).await?;
        let (id, dataset_id) = (access.workspace_id().to_owned(), dataset_id.to_owned());
        access
            .write(target(&dataset_id), move |tx, change| {
                let row = rows::find(tx, &id, &dataset_id, true)?;
                let mut row =
                    row.ok_or_else(|| not_found(format!("Dataset '{dataset_id}' not found")))?;
                if edit(tx, &id, row.dataset_no)? {
                    row.dataset.updated_at = change.now();
                    rows::update(tx, &row)?;
                } else {
                    change.nothing();
                }
                Ok(row.dataset)
            })
            .await
    }

    async fn reading(&self, caller: &Caller, workspace: &str) -> Result<Access> {
        let action = Action::EvaluationDatasetsRead;
        self.access(caller, workspace, action).await
    }

    async fn writing(&self, caller: &Caller, workspace: &str) -> Result<Access> {
        let action = Action::EvaluationDatasetsWrite;
        self.access(caller, workspace, action).await
    }
}

/// The data set, which must be there.
pub(crate) fn existing(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    dataset_id: &str,
    lock: bool,
) -> Result<DatasetRow> {
    let missing = || {
        not_found(format!(
            "Evaluation dataset with id '{dataset_id}' not found"
        ))
    };
    rows::find(tx, workspace_id, dataset_id, lock)?.ok_or_else(missing)
}

/// How the audit names a data set.
pub(crate) fn target(dataset_id: &str) -> String {
    format!("evaluationDatasets/{dataset_id}")
}

fn not_found(message: String) -> Error {
    Error::new(ErrorCode::NotFound, message)
}

/// The numbers of experiments, all of which must exist.
fn numbers(tx: &mut Tx<'_>, workspace_id: &str, ids: &[ExperimentId]) -> Result<Vec<i64>> {
    let numbers = experiments::numbers(tx, workspace_id, ids)?;
    if numbers.len() == ids.len() {
        return Ok(numbers);
    }
    for id in ids {
        if experiments::numbers(tx, workspace_id, &[*id])?.is_empty() {
            return Err(not_found(format!("No Experiment with id={id}")));
        }
    }
    Ok(numbers)
}
