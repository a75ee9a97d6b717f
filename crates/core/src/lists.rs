//! Pages of the native lists: the token of a page holds the sort key of its last row, and belongs to one query.

use std::fmt::Debug;

use lazuli_spec::lists::ListFilter;
use lazuli_spec::{Page, PageRequest};
use lazuli_store::lists::{Keyed, ListSearch};

use crate::Result;
use crate::models::{key_from_token, token_of};

/// One page of one query.
pub(crate) struct Listing {
    query: String,
    limit: u32,
    /// What the store is to look for: one row more than the page shows.
    pub(crate) search: ListSearch,
}

impl Listing {
    /// Reads what was asked: `of` says which list and what else it was asked for, beside the filter.
    pub(crate) fn read(of: &impl Debug, filter: ListFilter, page: &PageRequest) -> Result<Self> {
        let query = format!("{of:?} {filter:?}");
        let limit = page.limit_or(100, 1_000);
        let after = page
            .page_token
            .as_deref()
            .map(|token| key_from_token(&[&query], token))
            .transpose()
            .map_err(|error| error.in_field("page_token"))?;
        let search = ListSearch {
            filter,
            after,
            limit: limit + 1,
        };
        Ok(Self {
            query,
            limit,
            search,
        })
    }

    /// The page, from up to one row more than it shows.
    pub(crate) fn page<T>(&self, rows: Vec<Keyed<T>>) -> Page<T> {
        let query = self.query.as_str();
        Page::from_rows(rows, self.limit, |(_, key)| token_of(&[query], key)).map(|(row, _)| row)
    }
}
