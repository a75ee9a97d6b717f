//! Pages of a list, by key: page 1,000 costs what page 1 costs, and stays right while rows are added.

use serde::{Deserialize, Serialize};

/// What a caller asks of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PageRequest {
    /// How many items at most; the list's own default when absent.
    pub limit: Option<u32>,
    /// Where the last page ended: its `next_page_token`.
    pub page_token: Option<String>,
}

impl PageRequest {
    /// The number of items to read, within `1..=most`.
    pub fn limit_or(&self, default: u32, most: u32) -> u32 {
        self.limit.unwrap_or(default).clamp(1, most)
    }
}

/// Some items of a list, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Give this back to read on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page from up to `limit + 1` rows: the extra row only tells that there is more.
    pub fn from_rows(mut rows: Vec<T>, limit: u32, token: impl Fn(&T) -> String) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_page_token = if more { rows.last().map(token) } else { None };
        Self {
            items: rows,
            next_page_token,
        }
    }

    /// The same page with each item changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next_page_token: self.next_page_token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extra_row_becomes_the_token() {
        let page = Page::from_rows(vec![1, 2, 3], 2, ToString::to_string);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(page.next_page_token.as_deref(), Some("2"));
        let last = Page::from_rows(vec![1, 2], 2, ToString::to_string);
        assert_eq!(last.next_page_token, None);
    }
}
