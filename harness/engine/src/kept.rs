//! What the branches of a run share. Whoever reads or changes it does so in one go: nobody sees half a change, and
//! nothing is borrowed over an await.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// A value that several branches take note of things in. A run has one thread; branches take turns at awaits only.
#[derive(Debug, Default)]
pub(crate) struct Kept<T>(RefCell<T>);

impl<T> Kept<T> {
    /// Begins with `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Looks at it.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.borrow())
    }

    /// Changes it. `change` must not come back here.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.0.borrow_mut())
    }
}

impl<K: Ord, V> Kept<BTreeMap<K, V>> {
    /// A copy of what stands under `key`.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        V: Clone,
    {
        self.read(|map| map.get(key).cloned())
    }

    /// Whether anything stands under `key`.
    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.read(|map| map.contains_key(key))
    }

    /// Puts `value` under `key`.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.change(|map| map.insert(key, value));
    }

    /// Takes away what stands under `key`.
    pub(crate) fn remove<Q: Ord + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.change(|map| map.remove(key))
    }

    /// A copy of everything.
    pub(crate) fn all(&self) -> BTreeMap<K, V>
    where
        K: Clone,
        V: Clone,
    {
        self.read(BTreeMap::clone)
    }
}

impl<T: Ord> Kept<BTreeSet<T>> {
    /// Takes note of `value`.
    pub(crate) fn insert(&self, value: T) {
        self.change(|set| set.insert(value));
    }

    /// Whether `value` was taken note of.
    pub(crate) fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.read(|set| set.contains(value))
    }
}
