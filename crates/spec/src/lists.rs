//! What a list is asked for: which rows, in which order. The words are the same for every noun.

use crate::assets::ListView;

/// By what a list may be sorted. Each list has some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// By name.
    #[default]
    Name,
    /// By the moment it was made.
    CreatedAt,
    /// By the moment it was changed last.
    UpdatedAt,
    /// By version number.
    Version,
}

impl SortKey {
    /// The word in `order_by`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::Version => "version",
        }
    }
}

/// An order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOrder {
    /// By what.
    pub key: SortKey,
    /// Backwards.
    pub descending: bool,
}

impl ListOrder {
    /// Reads `key`, `key asc` or `key desc`, with one of the keys that the list has.
    pub fn parse(text: &str, keys: &[SortKey]) -> Option<Self> {
        let mut words = text.split_whitespace();
        let word = words.next()?;
        let key = keys.iter().copied().find(|key| key.as_str() == word)?;
        let direction = words.next().unwrap_or("asc").to_ascii_lowercase();
        let descending = match (direction.as_str(), words.next()) {
            ("asc", None) => false,
            ("desc", None) => true,
            _ => return None,
        };
        Some(Self { key, descending })
    }
}

/// Which rows of a list, in which order. A list without archive or tags leaves those unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Which archived ones.
    pub view: ListView,
    /// Only names that begin so.
    pub prefix: Option<String>,
    /// Only with this tag, and this value if one is given.
    pub tag: Option<(String, Option<String>)>,
    /// The order.
    pub order: ListOrder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_a_key_and_a_direction() {
        let keys = [SortKey::Name, SortKey::CreatedAt];
        let parse = |text| ListOrder::parse(text, &keys);
        let by_time = |descending| ListOrder {
            key: SortKey::CreatedAt,
            descending,
        };
        assert_eq!(parse("name"), Some(ListOrder::default()));
        assert_eq!(parse("created_at DESC"), Some(by_time(true)));
        assert_eq!(parse(" created_at  asc "), Some(by_time(false)));
        for wrong in [
            "",
            "updated_at",
            "name down",
            "name desc desc",
            "desc",
            "Name",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
