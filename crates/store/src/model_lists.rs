//! Lists of models and of one model's versions for the native dialect. MLflow's searches are in [`model_search`](crate::model_search).

use lazuli_spec::lists::SortKey;

use crate::lists::{Keyed, List, ListSearch, Rows};
use crate::model_versions::{self, VersionRow};
use crate::models::{self, ModelRow};
use crate::{StoreError, Tx};

/// The version that a list of models shows beside a model.
const NEWEST: &str =
    "(SELECT w.version_no FROM model_versions w WHERE w.model_no = m.model_no AND w.deleted = 0
     AND w.archived = 0 ORDER BY w.number DESC, w.created_at DESC, w.version_no DESC LIMIT 1)";

/// A page of models, complete; prompts are none. A tag is one of the model or of its newest version.
pub fn models(
    tx: &mut Tx<'_>,
    workspace_id: &str,
    search: &ListSearch,
) -> Result<Vec<Keyed<ModelRow>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.equal("m.workspace_id", workspace_id);
    list.only("m.is_prompt = 0");
    list.view("m.archived");
    list.prefix("m.name");
    list.tag(|test| {
        format!(
            "EXISTS (SELECT 1 FROM registered_model_tags t WHERE t.model_no = m.model_no AND {test})
             OR EXISTS (SELECT 1 FROM model_version_tags t WHERE t.version_no = {NEWEST} AND {test})"
        )
    });
    let rows = Rows {
        columns: models::COLUMNS,
        width: 7,
        from: "registered_models m",
        read: models::from_row,
        sorted_by: &[
            (SortKey::Name, "m.name"),
            (SortKey::CreatedAt, "m.created_at"),
            (SortKey::UpdatedAt, "m.updated_at"),
        ],
        unique: "m.name",
    };
    let (mut found, keys): (Vec<_>, Vec<_>) = list.run(tx, &rows)?.into_iter().unzip();
    models::complete(tx, &mut found)?;
    Ok(found.into_iter().zip(keys).collect())
}

/// A page of one model's versions, complete.
pub fn versions(
    tx: &mut Tx<'_>,
    model_no: i64,
    search: &ListSearch,
) -> Result<Vec<Keyed<VersionRow>>, StoreError> {
    let mut list = List::new(tx.dialect(), search);
    list.equal("v.model_no", model_no);
    list.only("v.deleted = 0");
    list.view("v.archived");
    list.prefix("v.version");
    list.tag(|test| {
        format!("EXISTS (SELECT 1 FROM model_version_tags t WHERE t.version_no = v.version_no AND {test})")
    });
    let rows = Rows {
        columns: model_versions::COLUMNS,
        width: 20,
        from: model_versions::FROM,
        read: model_versions::from_row,
        sorted_by: &[
            (SortKey::Version, "v.number"),
            (SortKey::CreatedAt, "v.created_at"),
            (SortKey::UpdatedAt, "v.updated_at"),
        ],
        unique: "v.version",
    };
    let (mut found, keys): (Vec<_>, Vec<_>) = list.run(tx, &rows)?.into_iter().unzip();
    model_versions::complete(tx, &mut found)?;
    Ok(found.into_iter().zip(keys).collect())
}
