//! From columns to the model's types; what does not fit is an error, never a guess.

use super::StoreError;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::fmt::Display;
use std::str::FromStr;

/// A text column.
pub fn text(row: &SqliteRow, column: &str) -> Result<String, StoreError> {
    row.try_get(column).map_err(|error| StoreError::Content(error.to_string()))
}

/// A text column that may be empty.
pub fn optional_text(row: &SqliteRow, column: &str) -> Result<Option<String>, StoreError> {
    row.try_get(column).map_err(|error| StoreError::Content(error.to_string()))
}

/// A number column.
pub fn number(row: &SqliteRow, column: &str) -> Result<i64, StoreError> {
    row.try_get(column).map_err(|error| StoreError::Content(error.to_string()))
}

/// A number column that may be empty.
pub fn optional_number(row: &SqliteRow, column: &str) -> Result<Option<i64>, StoreError> {
    row.try_get(column).map_err(|error| StoreError::Content(error.to_string()))
}

/// A text column as a type of the model.
pub fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: FromStr,
    T::Err: Display,
{
    parse(&text(row, column)?, column)
}

/// A text column that may be empty, as a type of the model.
pub fn optional_parsed<T>(row: &SqliteRow, column: &str) -> Result<Option<T>, StoreError>
where
    T: FromStr,
    T::Err: Display,
{
    optional_text(row, column)?.map(|text| parse(&text, column)).transpose()
}

fn parse<T>(text: &str, column: &str) -> Result<T, StoreError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| StoreError::Content(format!("{column}: {error}")))
}

/// A JSON column.
pub fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(&text(row, column)?).map_err(|error| StoreError::Content(format!("{column}: {error}")))
}

/// A value as the text of a JSON column.
pub fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Content(error.to_string()))
}
