//! What lists can be asked for: the query parameters of every list that is no list of jobs, and how they are read.
//!
//! A parameter that a list does not have is refused: a filter that is silently left out shows more than was asked for.

use lazuli_core::audit::AuditFilter;
use lazuli_core::tokens::TokenSearch;
use lazuli_core::{Error, Result};
use lazuli_spec::PageRequest;
use lazuli_spec::assets::ListView;
use lazuli_spec::audit::Outcome;
use lazuli_spec::lists::{ListFilter, ListOrder, SortKey};
use lazuli_spec::principals::PrincipalKind;
use lazuli_spec::tokens::TokenState;
use serde::Deserialize;
use utoipa::IntoParams;

const BY_NAME: [SortKey; 2] = [SortKey::Name, SortKey::CreatedAt];
const BY_CHANGE: [SortKey; 3] = [SortKey::Name, SortKey::CreatedAt, SortKey::UpdatedAt];
const NEWEST_VERSION: ListOrder = ListOrder {
    key: SortKey::Version,
    descending: true,
};

/// Which rows of a list by name.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// How many items at most.
    limit: Option<u32>,
    /// The `next_page_token` of the page before.
    page_token: Option<String>,
    /// Only names that begin so.
    prefix: Option<String>,
    /// Only with this tag: `key` or `key=value`.
    tag: Option<String>,
    /// `name` (the default) or `created_at`, with ` desc` for backwards.
    order_by: Option<String>,
}

impl ListQuery {
    pub(crate) fn read(self) -> Result<(ListFilter, PageRequest)> {
        let filter = ListFilter {
            prefix: self.prefix,
            tag: self.tag.map(tag),
            order: order(self.order_by.as_deref(), &BY_NAME)?,
            ..ListFilter::default()
        };
        Ok((filter, page(self.limit, self.page_token)))
    }
}

/// Which workspaces to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// Only names that begin so.
    prefix: Option<String>,
    /// Only with this tag: `key` or `key=value`.
    tag: Option<String>,
    /// `name` (the default), `created_at` or `updated_at`, with ` desc` for backwards.
    order_by: Option<String>,
}

impl WorkspaceQuery {
    pub(crate) fn read(self) -> Result<(ListFilter, PageRequest)> {
        let filter = ListFilter {
            prefix: self.prefix,
            tag: self.tag.map(tag),
            order: order(self.order_by.as_deref(), &BY_CHANGE)?,
            ..ListFilter::default()
        };
        Ok((filter, page(self.limit, self.page_token)))
    }
}

/// Which models to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ModelQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// `active` (the default), `archived` or `all`.
    #[serde(alias = "list_view_type")]
    view: Option<String>,
    /// Archived ones too, the same as `view=all`.
    include_archived: Option<bool>,
    /// Only names that begin so.
    prefix: Option<String>,
    /// Only with this tag, on the model or its newest version: `key` or `key=value`.
    tag: Option<String>,
    /// `name` (the default), `created_at` or `updated_at`, with ` desc` for backwards.
    order_by: Option<String>,
}

impl ModelQuery {
    pub(crate) fn read(self) -> Result<(ListFilter, PageRequest)> {
        let filter = ListFilter {
            view: model_view(self.view.as_deref(), self.include_archived)?,
            prefix: self.prefix,
            tag: self.tag.map(tag),
            order: order(self.order_by.as_deref(), &BY_CHANGE)?,
        };
        Ok((filter, page(self.limit, self.page_token)))
    }
}

/// Which versions of a model to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ModelVersionQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// `active` (the default), `archived` or `all`.
    #[serde(alias = "list_view_type")]
    view: Option<String>,
    /// Archived ones too, the same as `view=all`.
    include_archived: Option<bool>,
    /// Only versions that begin so.
    prefix: Option<String>,
    /// Only with this tag: `key` or `key=value`.
    tag: Option<String>,
    /// `version desc` (the default), `version`, `created_at` or `updated_at`, with ` desc` for backwards.
    order_by: Option<String>,
}

impl ModelVersionQuery {
    pub(crate) fn read(self) -> Result<(ListFilter, PageRequest)> {
        let keys = [SortKey::Version, SortKey::CreatedAt, SortKey::UpdatedAt];
        let filter = ListFilter {
            view: model_view(self.view.as_deref(), self.include_archived)?,
            prefix: self.prefix,
            tag: self.tag.map(tag),
            order: match self.order_by.as_deref() {
                None => NEWEST_VERSION,
                asked => order(asked, &keys)?,
            },
        };
        Ok((filter, page(self.limit, self.page_token)))
    }
}

/// Which users and services to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PrincipalQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// `user` or `service`.
    kind: Option<String>,
    /// Only names that begin so.
    prefix: Option<String>,
    /// `name` (the default) or `created_at`, with ` desc` for backwards.
    order_by: Option<String>,
}

impl PrincipalQuery {
    pub(crate) fn read(self) -> Result<(Option<PrincipalKind>, ListFilter, PageRequest)> {
        let kind = word("kind", self.kind.as_deref(), "`user`, `service`", |text| {
            PrincipalKind::parse(text)
                .filter(|kind| matches!(kind, PrincipalKind::User | PrincipalKind::Service))
        })?;
        let filter = ListFilter {
            prefix: self.prefix,
            order: order(self.order_by.as_deref(), &BY_NAME)?,
            ..ListFilter::default()
        };
        Ok((kind, filter, page(self.limit, self.page_token)))
    }
}

