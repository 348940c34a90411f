//! Fields of a JSON object, read one by one: an error names the path, the bound, and what was given.

use super::error::JobError;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// An object and where it stands in the request.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// The request itself.
    pub(super) const fn of(map: &'a Map<String, Value>) -> Self {
        Self { path: String::new(), map: Some(map) }
    }

    /// The path of one of its fields.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A field that is there; `null` is not.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map?.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn refuse(&self, name: &str, bound: impl Into<String>) -> JobError {
        match self.get(name) {
            None => JobError::invalid(self.path(name), bound, "absent"),
            Some(given) => JobError::invalid(self.path(name), bound, given),
        }
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, name: &str, bounds: RangeInclusive<i64>) -> Result<Option<i64>, JobError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let bound = || match *bounds.end() {
            i64::MAX => format!("a whole number of at least {}", bounds.start()),
            end => format!("a whole number from {} to {end}", bounds.start()),
        };
        value.as_i64().filter(|given| bounds.contains(given)).map(Some).ok_or_else(|| self.refuse(name, bound()))
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, JobError> {
        Ok(self.whole(name, 0..=i64::MAX)?.map(i64::unsigned_abs))
    }

    /// A decimal number as so many units of `1 / scale`, within bounds counted in these units.
    pub(super) fn scaled(
        &self,
        name: &str,
        scale: u32,
        bounds: RangeInclusive<u32>,
        bound: &str,
    ) -> Result<Option<u32>, JobError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let units = value.as_f64().map(|given| given * f64::from(scale)).filter(|units| {
            (f64::from(*bounds.start())..=f64::from(*bounds.end())).contains(units)
                && (units - units.round()).abs() < 1e-6
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within the bounds, which are u32"
        )]
        let units = units.map(|units| units.round() as u32);
        units.map(Some).ok_or_else(|| self.refuse(name, bound))
    }

    /// A truth value; absent is `default`.
    pub(super) fn truth(&self, name: &str, default: bool) -> Result<bool, JobError> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.refuse(name, "true or false"))
    }

    /// A text of at most so many characters.
    pub(super) fn text(&self, name: &str, most: usize) -> Result<Option<&'a str>, JobError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(text) = value.as_str() else { return Err(self.refuse(name, "a text")) };
        let length = text.chars().count();
        if length > most {
            let given = format!("{length} characters");
            return Err(JobError::invalid(self.path(name), format!("at most {most} characters"), given));
        }
        Ok(Some(text))
    }

    /// One of a few words.
    pub(super) fn word<T>(&self, name: &str, known: &[(&str, T)]) -> Result<Option<T>, JobError>
    where
        T: Copy,
    {
        let Some(value) = self.get(name) else { return Ok(None) };
        let found = value.as_str().and_then(|word| known.iter().find(|(name, _)| *name == word));
        found.map(|(_, found)| Some(*found)).ok_or_else(|| {
            let words: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            self.refuse(name, format!("one of {}", words.join(", ")))
        })
    }

    /// An object; absent, it has no fields.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, JobError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let map = value.as_object().ok_or_else(|| self.refuse(name, "an object"))?;
        Ok(Some(Self { path: self.path(name), map: Some(map) }))
    }

    /// A list of so many entries.
    pub(super) fn list(&self, name: &str, bounds: RangeInclusive<usize>) -> Result<Option<&'a [Value]>, JobError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(list) = value.as_array() else { return Err(self.refuse(name, "a list")) };
        if !bounds.contains(&list.len()) {
            let bound = format!("a list of {} to {} entries", bounds.start(), bounds.end());
            return Err(JobError::invalid(self.path(name), bound, format!("{} entries", list.len())));
        }
        Ok(Some(list))
    }

    /// A list of objects.
    pub(super) fn objects(&self, name: &str, bounds: RangeInclusive<usize>) -> Result<Vec<Self>, JobError> {
        let Some(list) = self.list(name, bounds)? else { return Ok(Vec::new()) };
        let at = |n: usize| format!("{}[{n}]", self.path(name));
        list.iter()
            .enumerate()
            .map(|(n, value)| {
                let map = value.as_object().ok_or_else(|| JobError::invalid(at(n), "an object", value))?;
                Ok(Self { path: at(n), map: Some(map) })
            })
            .collect()
    }

    /// What must be there.
    pub(super) fn need<T>(&self, name: &str, found: Option<T>) -> Result<T, JobError> {
        found.ok_or_else(|| JobError::invalid(self.path(name), "given", "absent"))
    }
}
