//! What goes into a statement and what comes out of it.

use super::StoreError;
use bytes::Bytes;
use std::sync::Arc;

/// One argument, or one field of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A whole number; also times (ms since 1970) and truth values (0, 1).
    Int(i64),
    /// Text; also JSON.
    Text(String),
    /// Bytes.
    Blob(Bytes),
}

macro_rules! into_value {
    ($($from:ty => |$name:ident| $to:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($name: $from) -> Self {
                $to
            }
        })*
    };
}

into_value! {
    i64 => |n| Self::Int(n),
    i32 => |n| Self::Int(n.into()),
    u32 => |n| Self::Int(n.into()),
    bool => |b| Self::Int(b.into()),
    // Milliseconds and sizes: what does not fit is beyond the year 292 million.
    u64 => |n| Self::Int(i64::try_from(n).unwrap_or(i64::MAX)),
    usize => |n| Self::Int(i64::try_from(n).unwrap_or(i64::MAX)),
    &str => |text| Self::Text(text.to_owned()),
    String => |text| Self::Text(text),
    &String => |text| Self::Text(text.clone()),
    Bytes => |bytes| Self::Blob(bytes),
    &[u8] => |bytes| Self::Blob(Bytes::copy_from_slice(bytes)),
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The arguments of a statement: `args![tenant, 5, None::<i64>]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::store::Value::from($value)),*][..] };
}

/// One row of an answer; fields by the names that the statement gave them.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    pub(crate) fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The field called `column`.
    ///
    /// # Errors
    /// There is none.
    pub fn value(&self, column: &str) -> Result<&Value, StoreError> {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| self.values.get(at)).ok_or_else(|| StoreError::new(format!("no column `{column}`")))
    }

    /// The text called `column`.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        self.maybe_text(column)?.ok_or_else(|| wrong(column, "text"))
    }

    /// The text called `column`, unless it is null.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            Value::Int(_) | Value::Blob(_) => Err(wrong(column, "text")),
        }
    }

    /// The number called `column`.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.maybe_int(column)?.ok_or_else(|| wrong(column, "a number"))
    }

    /// The number called `column`, unless it is null.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(n) => Ok(Some(*n)),
            Value::Text(_) | Value::Blob(_) => Err(wrong(column, "a number")),
        }
    }

    /// The truth value called `column`.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn truth(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    /// The time in ms since 1970 called `column`.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn time(&self, column: &str) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|_| wrong(column, "a time"))
    }

    /// The bytes called `column`.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn blob(&self, column: &str) -> Result<Bytes, StoreError> {
        match self.value(column)? {
            Value::Blob(bytes) => Ok(bytes.clone()),
            Value::Null | Value::Int(_) | Value::Text(_) => Err(wrong(column, "bytes")),
        }
    }

    /// The JSON called `column`, as a `T`.
    ///
    /// # Errors
    /// There is none, or it is something else.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| wrong(column, "this kind of JSON"))
    }
}

fn wrong(column: &str, wanted: &str) -> StoreError {
    StoreError::new(format!("column `{column}` is not {wanted}"))
}
