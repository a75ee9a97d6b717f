//! JSON kept in TEXT columns.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// To the text of a column.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Corrupt(format!("a value cannot be written as JSON: {error}")))
}

/// From the text of a column; what does not fit was not written by this program.
pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Corrupt(format!("a JSON column cannot be read: {error}")))
}