/// Which tokens to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TokenQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// Everybody's, not only one's own.
    #[serde(default)]
    all: bool,
    /// Those of this user or service, by name.
    principal: Option<String>,
    /// `active`, `revoked` or `expired`.
    state: Option<String>,
    /// Only names that begin so.
    prefix: Option<String>,
    /// `created_at` (the default) or `name`, with ` desc` for backwards.
    order_by: Option<String>,
}

impl TokenQuery {
    pub(crate) fn read(self) -> Result<(TokenSearch, ListFilter, PageRequest)> {
        let known = "`active`, `revoked`, `expired`";
        let wanted = TokenSearch {
            everybody: self.all,
            principal: self.principal,
            state: word("state", self.state.as_deref(), known, TokenState::parse)?,
        };
        let filter = ListFilter {
            prefix: self.prefix,
            order: order(
                self.order_by.as_deref(),
                &[SortKey::CreatedAt, SortKey::Name],
            )?,
            ..ListFilter::default()
        };
        Ok((wanted, filter, page(self.limit, self.page_token)))
    }
}

/// Which roles to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RoleQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// Only built-in ones, or only custom ones.
    built_in: Option<bool>,
    /// Only names that begin so.
    prefix: Option<String>,
    /// `name` (the default) or `name desc`.
    order_by: Option<String>,
}

impl RoleQuery {
    pub(crate) fn read(self) -> Result<(Option<bool>, ListFilter, PageRequest)> {
        let filter = ListFilter {
            prefix: self.prefix,
            order: order(self.order_by.as_deref(), &[SortKey::Name])?,
            ..ListFilter::default()
        };
        Ok((self.built_in, filter, page(self.limit, self.page_token)))
    }
}

/// Which role assignments to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AssignmentQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// Only those of this user or service, by name.
    principal: Option<String>,
    /// Only those of this role, by name or id.
    role: Option<String>,
    /// `created_at` (the default) or `created_at desc`.
    order_by: Option<String>,
}

/// A principal and a role.
pub(crate) type Holder = (Option<String>, Option<String>);

impl AssignmentQuery {
    pub(crate) fn read(self) -> Result<(Holder, ListFilter, PageRequest)> {
        let filter = ListFilter {
            order: order(self.order_by.as_deref(), &[SortKey::CreatedAt])?,
            ..ListFilter::default()
        };
        let page = page(self.limit, self.page_token);
        Ok(((self.principal, self.role), filter, page))
    }
}

/// Which records to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    limit: Option<u32>,
    page_token: Option<String>,
    /// Only of this principal, by name.
    principal: Option<String>,
    /// Only actions that end so, for example `jobs/write`.
    action: Option<String>,
    /// Only in this workspace.
    workspace: Option<String>,
    /// `allowed`, `denied` or `unauthenticated`.
    outcome: Option<String>,
    /// `at desc` (the default) or `at`.
    order_by: Option<String>,
}

impl AuditQuery {
    pub(crate) fn read(self) -> Result<(AuditFilter, PageRequest)> {
        let known = "`allowed`, `denied`, `unauthenticated`";
        let oldest_first = match self.order_by.as_deref() {
            None | Some("at desc") => false,
            Some("at" | "at asc") => true,
            Some(_) => return Err(wrong_order("`at`")),
        };
        let filter = AuditFilter {
            principal: self.principal,
            action: self.action,
            workspace: self.workspace,
            outcome: word("outcome", self.outcome.as_deref(), known, Outcome::parse)?,
            oldest_first,
        };
        Ok((filter, page(self.limit, self.page_token)))
    }
}

/// The page asked for.
pub(crate) fn page(limit: Option<u32>, page_token: Option<String>) -> PageRequest {
    PageRequest { limit, page_token }
}

/// `key` or `key=value`.
pub(crate) fn tag(text: String) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text, None),
    }
}

/// The view asked for; what is archived is hidden unless it is.
pub(crate) fn view(text: Option<&str>) -> Result<ListView> {
    Ok(text.map_or(Ok(ListView::default()), ListView::parse)?)
}

/// The order asked for, or the first of the list's keys.
pub(crate) fn order(text: Option<&str>, keys: &[SortKey]) -> Result<ListOrder> {
    let Some(text) = text else {
        let key = keys.first().copied().unwrap_or_default();
        return Ok(ListOrder {
            key,
            descending: false,
        });
    };
    ListOrder::parse(text, keys).ok_or_else(|| {
        let words: Vec<_> = keys
            .iter()
            .map(|key| format!("`{}`", key.as_str()))
            .collect();
        wrong_order(&words.join(" or "))
    })
}

fn wrong_order(keys: &str) -> Error {
    Error::invalid("order_by", "this is not an order of this list")
        .hint(format!("write {keys}, with ` desc` for backwards"))
}

/// One of a few words.
fn word<T>(
    field: &str,
    text: Option<&str>,
    known: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    text.map(|text| {
        parse(text).ok_or_else(|| {
            let shown = text.escape_debug();
            Error::invalid(field, format!("`{shown}` is none of {known}"))
        })
    })
    .transpose()
}

fn model_view(text: Option<&str>, include_archived: Option<bool>) -> Result<ListView> {
    match (text, include_archived) {
        (None, Some(true)) => Ok(ListView::All),
        (Some(_), Some(_)) => Err(Error::invalid(
            "include_archived",
            "`view` and `include_archived` say the same; give one of them",
        )),
        (text, _) => view(text),
    }
}
